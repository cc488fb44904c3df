"""Gradients of convolutions against the reference: every instruction set, kernel and dtype."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import cases
import fastconv as fc
from fastconv import _core, reference
from fastconv.benchmarks.problem import Problem

ISAS = _core.info()["runnable_isas"]
WEIGHT_KERNELS = ("panels", "unfolded", "rows", "depthwise_last", "winograd")
DTYPES = (np.float32, np.float64)
NARROW = (np.float16, ml_dtypes.bfloat16)
NAMES = ("x", "weight", "bias")


def linear(problem: Problem) -> Problem:
    options = {name: value for name, value in problem.options.items() if name != "activation"}
    return replace(problem, options=options)


# The same sizes with and without activation are one problem here.
PROBLEMS = list(
    {
        (p.op, p.x_shape, p.weight_shape, str(p.options)): p
        for p in map(linear, [*cases.CONV_CASES, *cases.TRANSPOSED_CASES])
    }.values()
)
THREADED = [
    Problem("wide", "conv2d", (1, 24, 57, 61), (40, 24, 3, 3), options={"padding": 1}),
    Problem("deep", "conv2d", (3, 260, 14, 14), (260, 260, 1, 1)),
    Problem("batch", "conv2d", (5, 16, 20, 21), (30, 16, 3, 3), options={"stride": 2}),
    Problem("groups", "conv2d", (2, 24, 40, 40), (48, 6, 3, 3), options={"groups": 4}),
    Problem("depthwise", "conv2d", (2, 70, 60, 60), (70, 1, 3, 3), options={"groups": 70}),
    Problem("image", "conv2d", (1, 3, 120, 200), (8, 3, 7, 7), options={"stride": 2, "padding": 3}),
    Problem("filter", "conv2d", (1, 1, 500, 700), (1, 1, 3, 3), options={"padding": 1}),
    Problem("dilated", "conv2d", (2, 80, 19, 23), (150, 80, 3, 3), options={"dilation": (2, 3)}),
    Problem("signal", "conv1d", (1, 20, 9000), (30, 20, 3), options={"dilation": 64}),
    Problem("volume", "conv3d", (1, 8, 12, 20, 20), (16, 8, 3, 3, 3), options={"padding": 1}),
    Problem("up", "conv_transpose2d", (1, 32, 30, 30), (32, 24, 4, 4), options={"stride": 2}),
    Problem("mixed", "conv_transpose1d", (2, 30, 700), (30, 40, 5), options={"stride": 3}),
]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


@pytest.fixture
def weight_kernel() -> Iterator[Any]:
    yield _core.force_weight_kernel
    _core.force_weight_kernel(None)


@pytest.fixture
def threads() -> Iterator[Any]:
    yield fc.set_num_threads
    fc.set_num_threads(None)


def channels_last(array: Any, problem: Problem) -> Any:
    axis = array.ndim - problem.rank - 1
    return np.moveaxis(np.moveaxis(array, axis, -1).copy(), -1, axis)


@functools.lru_cache(maxsize=8)
def known(name: str, dtype: Any, *, whole: bool) -> tuple[cases.Operands, Any, Any]:
    """Operands of a problem, a gradient of its result, and the reference's gradients."""
    problem = next(p for p in [*PROBLEMS, *THREADED] if p.name == name)
    make = cases.exact_integers if whole else cases.gaussian
    operands = make(problem, dtype)
    grad = cases.output_gradient(problem, operands, whole=whole)
    return operands, grad, cases.convolution_gradients(reference, problem, operands, grad)


def both_layouts(
    problem: Problem, operands: cases.Operands, grad: Any
) -> Iterator[tuple[str, Any]]:
    """Gradients of arrays in the two common layouts."""
    yield "planar", cases.convolution_gradients(fc, problem, operands, grad)
    last = operands._replace(x=channels_last(operands.x, problem))
    yield (
        "channels last",
        cases.convolution_gradients(fc, problem, last, channels_last(grad, problem)),
    )


def assert_equal(actual: Any, expected: Any, way: str) -> None:
    for name, a, e in zip(NAMES, actual, expected, strict=True):
        assert a.shape == e.shape, (way, name)
        np.testing.assert_array_equal(a, e.astype(a.dtype), err_msg=f"{way}, {name}")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_whole_numbers_are_exact(problem: Problem, isa: str) -> None:
    dtype = DTYPES[len(problem.name) % 2]
    operands, grad, expected = known(problem.name, dtype, whole=True)
    for way, actual in both_layouts(problem, operands, grad):
        assert_equal(actual, expected, way)


@pytest.mark.parametrize("problem", PROBLEMS[::2], ids=lambda p: p.name)
def test_every_weight_kernel_is_exact(problem: Problem, isa: str, weight_kernel: Any) -> None:
    operands, grad, expected = known(problem.name, np.float32, whole=True)
    for kernel in WEIGHT_KERNELS:
        weight_kernel(kernel)
        given = operands, grad
        if kernel == "depthwise_last":  # others take any layout, which is tested above
            given = (
                operands._replace(x=channels_last(operands.x, problem)),
                channels_last(grad, problem),
            )
        actual = cases.convolution_gradients(fc, problem, *given, wanted=("weight",))[1]
        np.testing.assert_array_equal(actual, expected[1], err_msg=kernel)


def magnitudes(problem: Problem, operands: cases.Operands, grad: Any) -> Any:
    """The gradients of absolute values: what rounding errors relate to."""
    absolute = operands._replace(x=np.abs(operands.x), weight=np.abs(operands.weight))
    return cases.convolution_gradients(reference, problem, absolute, np.abs(grad))


def lengths(problem: Problem, grad: Any) -> tuple[int, int, int]:
    """Most products (terms) that one element of each gradient sums up."""
    kernel = math.prod(problem.weight_shape[2:])
    first, second = problem.weight_shape[:2]
    other = second if problem.is_transposed else first // problem.groups
    pixels = grad.size // max(1, problem.out_channels)
    inner = math.prod(problem.x_shape) // max(1, problem.x_shape[grad.ndim - problem.rank - 1])
    return other * kernel, max(pixels, inner), pixels


@pytest.mark.parametrize("problem", [*PROBLEMS[1::3], *THREADED], ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_within_the_bound(problem: Problem, dtype: Any, isa: str) -> None:
    operands, grad, expected = known(problem.name, dtype, whole=False)
    bounds = magnitudes(problem, operands, grad)
    eps = np.finfo(dtype).eps
    for way, actual in both_layouts(problem, operands, grad):
        for name, a, e, m, n in zip(
            NAMES, actual, expected, bounds, lengths(problem, grad), strict=True
        ):
            error = np.abs(a.astype(np.float64) - e)
            assert a.dtype == dtype
            assert np.all(error <= (8 + math.sqrt(n)) * eps * m), (way, name)


@pytest.mark.parametrize("dtype", NARROW, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("problem", PROBLEMS[::4], ids=lambda p: p.name)
def test_16_bit_sums_are_rounded_once(problem: Problem, dtype: Any, isa: str) -> None:
    """Whole numbers have exact sums in float32, so results are the nearest numbers there are."""
    operands, grad, expected = known(problem.name, dtype, whole=True)
    for way, actual in both_layouts(problem, operands, grad):
        for name, a, e in zip(NAMES, actual, expected, strict=True):
            assert a.dtype == dtype
            np.testing.assert_array_equal(a, cases.rounded(e, dtype), err_msg=f"{way}, {name}")


@pytest.mark.parametrize("problem", PROBLEMS[2::5], ids=lambda p: p.name)
def test_special_numbers_stay_where_the_reference_has_them(problem: Problem, isa: str) -> None:
    """Padding takes no part, so an infinite gradient next to it must not make a NaN."""
    operands = cases.exact_integers(problem)
    grad = cases.output_gradient(problem, operands, whole=True)
    if grad.size == 0:
        return
    grad[(0,) * grad.ndim] = np.inf
    grad[(-1,) * grad.ndim] = -np.inf
    for x_first in (2.0, np.nan):
        operands.x[(0,) * operands.x.ndim] = x_first
        with np.errstate(invalid="ignore"):
            expected = cases.convolution_gradients(reference, problem, operands, grad)
        for way, actual in both_layouts(problem, operands, grad):
            assert_equal(actual, expected, way)


@pytest.mark.parametrize("shape", [(3, 3), (1, 3), (3, 1)], ids=str)
def test_winograd_leaves_special_numbers_in_place(
    shape: tuple[int, int], isa: str, weight_kernel: Any
) -> None:
    """Its transforms mix pixels: infinities, NaN, and sums that overflow where products do not."""
    weight_kernel("winograd")
    problem = Problem("special", "conv2d", (2, 20, 9, 11), (18, 20, *shape), options={"padding": 1})
    largest = np.finfo(np.float32).max
    everywhere = np.where(np.indices((9, 11)).sum(axis=0) % 4 < 2, largest, -largest)
    for place, values in (
        (np.s_[1, 3, 4, 5], np.inf),
        (np.s_[1, 3, 4, 5], np.nan),
        (np.s_[1, 3, 4, 5:7], [-np.inf, np.nan]),
        (np.s_[1, 3], everywhere),
    ):
        operands = cases.exact_integers(problem)
        grad = cases.output_gradient(problem, operands, whole=True)
        operands.x[place] = values
        grad[1] = 0
        if not np.isfinite(values).all():
            grad[1, 2:, 4, 5] = 0.25
        with np.errstate(invalid="ignore"):
            expected = cases.convolution_gradients(
                reference, problem, operands, grad, wanted=("weight",)
            )[1]
        actual = cases.convolution_gradients(fc, problem, operands, grad, wanted=("weight",))[1]
        np.testing.assert_array_equal(actual, expected, err_msg=str(values))


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_larger_tiles_at_lower_precision(precision: str, isa: str, weight_kernel: Any) -> None:
    """Tiles of 4 x 4 keep to the bound that the documentation states for "high"."""
    problem = Problem("tiles", "conv2d", (3, 70, 29, 27), (66, 70, 3, 3), options={"padding": 1})
    operands = cases.gaussian(problem, np.float32)
    grad = cases.output_gradient(problem, operands)
    expected = cases.convolution_gradients(reference, problem, operands, grad, wanted=("weight",))
    bounds = magnitudes(problem, operands, grad)[1]
    weight_kernel("winograd")
    got = fc.conv2d_backward(
        grad, operands.x, operands.weight, padding=1, wanted=("weight",), precision=precision
    )[1]
    assert np.all(np.abs(got - expected[1]) <= 2.0**-16 * bounds)


@pytest.mark.parametrize("positive", [False, True])
def test_highest_errs_no_more_than_a_float32_loop(
    positive: bool, isa: str, weight_kernel: Any
) -> None:
    """Tiles of 4 x 4 as well, which are taken here: 2304 products in a sum."""
    problem = Problem("loop", "conv2d", (4, 64, 26, 26), (64, 64, 3, 3))
    operands = cases.gaussian(problem, np.float32)
    x, grad = operands.x, cases.output_gradient(problem, operands)
    if positive:
        x, grad = np.abs(x), np.abs(grad)
    weight_kernel("winograd")
    got = fc.conv2d_backward(grad, x, operands.weight, wanted=("weight",))[1]
    pixels = x[:, :, 1:-1, 1:-1].transpose(0, 2, 3, 1).reshape(-1, 64)
    grads = grad.transpose(0, 2, 3, 1).reshape(-1, 64)
    exact = grads.T.astype(np.float64) @ pixels.astype(np.float64)
    loop = np.zeros((64, 64), np.float32)
    for g, row in zip(grads, pixels, strict=True):
        loop += g[:, None] * row
    mean_square = [float(np.mean(np.square(a - exact))) for a in (got[:, :, 1, 1], loop)]
    assert math.sqrt(mean_square[0]) <= 1.1 * math.sqrt(mean_square[1])


@pytest.mark.parametrize("problem", PROBLEMS[3::9], ids=lambda p: p.name)
def test_any_strides(problem: Problem, isa: str) -> None:
    operands, grad, expected = known(problem.name, np.float32, whole=True)

    def turned(array: Any) -> Any:
        every = tuple(slice(None, None, -1) for _ in array.shape)
        return array[every].copy()[every]

    def gapped(array: Any) -> Any:
        wide = np.full([2 * n for n in array.shape], 77, array.dtype)
        part = wide[tuple(slice(None, None, 2) for _ in array.shape)]
        part[...] = array
        part.flags.writeable = False
        return part

    for change in (turned, gapped, np.asfortranarray):
        given = operands._replace(x=change(operands.x), weight=change(operands.weight))
        actual = cases.convolution_gradients(fc, problem, given, change(grad))
        assert_equal(actual, expected, str(change))


def test_broadcast_gradient(isa: str) -> None:
    """A loss that sums its results has the same gradient everywhere."""
    problem = Problem("ones", "conv2d", (2, 5, 9, 20), (7, 5, 3, 3), options={"padding": 1})
    operands = cases.exact_integers(problem)
    grad = np.broadcast_to(np.float32(2.0), cases.output_shape(problem))
    expected = cases.convolution_gradients(reference, problem, operands, grad)
    assert_equal(cases.convolution_gradients(fc, problem, operands, grad), expected, "broadcast")


@pytest.mark.parametrize("problem", THREADED, ids=lambda p: p.name)
def test_threads_do_not_change_a_bit(problem: Problem, isa: str, threads: Any) -> None:
    operands, grad, _ = known(problem.name, np.float32, whole=False)
    threads(1)
    one = [(way, [a.tobytes() for a in got]) for way, got in both_layouts(problem, operands, grad)]
    for count in (2, 3, 5):
        threads(count)
        for (way, expected), (_, got) in zip(
            one, both_layouts(problem, operands, grad), strict=True
        ):
            assert [a.tobytes() for a in got] == expected, f"{count} threads, {way}"


def test_gradient_of_nothing() -> None:
    x, weight = np.ones((0, 3, 7, 7), np.float32), np.ones((4, 3, 3, 3), np.float32)
    grad_x, grad_weight, grad_bias = fc.conv2d_backward(np.ones((0, 4, 5, 5), "f"), x, weight)
    assert grad_x.shape == x.shape
    assert grad_weight.shape == weight.shape
    assert not grad_weight.any()
    assert grad_bias.shape == (4,)
    assert not grad_bias.any()
    grads = fc.conv2d_backward(
        np.ones((2, 0, 3, 3), "f"), np.ones((2, 0, 5, 5), "f"), np.ones((4, 0, 3, 3), "f")
    )
    assert [a.shape for a in grads] == [(2, 0, 5, 5), (4, 0, 3, 3), (4,)]
    assert not grads[2].any()


def test_only_what_is_wanted() -> None:
    x, weight = np.ones((1, 2, 5, 5), "f"), np.ones((3, 2, 3, 3), "f")
    grad = np.ones((1, 3, 3, 3), "f")
    whole = fc.conv2d_backward(grad, x, weight)
    for wanted in ((), ("x",), ("weight",), ("bias", "x"), {"weight", "bias"}, ["weight"]):
        got = fc.conv2d_backward(grad, x, weight, wanted=wanted)
        for name, a, e in zip(NAMES, got, whole, strict=True):
            if name in wanted:
                np.testing.assert_array_equal(a, e)
            else:
                assert a is None
    assert fc.conv2d_backward(grad, x, weight, bias=False)[2] is None


def test_layout_of_the_results() -> None:
    problem = Problem("layout", "conv2d", (2, 5, 6, 7), (4, 5, 3, 3))
    operands = cases.exact_integers(problem)
    grad = cases.output_gradient(problem, operands)
    (_, planar), (_, last) = both_layouts(problem, operands, grad)
    assert planar[0].flags.c_contiguous
    assert np.moveaxis(last[0], 1, -1).flags.c_contiguous
    assert planar[1].flags.c_contiguous
    assert last[1].flags.c_contiguous


X, WEIGHT = np.ones((1, 4, 6, 6), "f"), np.ones((6, 2, 3, 3), "f")
GRAD = np.ones((1, 6, 4, 4), "f")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"grad_output": GRAD[:, :, :3]}, fc.ShapeError, r"grad_output .*\(1, 6, 4, 4\)"),
        ({"grad_output": GRAD[0]}, fc.ShapeError, "grad_output"),
        ({"grad_output": GRAD.astype("d")}, fc.DTypeError, "grad_output"),
        ({"grad_output": GRAD.tolist()}, fc.ArgumentTypeError, "grad_output"),
        ({"grad_output": None}, fc.ArgumentTypeError, "grad_output"),
        ({"grad_output": GRAD.astype("i4")}, fc.DTypeError, "grad_output"),
        ({"x": X[:, :3]}, fc.ShapeError, "x has shape"),
        ({"weight": WEIGHT[:, :, 0]}, fc.ShapeError, "weight"),
        ({"weight": WEIGHT.astype("d")}, fc.DTypeError, "weight"),
        ({"stride": 0}, fc.OptionError, "stride"),
        ({"stride": 1.5}, fc.ArgumentTypeError, "stride"),
        ({"padding": -1}, fc.OptionError, "padding"),
        ({"padding": "some"}, fc.OptionError, "padding"),
        ({"dilation": 9}, fc.ShapeError, "dilation"),
        ({"groups": 3}, fc.ShapeError, "groups"),
        ({"wanted": "x"}, fc.ArgumentTypeError, "wanted"),
        ({"wanted": None}, fc.ArgumentTypeError, "wanted"),
        ({"wanted": ("y",)}, fc.OptionError, "wanted"),
        ({"bias": None}, fc.ArgumentTypeError, "bias"),
        ({"precision": "low"}, fc.OptionError, "precision"),
    ],
)
def test_bad_input(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    arguments = {"grad_output": GRAD, "x": X, "weight": WEIGHT, "groups": 2, **changes}
    with pytest.raises(error, match=words):
        fc.conv2d_backward(**arguments)
