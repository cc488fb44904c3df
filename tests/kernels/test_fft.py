"""What is particular to Fourier transforms: when they are taken, their errors, what they decline.

Their results on every instruction set are tested by the C++ kernel tests too.
"""

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
from neighbourhood import plane_scale

ISAS = [isa for isa in _core.info()["runnable_isas"] if isa != "scalar"]
# One tile and several, a pair that is not full, residues of a dilation, images, channels.
PROBLEMS = [
    Problem("filter", "conv2d", (1, 1, 150, 310), (1, 1, 31, 31), options={"padding": 15}),
    Problem("depthwise", "conv2d", (3, 5, 40, 41), (5, 1, 21, 21), True, {"groups": 5}),
    Problem("few", "conv2d", (2, 3, 60, 50), (3, 3, 13, 15), True, {"padding": 7}),
    Problem(
        "dilated", "conv2d", (1, 2, 70, 90), (2, 1, 9, 11), options={"groups": 2, "dilation": 3}
    ),
    Problem("signal", "conv1d", (2, 3, 3000), (3, 1, 401), options={"groups": 3, "padding": 200}),
]
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


def gaussian(problem: Problem, dtype: Any) -> cases.Operands:
    return cases.gaussian(problem, dtype)


def positive(problem: Problem, dtype: Any) -> cases.Operands:
    return cases.Operands(
        *(None if a is None else np.abs(a) for a in cases.gaussian(problem, dtype))
    )


def spikes(problem: Problem, dtype: Any) -> cases.Operands:
    """A few pixels and kernel elements a million times larger than the others."""
    operands = cases.gaussian(problem, dtype)
    for array in (operands.x, operands.weight):
        array.reshape(-1)[:: array.size // 5 + 1] *= 1e6
    return operands


def tiny(problem: Problem, dtype: Any) -> cases.Operands:
    operands = cases.gaussian(problem, dtype)
    scale = dtype(np.finfo(dtype).tiny) * dtype(2.0**30)
    return operands._replace(x=operands.x * scale, bias=None)


def huge(problem: Problem, dtype: Any) -> cases.Operands:
    """Sums that the type holds, of numbers whose transforms it would not."""
    operands = cases.gaussian(problem, dtype)
    return operands._replace(x=operands.x * dtype(np.finfo(dtype).max / 2**20), bias=None)


@each_problem
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [gaussian, positive, spikes, tiny, huge], ids=lambda k: k.__name__)
def test_errors_are_within_the_bound(problem: Problem, dtype: Any, kind: Any, isa: str) -> None:
    operands = kind(problem, dtype)
    expected = cases.call(reference, problem, operands)
    count = math.prod(problem.weight_shape[1:]) + 1
    info = np.finfo(dtype)
    scale = plane_scale(problem, operands)
    allowed = (8 + math.sqrt(count)) * info.eps * scale + count * info.smallest_subnormal
    result = cases.call(fc, problem, operands, algorithm="fft")
    assert np.all(np.isfinite(result))
    # The reference sums in float64 itself, so float64 results are compared within twice the bound.
    assert np.all(np.abs(result - expected) <= (2 if dtype is np.float64 else 1) * allowed)


@each_problem
def test_threads_do_not_change_a_bit(problem: Problem, isa: str) -> None:
    operands = cases.gaussian(problem)
    results = []
    for count in (1, 2, 3, 7):
        fc.set_num_threads(count)
        results.append(cases.call(fc, problem, operands, algorithm="fft").tobytes())
    fc.set_num_threads(None)
    assert len(set(results)) == 1


@each_problem
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_numbers_are_exact(problem: Problem, dtype: Any, isa: str) -> None:
    operands = cases.exact_integers(problem, dtype)
    expected = cases.call(reference, problem, operands).astype(dtype)
    np.testing.assert_array_equal(cases.call(fc, problem, operands, algorithm="fft"), expected)


@each_problem
@pytest.mark.parametrize("where", ["x", "weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_would_spread_are_left_to_direct_sums(
    problem: Problem, where: str, value: float, isa: str
) -> None:
    operands = cases.exact_integers(problem)
    array = getattr(operands, where).copy()
    array.reshape(-1)[array.size // 3] = value
    operands = operands._replace(**{where: array})
    with np.errstate(invalid="ignore"):
        expected = cases.call(reference, problem, operands).astype(np.float32)
    np.testing.assert_array_equal(cases.call(fc, problem, operands, algorithm="fft"), expected)


def test_images_of_a_batch_do_not_raise_each_others_errors(isa: str) -> None:
    """Two tiles share a transform: each is scaled for itself."""
    problem = Problem("pair", "conv2d", (2, 1, 30, 30), (1, 1, 11, 11), options={"padding": 5})
    operands = cases.gaussian(problem)
    operands.x[1] *= np.float32(1e-20)
    expected = cases.call(reference, problem, operands)
    result = cases.call(fc, problem, operands, algorithm="fft")
    scale = plane_scale(problem, operands)
    assert np.all(np.abs(result - expected) <= 20 * np.finfo(np.float32).eps * scale)


@pytest.mark.parametrize("shape", [(90, 120), (50, 60, 3), (3, 4)])
@pytest.mark.parametrize("boundary", ["fill", "reflect", "nearest", "wrap"])
@pytest.mark.parametrize("mode", ["full", "same"])
@pytest.mark.parametrize("op", ["convolve2d", "correlate2d"])
def test_image_filters(op: str, mode: str, boundary: str, shape: Any, isa: str) -> None:
    options = {"mode": mode, "boundary": boundary, "fill_value": -1.5}
    problem = Problem("image", op, shape, (17, 12), options=options)
    operands = cases.gaussian(problem)
    expected = cases.call(reference, problem, operands)
    result = cases.call(fc, problem, operands, algorithm="fft")
    scale = max(np.abs(operands.x).max(), 1.5) * np.abs(operands.weight).sum()
    assert np.all(np.abs(result - expected) <= (8 + 204**0.5) * np.finfo(np.float32).eps * scale)


def test_it_is_taken_where_kernels_have_many_elements(isa: str) -> None:
    taken = {}
    for size in (3, 7, 31, 63):
        story = fc.explain("conv2d", (1, 1, 1080, 1920), (1, 1, size, size), padding=size // 2)
        taken[size] = story.algorithm
    assert taken == {3: "direct", 7: "direct", 31: "fft", 63: "fft"}


def test_what_it_declines_says_why(isa: str) -> None:
    x, weight = np.zeros((1, 8, 9, 9), np.float32), np.zeros((8, 8, 3, 3), np.float32)
    with pytest.raises(fc.UnsupportedError, match="at most 4 input channels per group"):
        fc.conv2d(x, weight, algorithm="fft")
    with pytest.raises(fc.UnsupportedError, match="no stride but 1"):
        fc.conv2d(x, weight[:, :1], groups=8, stride=2, algorithm="fft")
    with pytest.raises(fc.UnsupportedError, match="no transposed form"):
        fc.conv_transpose2d(x, weight[:, :1], groups=8, algorithm="fft")
    with pytest.raises(fc.OptionError, match="algorithm"):
        fc.correlate2d(x[0, 0], weight[0, 0], algorithm="fourier")  # type: ignore[arg-type]
