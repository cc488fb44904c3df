"""convolve2d and correlate2d against the reference, on every instruction set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cases
import fastconv as fc
from fastconv import _core, reference
from fastconv.benchmarks.problem import Problem

DTYPES = (np.float32, np.float64)
LAYOUTS = {
    "plain": np.array,
    "fortran": np.asfortranarray,
    "planes": lambda image: np.moveaxis(np.moveaxis(image, -1, 0).copy(), 0, -1),
    "cropped": lambda image: np.pad(image, [(1, 2)] * image.ndim)[(slice(1, -2),) * image.ndim],
}
each_case = pytest.mark.parametrize("problem", cases.IMAGE_CASES, ids=lambda p: p.name)


@pytest.fixture(params=_core.info()["runnable_isas"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


@each_case
@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_are_exact(problem: Problem, dtype: Any, isa: str) -> None:
    operands = cases.exact_integers(problem, dtype)
    expected = cases.call(reference, problem, operands)
    for name, place in LAYOUTS.items():
        result = cases.call(fc, problem, operands._replace(x=place(operands.x)))
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected, err_msg=name)


@each_case
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_within_the_bound(problem: Problem, dtype: Any, isa: str) -> None:
    operands = cases.gaussian(problem, dtype)
    expected = cases.call(reference, problem, operands)
    magnitude = reference.magnitude(problem.op, *operands.positional, **problem.options)
    terms = math.prod(problem.weight_shape)
    bound = (8 + math.sqrt(terms)) * np.finfo(dtype).eps * magnitude
    assert np.all(np.abs(cases.call(fc, problem, operands) - expected) <= bound)


@each_case
@pytest.mark.parametrize("where", ["x", "weight"])
def test_nan_and_infinity(problem: Problem, where: str, isa: str) -> None:
    operands = cases.exact_integers(problem)
    array = getattr(operands, where).copy()
    flat = array.reshape(-1)
    for index, value in enumerate((np.nan, np.inf, -np.inf)):
        flat[index * 7 % flat.size] = value
    operands = operands._replace(**{where: array})
    with np.errstate(invalid="ignore"):
        expected = cases.call(reference, problem, operands).astype(np.float32)
    for place in LAYOUTS.values():
        result = cases.call(fc, problem, operands._replace(x=place(operands.x)))
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf, -0.0, 1e300, 7, np.float32(0.5)])
@pytest.mark.parametrize("mode", ["full", "same"])
def test_fill_values(fill: float, mode: Any, isa: str) -> None:
    image = np.arange(1, 31, dtype=np.float64).reshape(5, 6)
    kernel = np.array([[1.0, 2.0, 0.0], [-1.0, 3.0, 1.0]])
    with np.errstate(invalid="ignore"):
        expected = reference.correlate2d(image, kernel, mode, fill_value=fill)
        result = fc.correlate2d(image, kernel, mode, fill_value=fill)
    np.testing.assert_allclose(result, expected, rtol=1e-15)


@pytest.mark.parametrize("shape", [(300, 400), (150, 200, 3), (80, 90, 17)])
@pytest.mark.parametrize("boundary", ["fill", "reflect"])
def test_threads_do_not_change_a_bit(shape: Any, boundary: Any, isa: str) -> None:
    generator = np.random.default_rng(0)
    image = generator.standard_normal(shape).astype(np.float32)
    kernel = generator.standard_normal((5, 5)).astype(np.float32)
    try:
        fc.set_num_threads(1)
        one = fc.convolve2d(image, kernel, "same", boundary)
        for count in (2, 3):
            fc.set_num_threads(count)
            several = fc.convolve2d(image, kernel, "same", boundary)
            np.testing.assert_array_equal(several, one)
    finally:
        fc.set_num_threads(None)


def test_kernels_larger_than_the_image(isa: str) -> None:
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    kernel = np.ones((9, 11), np.float32)
    for boundary in ("fill", "reflect", "nearest", "wrap"):
        for mode in ("full", "same"):
            np.testing.assert_array_equal(
                fc.convolve2d(image, kernel, mode, boundary),
                reference.convolve2d(image, kernel, mode, boundary),
            )
