"""Every operator and gradient on a GPU: the whole list of problems, with CuPy and with PyTorch."""

from __future__ import annotations

from typing import Any

import gpu_problems as problems
import ml_dtypes
import numpy as np
import pytest
from gpu_arrays import arrays, needs_gpu  # noqa: F401

import cases
import fastconv as fc
from fastconv import reference
from fastconv.benchmarks.problem import Problem

pytestmark = needs_gpu
each = pytest.mark.parametrize
OTHERS = [*cases.POOL_CASES, *cases.UNPOOL_CASES, *cases.FOLD_CASES, *cases.IMAGE_CASES]
TYPES = (np.float32, np.float64)


@each("dtype", TYPES)
@each("problem", [*problems.CONVOLUTIONS, *OTHERS], ids=lambda p: p.name)
def test_operator(problem: Problem, dtype: Any, arrays: Any) -> None:  # noqa: F811
    problems.check_operator(problem, arrays.to, arrays.back, dtype)


@each("problem", problems.CONVOLUTIONS, ids=lambda p: p.name)
def test_channels_last(problem: Problem, arrays: Any) -> None:  # noqa: F811
    problems.check_channels_last(problem, arrays.to, arrays.back)


@each("problem", problems.CONVOLUTIONS, ids=lambda p: p.name)
def test_convolution_gradients(problem: Problem, arrays: Any) -> None:  # noqa: F811
    problems.check_convolution_gradients(problem, arrays.to, arrays.back)


@each("problem", problems.GRADIENTS, ids=lambda p: p.name)
def test_pooling_gradient(problem: Problem, arrays: Any) -> None:  # noqa: F811
    problems.check_pooling_gradient(problem, arrays.to, arrays.back)


@each("problem", cases.UNPOOL_CASES, ids=lambda p: p.name)
def test_unpooling_gradient(problem: Problem, arrays: Any) -> None:  # noqa: F811
    problems.check_unpooling_gradient(problem, arrays.to, arrays.back)


@each("dtype", [np.float16, ml_dtypes.bfloat16])
@each("problem", problems.CONVOLUTIONS, ids=lambda p: p.name)
def test_narrow_types(problem: Problem, dtype: Any, arrays: Any) -> None:  # noqa: F811
    """Sums of whole numbers are exact in float32, and rounded once to 16 bits."""
    wide = cases.exact_integers(problem)
    narrow = cases.Operands(*(None if a is None else arrays.to(a.astype(dtype)) for a in wide))
    got = arrays.back(cases.call(fc, problem, narrow)).astype(np.float32)
    expected = cases.call(reference, problem, wide)
    if problem.options.get("activation") in (None, "relu"):
        exact = cases.rounded(expected, dtype).astype(np.float32)
        np.testing.assert_array_equal(got, exact)
    else:
        np.testing.assert_allclose(got, expected, rtol=2.0**-7, atol=2.0**-7)


@each("problem", problems.sample(problems.CONVOLUTIONS, 5), ids=lambda p: p.name)
def test_the_same_bits_every_time(problem: Problem, arrays: Any) -> None:  # noqa: F811
    operands = cases.Operands(*map(arrays.to, cases.gaussian(problem)))
    first = arrays.back(cases.call(fc, problem, operands))
    for _ in range(3):
        np.testing.assert_array_equal(first, arrays.back(cases.call(fc, problem, operands)))
