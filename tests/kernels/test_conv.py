"""Convolution kernels against the reference: every algorithm, instruction set, dtype and layout."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cases
import fastconv as fc
from conv_cases import ACTIVATIONS
from fastconv import _core, reference
from fastconv.benchmarks.problem import Problem

ISAS = _core.info()["runnable_isas"]
ALGORITHMS = ("auto", "direct", "im2col")
DTYPES = (np.float32, np.float64)
LAYOUTS = ("planar", "channels_last")
PROBLEMS = [*cases.CONV_CASES, *cases.TRANSPOSED_CASES]
ACTIVATED = [p for p in PROBLEMS if "activation" in p.options]
# The largest slope of each activation: by how much it can enlarge the error of the sum before it.
SLOPES = {
    "relu": 1.0,
    "relu6": 1.0,
    "leaky_relu": 1.0,
    "sigmoid": 0.25,
    "tanh": 1.0,
    "silu": 1.1,
    "gelu": 1.13,
    "hardswish": 1.5,
}
# What evaluating an activation may add, in eps of its result. Every digit counts: the lower tails
# of sigmoid, silu and gelu are as exact as their large values.
ACTIVATION_EPS = 6


def linear(problem: Problem) -> Problem:
    """The problem without its activation."""
    options = {name: value for name, value in problem.options.items() if name != "activation"}
    return replace(problem, options=options)


LINEAR = [linear(p) for p in PROBLEMS]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


@pytest.fixture
def threads() -> Iterator[Any]:
    yield fc.set_num_threads
    fc.set_num_threads(None)


def in_layout(x: Any, problem: Problem, layout: str) -> Any:
    """The same values, with the channels varying fastest where ``layout`` says so."""
    if layout == "planar":
        return x
    axis = x.ndim - problem.rank - 1
    return np.moveaxis(np.moveaxis(x, axis, -1).copy(), -1, axis)


def reduction_length(problem: Problem) -> int:
    """Most products that one output sums up, and the bias."""
    kernel = math.prod(problem.weight_shape[2:])
    channels = problem.weight_shape[0] // problem.groups
    if not problem.is_transposed:
        channels = problem.weight_shape[1]
    return channels * kernel + 1


def magnitude(problem: Problem, operands: cases.Operands) -> Any:
    return reference.magnitude(problem.op, *operands.positional, **problem.options)


def sum_bound(problem: Problem, operands: cases.Operands) -> Any:
    """Largest error allowed of the sums: (8 + sqrt(n)) eps times the magnitude of n products.

    The provable factor is n (Higham, section 3.1); rounding errors that are independent add up as
    their root (Higham & Mary, SIAM J. Sci. Comput. 41, 2019).
    """
    eps = np.finfo(operands.x.dtype).eps
    return (8 + math.sqrt(reduction_length(problem))) * eps * magnitude(problem, operands)


@functools.lru_cache(maxsize=4)
def known(name: str, dtype: Any) -> tuple[cases.Operands, Any, Any]:
    """Gaussian operands of a problem, its sums and the error that they may have."""
    problem = next(p for p in LINEAR if p.name == name)
    operands = cases.gaussian(problem, dtype)
    return operands, cases.call(reference, problem, operands), sum_bound(problem, operands)


def each_way(problem: Problem, operands: cases.Operands) -> Iterator[tuple[str, Any]]:
    """Results by every algorithm and in every layout."""
    for algorithm in ALGORITHMS:
        for layout in LAYOUTS:
            given = operands._replace(x=in_layout(operands.x, problem, layout))
            result = cases.call(fc, problem, given, algorithm=algorithm)
            assert result.dtype == operands.x.dtype
            yield f"{algorithm}, {layout}", result


def assert_within(result: Any, expected: Any, bound: Any, way: str) -> None:
    assert result.shape == expected.shape, way
    error = np.abs(result.astype(np.float64) - expected)
    assert np.all(error <= bound), f"{way}: {(error / np.maximum(bound, 1e-300)).max()} bounds"


@pytest.mark.parametrize("problem", LINEAR, ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_are_exact(problem: Problem, dtype: Any, isa: str) -> None:
    operands = cases.exact_integers(problem, dtype)
    expected = cases.call(reference, problem, operands).astype(dtype)
    for way, result in each_way(problem, operands):
        np.testing.assert_array_equal(result, expected, err_msg=way)


@pytest.mark.parametrize("problem", LINEAR, ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_within_the_bound(problem: Problem, dtype: Any, isa: str) -> None:
    operands, expected, bound = known(problem.name, dtype)
    for way, result in each_way(problem, operands):
        assert_within(result, expected, bound, way)


@pytest.mark.parametrize("problem", ACTIVATED, ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_are_within_the_bound(problem: Problem, dtype: Any, isa: str) -> None:
    operands, sums, bound = known(problem.name, dtype)
    name = problem.options["activation"]
    expected = reference.activate(sums, name)
    allowed = SLOPES[name] * bound + ACTIVATION_EPS * np.finfo(dtype).eps * np.abs(expected)
    for way, result in each_way(problem, operands):
        assert_within(result, expected, allowed, way)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_activation_of_single_numbers(name: str, dtype: Any, algorithm: str, isa: str) -> None:
    """A weight of 1 hands every number to the activation unchanged."""
    info = np.finfo(dtype)
    most = float(info.max) / 8  # the reference multiplies by 6 before it divides
    special = [np.nan, np.inf, -np.inf, 0.0, most, -most, info.tiny, -info.tiny]
    steps = np.linspace(-40, 40, 4001)
    x = np.concatenate([special, steps, steps * 1e-3, steps * 1e-30, steps * 1e2]).astype(dtype)
    weight = np.ones((1, 1, 1), dtype)
    result = fc.conv1d(x[None, None], weight, activation=name, algorithm=algorithm)[0, 0]
    expected = reference.activate(x, name)
    number = np.isfinite(expected)
    np.testing.assert_array_equal(result[~number], expected[~number].astype(dtype))
    x, size = np.abs(x[number].astype(np.float64)), np.abs(expected[number])
    error = np.abs(result[number].astype(np.float64) - expected[number])
    # x sigmoid(x) and x Phi(x) multiply a second factor that may be subnormal.
    allowed = ACTIVATION_EPS * info.eps * size + np.maximum(1, x) * info.smallest_subnormal
    if name == "gelu":  # the float64 reference rounds x / sqrt(2), and Phi magnifies that
        allowed += np.finfo(np.float64).eps * np.minimum(x, 40) ** 2 * size
    worst = np.argmax(error - allowed)
    assert np.all(error <= allowed), (x[worst], result[number][worst], expected[number][worst])


def with_specials(problem: Problem, kinds: tuple[str, ...]) -> cases.Operands:
    """Whole numbers with some NaN and infinities in the arrays that ``kinds`` names."""
    operands = cases.exact_integers(problem)
    generator = np.random.default_rng(len(problem.name))
    arrays = {}
    for kind in kinds:
        array = getattr(operands, kind).copy()
        flat = array.reshape(-1)
        for value in (np.nan, np.inf, -np.inf):
            flat[generator.integers(0, flat.size)] = value
        arrays[kind] = array
    return operands._replace(**arrays)


@pytest.mark.parametrize("kinds", [("x",), ("weight",), ("x", "weight")], ids="+".join)
@pytest.mark.parametrize("problem", [p for p in LINEAR if 0 not in p.x_shape], ids=lambda p: p.name)
def test_nan_and_infinity(problem: Problem, kinds: tuple[str, ...], isa: str) -> None:
    """NaN and infinities stand exactly where the reference has them.

    The reference leaves padding out of the sums, so an infinite weight there must not make a NaN.
    """
    operands = with_specials(problem, kinds)
    with np.errstate(invalid="ignore"):
        expected = cases.call(reference, problem, operands).astype(np.float32)
    for way, result in each_way(problem, operands):
        np.testing.assert_array_equal(result, expected, err_msg=way)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", LINEAR[::3], ids=lambda p: p.name)
def test_subnormal_numbers_survive(problem: Problem, dtype: Any, isa: str) -> None:
    """Multiples of a tiny number, times whole numbers, are exact unless flushed to zero.

    Winograd's tiles of 2x2 halve weights along two axes: a quarter of the number must exist.
    """
    whole = cases.exact_integers(problem, dtype)
    least = 4 * np.finfo(dtype).smallest_subnormal
    bias = None if whole.bias is None else whole.bias * least
    operands = whole._replace(x=whole.x * least, bias=bias)
    expected = cases.call(reference, problem, whole).astype(dtype) * least
    for way, result in each_way(problem, operands):
        np.testing.assert_array_equal(result, expected, err_msg=way)


# Enough work that several threads share it, in ways that are shared differently.
THREADED = [
    Problem("wide", "conv2d", (1, 24, 57, 61), (40, 24, 3, 3), True, {"padding": 1}),
    Problem("deep", "conv2d", (1, 260, 14, 14), (260, 260, 1, 1), options={"activation": "gelu"}),
    Problem("batch", "conv2d", (5, 16, 20, 21), (30, 16, 3, 3), True, {"stride": 2}),
    Problem("groups", "conv2d", (2, 24, 40, 40), (48, 6, 3, 3), options={"groups": 4}),
    Problem("depthwise", "conv2d", (1, 70, 60, 60), (70, 1, 3, 3), options={"groups": 70}),
    Problem("image", "conv2d", (1, 3, 120, 200), (8, 3, 7, 7), options={"stride": 2, "padding": 3}),
    Problem("filter", "conv2d", (1, 1, 500, 700), (1, 1, 3, 3), options={"padding": 1}),
    Problem("signal", "conv1d", (1, 20, 9000), (30, 20, 3), options={"dilation": 64}),
    Problem("volume", "conv3d", (1, 8, 12, 20, 20), (16, 8, 3, 3, 3), options={"padding": 1}),
    Problem("up", "conv_transpose2d", (1, 32, 30, 30), (32, 24, 4, 4), options={"stride": 2}),
    Problem("mixed", "conv_transpose1d", (2, 30, 700), (30, 40, 5), True, {"stride": 3}),
]


@pytest.mark.parametrize("problem", THREADED, ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_change_a_bit(problem: Problem, dtype: Any, isa: str, threads: Any) -> None:
    operands = cases.gaussian(problem, dtype)
    threads(1)
    one = [(way, result.tobytes()) for way, result in each_way(problem, operands)]
    for count in (2, 3):
        threads(count)
        facts = fc.explain(
            problem.op, problem.x_shape, problem.weight_shape, dtype=dtype, **problem.options
        )
        assert facts.threads == count
        for (way, expected), (_, result) in zip(one, each_way(problem, operands), strict=True):
            assert result.tobytes() == expected, f"{count} threads, {way}"


@pytest.mark.parametrize("problem", THREADED, ids=lambda p: p.name)
def test_large_problems_are_exact(problem: Problem, isa: str) -> None:
    problem = linear(problem)
    operands = cases.exact_integers(problem)
    # Exact in float32 as well: no sum of these has more than 2**24 units.
    wide = operands._replace(
        x=operands.x.astype(np.float64),
        weight=operands.weight.astype(np.float64),
        bias=None if operands.bias is None else operands.bias.astype(np.float64),
    )
    expected = cases.call(reference, problem, wide)
    for way, result in each_way(problem, operands):
        np.testing.assert_array_equal(result, expected, err_msg=way)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("problem", LINEAR, ids=lambda p: p.name)
def test_result_has_the_layout_of_the_input(problem: Problem, layout: str) -> None:
    operands = cases.exact_integers(problem)
    x = in_layout(operands.x, problem, layout)
    result = cases.call(fc, problem, operands._replace(x=x))
    axis = x.ndim - problem.rank - 1
    if result.size == 0:
        return
    if layout == "channels_last" and not x.flags.c_contiguous and result.shape[axis] > 1:
        assert np.moveaxis(result, axis, -1).flags.c_contiguous
    else:
        assert result.flags.c_contiguous
