"""Any place in memory, for every array of every operator: the same result as in C order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from memory_layouts import LAYOUTS
from operator_calls import CALLS, CONVOLUTIONS, Call

import fastconv as fc
from fastconv import _core

ARRAYS = [(call, name) for call in CALLS for name in call.arrays]


@pytest.fixture(params=_core.info()["runnable_isas"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("call", "name"), ARRAYS, ids=[f"{c}-{n}" for c, n in ARRAYS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_array(call: Call, name: str, layout: str, dtype: Any, isa: str) -> None:
    arrays = {
        key: array if array.dtype == np.int64 else array.astype(dtype)
        for key, array in call.arrays.items()
    }
    moved = LAYOUTS[layout](arrays[name])
    np.testing.assert_array_equal(moved, arrays[name])
    np.testing.assert_allclose(
        call.run(**{**arrays, name: moved}), call.run(**arrays), rtol=2 * np.finfo(dtype).eps
    )
    np.testing.assert_array_equal(moved, arrays[name], err_msg="written")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("algorithm", ["auto", "direct", "im2col"])
@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_all_arrays_of_a_convolution(call: Call, algorithm: str, layout: str, isa: str) -> None:
    moved = {name: LAYOUTS[layout](array) for name, array in call.arrays.items()}
    np.testing.assert_array_equal(call.run(**moved, algorithm=algorithm), call.expected())


@pytest.mark.parametrize("call", [c for c in CALLS if "x" in c.arrays], ids=str)
def test_without_a_batch(call: Call, isa: str) -> None:
    single = {name: call.arrays[name][1] for name in ("x", "indices") if name in call.arrays}
    for layout in (np.array, *LAYOUTS.values()):
        moved = {name: layout(array) for name, array in single.items()}
        np.testing.assert_array_equal(call.run(**moved), call.run()[1])


def broadcast(array: Any, axes: tuple[int, ...]) -> Any:
    """A view that repeats the first element along some axes, with a stride of zero."""
    first = array[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(array.ndim))]
    return np.broadcast_to(first, array.shape)


@pytest.mark.parametrize(("call", "name"), ARRAYS, ids=[f"{c}-{n}" for c, n in ARRAYS])
def test_strides_of_zero(call: Call, name: str, isa: str) -> None:
    array = call.arrays[name]
    single = [(axis,) for axis in range(array.ndim)]
    for axes in (*single, tuple(range(array.ndim)), tuple(range(1, array.ndim))):
        view = broadcast(array, axes)
        result = call.run(**{name: view})
        np.testing.assert_array_equal(result, call.run(**{name: view.copy()}))


def test_overlapping_windows_as_input(isa: str) -> None:
    """Rows that share memory, as sliding windows do."""
    signal = np.random.default_rng(0).integers(-4, 5, 60).astype(np.float32)
    rows = np.lib.stride_tricks.sliding_window_view(signal, 20)[None, None]
    weight = np.random.default_rng(1).integers(-2, 3, (3, 1, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        fc.conv2d(rows, weight, padding=1), fc.conv2d(rows.copy(), weight, padding=1)
    )
    np.testing.assert_array_equal(fc.max_pool2d(rows, 3), fc.max_pool2d(rows.copy(), 3))


def test_length_one_axes_with_any_stride(isa: str) -> None:
    """Strides of axes of length 1 mean nothing, and may be anything."""
    x = np.arange(60, dtype=np.float32).reshape(1, 1, 6, 10)
    odd = np.lib.stride_tricks.as_strided(x, x.shape, (2**40 + 4, -(2**41), 40, 4))
    weight = np.ones((1, 1, 3, 3), np.float32)
    far = np.lib.stride_tricks.as_strided(weight, weight.shape, (-(2**50), 2**45, 12, 4))
    expected = fc.conv2d(x, weight, padding=1)
    np.testing.assert_array_equal(fc.conv2d(odd, far, padding=1), expected)
    np.testing.assert_array_equal(fc.avg_pool2d(odd, 2), fc.avg_pool2d(x, 2))


@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_channels_last_gives_channels_last(call: Call) -> None:
    x = call.arrays["x"]
    result = call.run(x=LAYOUTS["channels last"](x))
    assert np.moveaxis(result, 1, -1).flags.c_contiguous
    assert call.run().flags.c_contiguous
    assert call.run(x=np.asfortranarray(x)).shape == call.run().shape
