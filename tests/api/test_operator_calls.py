"""The calls that the other tests of this folder change are right as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operator_calls import CALLS, Call

import fastconv as fc

DOCUMENTED_ELSEWHERE = {"conv_matrix", "output_shape", "receptive_field", "same_padding"}


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_call_matches_the_reference(call: Call, dtype: Any) -> None:
    arrays = {
        name: array if array.dtype == np.int64 else array.astype(dtype)
        for name, array in call.arrays.items()
    }
    result = call.run(**arrays)
    assert type(result) is np.ndarray
    assert result.dtype == dtype
    expected = call.expected(**arrays)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps)


def test_every_operator_is_called() -> None:
    operators = {
        name
        for name in fc.functional.__all__
        if name not in (*DOCUMENTED_ELSEWHERE, "activation") and not name.endswith("_backward")
    }
    assert {call.op for call in CALLS} == operators


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_inputs_are_not_written(call: Call) -> None:
    copies = {name: array.copy() for name, array in call.arrays.items()}
    result = call.run(**copies)
    for name, array in copies.items():
        np.testing.assert_array_equal(array, call.arrays[name], err_msg=name)
        assert not np.shares_memory(result, array)
