"""How far float32 results may be off at each level of precision: the bounds of docs/numerics.md.

Every problem runs on every instruction set, by every algorithm, in both layouts, as a call and as a
plan, on numbers that are kind (Gaussian) and unkind: all positive, scaled by many powers of two,
cancelling, tiny, and such that the parts into which matrix units split them all err the same way.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import cases
import fastconv as fc
from fastconv import _core, reference
from fastconv.benchmarks.problem import Problem
from fastconv.benchmarks.verify import LEFT_OUT
from neighbourhood import neighbourhood, plane_scale

ISAS = _core.info()["runnable_isas"]
ALGORITHMS = tuple(_core.info()["algorithms"])
LEVELS = ("highest", "high", "medium")
EPS = float(np.finfo(np.float32).eps)
LEAST = float(np.finfo(np.float32).smallest_subnormal)
# Of the error of a plain loop: two orders of summation differ by a few per cent, and the loops of
# the scalar unit round each product.
LOOP_FACTOR, UNFUSED_LOOP_FACTOR = 1.1, 1.2

Floats = NDArray[np.float32]

# Sizes that fill the tiles of matrix units (16 x 32), and sizes that do not.
PROBLEMS = [
    Problem("3x3", "conv2d", (1, 64, 14, 14), (64, 64, 3, 3), True, {"padding": 1}),
    Problem("odd", "conv2d", (2, 35, 9, 11), (50, 35, 3, 3), options={"padding": 1}),
    Problem("wide", "conv2d", (1, 32, 6, 57), (33, 32, 3, 3), options={"padding": 1}),
    Problem("pointwise", "conv2d", (1, 130, 10, 10), (70, 130, 1, 1)),
    Problem("stride", "conv2d", (1, 48, 13, 13), (40, 48, 3, 3), True, {"stride": 2, "padding": 1}),
    Problem(
        "far", "conv2d", (1, 40, 12, 12), (40, 40, 3, 3), options={"dilation": 3, "padding": 3}
    ),
    Problem("groups", "conv2d", (1, 64, 8, 9), (96, 32, 3, 3), options={"groups": 2, "padding": 1}),
    Problem("image", "conv2d", (1, 3, 20, 21), (24, 3, 7, 7), options={"stride": 2, "padding": 3}),
    Problem("depthwise", "conv2d", (1, 48, 9, 10), (48, 1, 3, 3), options={"groups": 48}),
    Problem("signal", "conv1d", (2, 64, 50), (48, 64, 5), options={"padding": 2}),
    Problem("volume", "conv3d", (1, 32, 4, 6, 7), (32, 32, 3, 3, 3), options={"padding": 1}),
    Problem("up", "conv_transpose2d", (1, 48, 6, 7), (48, 40, 4, 4), options={"stride": 2}),
]


def generator(problem: Problem) -> np.random.Generator:
    return np.random.default_rng(len(problem.name) + 31 * problem.x_shape[1])


def gaussian(problem: Problem) -> cases.Operands:
    return cases.gaussian(problem)


def positive(problem: Problem) -> cases.Operands:
    given = cases.gaussian(problem)
    bias = None if given.bias is None else np.abs(given.bias)
    return given._replace(x=np.abs(given.x), weight=np.abs(given.weight), bias=bias)


def scaled(problem: Problem, axes: tuple[int, ...]) -> cases.Operands:
    """Each slice along these axes of x and of the weight is scaled by its own power of two."""
    given, random = cases.gaussian(problem), generator(problem)

    def scale(array: Floats) -> Floats:
        for axis in axes:
            shape = [1] * array.ndim
            shape[axis] = array.shape[axis]
            array = array * np.exp2(random.integers(-20, 21, shape)).astype(np.float32)
        return array

    return given._replace(x=scale(given.x), weight=scale(given.weight))


def scaled_channels(problem: Problem) -> cases.Operands:
    return scaled(problem, (0, 1))


def scaled_positions(problem: Problem) -> cases.Operands:
    return scaled(problem, (-2, -1) if problem.rank > 1 else (-1,))


def cancelling(problem: Problem) -> cases.Operands:
    """Channels in pairs of nearly opposite numbers with equal weights: sums are far below terms."""
    given = cases.gaussian(problem)
    x, weight = given.x.copy(), given.weight.copy()
    x[:, 1::2] = -x[:, : x.shape[1] // 2 * 2 : 2] * np.float32(1 + 2**-11)
    inputs = 0 if problem.is_transposed else 1
    even = [slice(None)] * weight.ndim
    odd = list(even)
    even[inputs], odd[inputs] = slice(0, weight.shape[inputs] // 2 * 2, 2), slice(1, None, 2)
    weight[tuple(odd)] = weight[tuple(even)]
    return given._replace(x=x, weight=weight)


def same_way(problem: Problem) -> cases.Operands:
    """Rounding to bfloat16, and the remainder again, is always towards zero and near the most."""
    given, random = cases.gaussian(problem), generator(problem)
    bits = "1" + "00000000" + "11111110" + "1111111"  # 2^0 ... 2^-23
    number = int(bits, 2) * 2.0**-23

    def powers(shape: tuple[int, ...]) -> Floats:
        return (number * np.exp2(random.integers(-2, 3, shape))).astype(np.float32)

    return given._replace(x=powers(problem.x_shape), weight=powers(problem.weight_shape))


def tiny(problem: Problem) -> cases.Operands:
    """Later parts of the inputs would be subnormal, the inputs are not."""
    given = cases.gaussian(problem)
    return given._replace(x=given.x * np.float32(1e-35))


def subnormal(problem: Problem) -> cases.Operands:
    given = cases.gaussian(problem)
    return given._replace(x=given.x * np.float32(1e-40))


def subnormal_weights(problem: Problem) -> cases.Operands:
    given = cases.gaussian(problem)
    return given._replace(weight=given.weight * np.float32(1e-40))


def subnormal_products(problem: Problem) -> cases.Operands:
    """All numbers are ordinary, what they multiply to is not."""
    given = cases.gaussian(problem)
    bias = None if given.bias is None else given.bias * np.float32(1e-39)
    return cases.Operands(given.x * np.float32(1e-20), given.weight * np.float32(1e-20), bias)


def largest(problem: Problem) -> cases.Operands:
    """Some inputs round to infinity in bfloat16; the results are finite."""
    given = cases.gaussian(problem)
    x, flat = given.x.copy(), generator(problem).integers(0, given.x.size, 20)
    x.reshape(-1)[flat] = np.finfo(np.float32).max
    return given._replace(x=x, weight=given.weight * np.float32(1e-3))


KINDS = (
    gaussian,
    positive,
    scaled_channels,
    scaled_positions,
    cancelling,
    same_way,
    tiny,
    subnormal,
    subnormal_weights,
    subnormal_products,
    largest,
)


class Known(NamedTuple):
    """Operands, the exact sums, and what errors of them are relative to."""

    operands: cases.Operands
    exact: NDArray[np.float64]
    magnitude: NDArray[np.float64]


@functools.lru_cache(maxsize=2)
def known(name: str, kind: Any) -> Known:
    problem = next(p for p in PROBLEMS if p.name == name)
    operands = kind(problem)
    wide = cases.Operands(*(None if a is None else a.astype(np.float64) for a in operands))
    exact = cases.call(reference, problem, wide)
    magnitude = reference.magnitude(problem.op, *wide.positional, **problem.options)
    return Known(operands, exact, magnitude)


@functools.lru_cache(maxsize=2)
def winograd_scale(name: str, kind: Any) -> NDArray[np.float64]:
    problem = next(p for p in PROBLEMS if p.name == name)
    return neighbourhood(problem, known(name, kind).operands)


def products(problem: Problem) -> int:
    channels = problem.weight_shape[0] // problem.groups
    if not problem.is_transposed:
        channels = problem.weight_shape[1]
    return channels * math.prod(problem.weight_shape[2:]) + 1


def bound(level: str, count: int) -> float:
    """Error allowed of a sum of ``count`` products, relative to the sum of their magnitudes."""
    return LEFT_OUT[level] * (1 + 2**-7) + (8 + math.sqrt(count)) * EPS


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


class Way(NamedTuple):
    name: str
    kernel: str
    result: Floats


def each_way(problem: Problem, operands: cases.Operands, level: Any) -> Iterator[Way]:
    """Results of every algorithm that can do the problem, in both layouts, called and planned."""
    for algorithm in ALGORITHMS:
        for layout in ("contiguous", "channels_last"):
            x = operands.x
            if layout == "channels_last":
                x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
            options = {**problem.options, "algorithm": algorithm, "precision": level}
            try:
                planned = fc.plan(
                    problem.op,
                    x.shape,
                    operands.weight,
                    operands.bias,
                    memory_format=layout,
                    **options,
                )
            except fc.UnsupportedError:
                assert algorithm not in ("auto", "direct", "im2col")
                continue
            called = fc.explain(
                problem.op,
                x.shape,
                problem.weight_shape,
                bias=problem.bias,
                memory_format=layout,
                **options,
            )
            given = operands._replace(x=x)
            way = f"{algorithm}, {layout}"
            yield Way(
                f"{way}, called ({called.kernel})",
                called.kernel,
                cases.call(fc, problem, given, algorithm=algorithm, precision=level),
            )
            kernel = planned.explanation.partition("algorithm: ")[2].partition("\n")[0]
            yield Way(f"{way}, planned ({kernel})", kernel, planned(x))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_errors_are_within_the_bound_of_the_level(
    problem: Problem, kind: Any, level: Any, isa: str
) -> None:
    given = known(problem.name, kind)
    count = products(problem)
    for way in each_way(problem, given.operands, level):
        scale, least = given.magnitude, count * LEAST
        if "winograd" in way.kernel:
            scale = winograd_scale(problem.name, kind)
            # A transformed weight is rounded before it meets inputs that the transform enlarged.
            least *= 32
        elif "fft" in way.kernel:
            scale = plane_scale(problem, given.operands)
        allowed = bound(level, count) * scale + least
        error = np.abs(way.result.astype(np.float64) - given.exact)
        assert np.all(error <= allowed), f"{way.name}: {np.max(error / allowed)} bounds"


def mean_error(result: Floats, exact: NDArray[np.float64], magnitude: NDArray[np.float64]) -> float:
    """Root mean square, relative to the sums of magnitudes."""
    return float(np.sqrt(np.mean(((result.reshape(exact.shape) - exact) / magnitude) ** 2)))


def loop_factor(isa: str) -> float:
    return UNFUSED_LOOP_FACTOR if isa == "scalar" else LOOP_FACTOR


def plain_loop(problem: Problem, operands: cases.Operands) -> Floats:
    """Multiply, round, add, round, in the order of the kernel's elements."""
    columns = fc.unfold(operands.x, problem.weight_shape[2:], **problem.options)
    weight = operands.weight.reshape(problem.weight_shape[0], -1)
    sums = np.zeros((len(columns), len(weight), columns.shape[-1]), np.float32)
    for i in range(weight.shape[1]):
        sums += weight[:, i, None] * columns[:, None, i]
    return sums


@pytest.mark.parametrize("kind", [gaussian, positive], ids=lambda k: k.__name__)
@pytest.mark.parametrize(
    ("shape", "stride"),
    [
        ((64, 64, 3, 3), 1),
        ((96, 256, 1, 1), 1),
        ((32, 256, 3, 3), 1),
        # The least sums of each kind of Winograd's tiles.
        ((32, 32, 3, 3), 1),
        ((32, 96, 3, 3), 1),
        ((32, 64, 1, 3), 1),
        ((32, 128, 3, 3), 1),
        ((32, 24, 2, 2), 1),
        ((32, 24, 1, 2), 1),
        ((32, 48, 5, 5), 1),
        ((32, 40, 1, 5), 1),
        ((32, 8, 3, 3), 2),
        ((32, 8, 4, 4), 2),
        ((32, 16, 1, 3), (1, 2)),
        ((32, 40, 5, 5), 2),
        ((32, 40, 6, 6), 2),
        ((32, 12, 6, 6), 2),
        ((32, 32, 5, 1), (2, 1)),
    ],
    ids=str,
)
def test_the_highest_level_errs_no_more_than_a_float32_loop(
    shape: tuple[int, ...], stride: Any, kind: Any, isa: str
) -> None:
    problem = Problem("loop", "conv2d", (1, shape[1], 29, 29), shape, False, {"stride": stride})
    operands = kind(problem)
    wide = cases.Operands(operands.x.astype(np.float64), operands.weight.astype(np.float64))
    exact = cases.call(reference, problem, wide)
    magnitude = reference.magnitude(problem.op, *wide.positional, **problem.options)

    most = loop_factor(isa) * mean_error(plain_loop(problem, operands), exact, magnitude)
    for way in each_way(problem, operands, "highest"):
        assert mean_error(way.result, exact, magnitude) <= most, way.name


@pytest.mark.parametrize("kind", [gaussian, positive], ids=lambda k: k.__name__)
@pytest.mark.parametrize(
    ("channels", "kernel", "stride"),
    [
        (48, (2, 2), 1),
        (48, (3, 3), 2),
        (32, (4, 4), 2),
        (48, (1, 3), (1, 2)),
        (160, (5, 5), 2),
        (160, (6, 6), 2),
        (48, (6, 6), 2),
        (64, (5, 5), 1),
        (48, (1, 5), 1),
        (32, (3, 3), 1),
        (128, (3, 3), 1),
        (64, (1, 3), 1),
    ],
    ids=str,
)
def test_transposed_it_errs_no_more_than_a_float32_loop(
    channels: int, kernel: tuple[int, int], stride: Any, kind: Any, isa: str
) -> None:
    """The loop: a convolution with the kernel turned round, over inputs with zeros in between.

    Without padding outputs at the border would sum few products, of which a tile's error is not.
    """
    shape = (channels, 32, *kernel)
    padding = tuple((k - 1) // 2 for k in kernel)
    options = {"stride": stride, "padding": padding}
    problem = Problem("loop", "conv_transpose2d", (1, channels, 15, 15), shape, False, options)
    operands = kind(problem)
    wide = cases.Operands(operands.x.astype(np.float64), operands.weight.astype(np.float64))
    exact = cases.call(reference, problem, wide)
    magnitude = reference.magnitude(problem.op, *wide.positional, **problem.options)
    rows, cols = (stride, stride) if isinstance(stride, int) else stride
    spread = np.zeros((1, channels, 14 * rows + 1, 14 * cols + 1), np.float32)
    spread[:, :, ::rows, ::cols] = operands.x
    margins = [
        (0, 0),
        (0, 0),
        *((k - 1 - p, k - 1 - p) for k, p in zip(kernel, padding, strict=True)),
    ]
    weight = np.moveaxis(operands.weight[:, :, ::-1, ::-1], 1, 0).copy()
    loop = Problem("loop", "conv2d", spread.shape, weight.shape)
    sums = plain_loop(loop, cases.Operands(np.pad(spread, margins), weight))

    most = loop_factor(isa) * mean_error(sums, exact, magnitude)
    for way in each_way(problem, operands, "highest"):
        assert mean_error(way.result, exact, magnitude) <= most, way.name


@pytest.mark.parametrize("problem", PROBLEMS[:4], ids=lambda p: p.name)
def test_float64_is_the_same_at_every_level(problem: Problem, isa: str) -> None:
    operands = cases.gaussian(problem, np.float64)
    expected = [way.result for way in each_way(problem, operands, "highest")]
    for level in ("high", "medium"):
        for way, right in zip(each_way(problem, operands, level), expected, strict=True):
            np.testing.assert_array_equal(way.result, right, err_msg=way.name)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_whole_numbers_of_eight_bits_are_exact_at_every_level(
    problem: Problem, level: Any, isa: str
) -> None:
    """They are bfloat16 numbers, and their sums float32 numbers: nothing rounds but a transform."""
    operands = cases.exact_integers(problem)
    expected = cases.call(reference, problem, operands).astype(np.float32)
    for way in each_way(problem, operands, level):
        if "winograd" not in way.kernel:
            np.testing.assert_array_equal(way.result, expected, err_msg=way.name)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_infinity_and_nan_stand_where_the_reference_has_them(
    problem: Problem, level: Any, isa: str
) -> None:
    operands = cases.exact_integers(problem)
    x, weight = operands.x.copy(), operands.weight.copy()
    places = generator(problem).integers(0, x.size, 3)
    x.reshape(-1)[places] = np.inf, -np.inf, np.nan
    weight.reshape(-1)[generator(problem).integers(0, weight.size, 2)] = np.inf, np.nan
    for given in (operands._replace(x=x), operands._replace(weight=weight)):
        with np.errstate(invalid="ignore"):
            expected = cases.call(reference, problem, given).astype(np.float32)
        for way in each_way(problem, given, level):
            np.testing.assert_array_equal(way.result, expected, err_msg=way.name)
