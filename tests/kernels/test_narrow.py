"""float16 and bfloat16 through every operator: sums in float32, one rounding as they are stored."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import mmap
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
DTYPES = (np.float16, ml_dtypes.bfloat16)
LAYOUTS = ("planar", "channels_last")
CONVOLUTIONS = [*cases.CONV_CASES, *cases.TRANSPOSED_CASES]
# Their terms are not only summed but also divided, raised to powers or put through an activation.
LINEAR = [
    replace(p, options={k: v for k, v in p.options.items() if k != "activation"})
    for p in cases.ALL_CASES
    if not p.op.startswith(("avg", "adaptive_avg", "lp"))
]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


@pytest.fixture
def threads() -> Iterator[Any]:
    yield fc.set_num_threads
    fc.set_num_threads(None)


def parts(result: Any) -> tuple[Any, Any]:
    """Values and indices, which are None where they were not asked for."""
    return result if isinstance(result, tuple) else (result, None)


def in_layout(x: Any, problem: Problem, layout: str) -> Any:
    """The same values, with the channels varying fastest where ``layout`` says so."""
    channels = not problem.is_filter and x.ndim > problem.rank
    if layout == "planar" or not channels or problem.op in ("fold", "unfold"):
        return x
    axis = x.ndim - problem.rank - 1
    return np.moveaxis(np.moveaxis(x, axis, -1).copy(), -1, axis)


def each_way(problem: Problem, operands: cases.Operands) -> Iterator[tuple[str, Any]]:
    """Results in both layouts, of convolutions by every algorithm that adds plain products."""
    algorithms = ({},)
    if problem.is_convolution and not problem.is_filter:
        algorithms = ({"algorithm": "direct"}, {"algorithm": "im2col"})
    for layout, extra in itertools.product(LAYOUTS, algorithms):
        given = operands._replace(x=in_layout(operands.x, problem, layout))
        yield f"{layout}, {extra}", cases.call(fc, problem, given, **extra)


def in_float64(operands: cases.Operands) -> cases.Operands:
    values = {
        name: array.astype(np.float64)
        for name, array in operands._asdict().items()
        if array is not None and name != "indices"
    }
    return operands._replace(**values)


def expected_of(problem: Problem, operands: cases.Operands) -> tuple[Any, Any]:
    with np.errstate(all="ignore"):
        return parts(cases.call(reference, problem, in_float64(operands)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", LINEAR, ids=lambda p: p.name)
def test_whole_numbers_are_rounded_once(problem: Problem, dtype: Any, isa: str) -> None:
    """Every sum is exact in float32, so the result is the exact one, rounded to nearest even."""
    operands = cases.exact_integers(problem, dtype)
    values, positions = expected_of(problem, operands)
    expected = cases.rounded(values, dtype)
    for way, result in each_way(problem, operands):
        got, indices = parts(result)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, expected, err_msg=way)
        if positions is not None:
            np.testing.assert_array_equal(indices, positions, err_msg=way)


# How much an activation can enlarge the error of the sum before it.
MOST_SLOPE = 1.5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", cases.ALL_CASES, ids=lambda p: p.name)
def test_real_numbers_err_by_one_rounding(problem: Problem, dtype: Any, isa: str) -> None:
    """Half a unit in the last place, and what float32 errs before it."""
    operands = cases.gaussian(problem, dtype)
    expected, _ = expected_of(problem, operands)
    limits, eps = ml_dtypes.finfo(dtype), float(np.finfo(np.float32).eps)
    if problem.op.startswith(("max", "min", "adaptive_max", "unfold")):
        sums = np.zeros_like(expected)
    elif problem.op.startswith("lp"):
        sums = 8 * eps * (1 + problem.options["norm_type"]) * np.abs(expected)
    else:
        size = reference.magnitude(problem.op, *in_float64(operands).positional, **problem.options)
        products = math.prod(problem.weight_shape) if problem.weight_shape else 16
        sums = MOST_SLOPE * (16 + math.sqrt(products)) * eps * size
    rounding = float(limits.eps) / 2 * (np.abs(expected) + sums) + float(limits.smallest_subnormal)
    for layout in LAYOUTS:
        given = operands._replace(x=in_layout(operands.x, problem, layout))
        got = parts(cases.call(fc, problem, given))[0].astype(np.float64)
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
        finite = np.isfinite(expected)
        assert np.all((np.abs(got - expected) <= rounding + sums)[finite]), layout


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_is_loaded_and_stored(dtype: Any, layout: str, isa: str) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    x = bits.view(dtype).reshape(1, 16, 64, 64)
    problem = Problem("", "max_pool2d", x.shape, options={"kernel_size": 1})
    got = fc.max_pool2d(in_layout(x, problem, layout), 1)
    number = ~np.isnan(x.astype(np.float32))
    assert np.all(np.isnan(got.astype(np.float32)[~number]))
    np.testing.assert_array_equal(
        np.ascontiguousarray(got).view(np.uint16)[number], x.view(np.uint16)[number]
    )


@pytest.mark.parametrize("groups", [1, 20])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_are_rounded_to_nearest_even(
    dtype: Any, layout: str, groups: int, isa: str
) -> None:
    """Products of any two finite numbers: ties, subnormal results and overflow among them."""
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 1 << 16, (1, 20, 40, 50)).astype(np.uint16)
    x = bits.view(dtype)
    x = np.where(np.isfinite(x.astype(np.float32)), x, dtype(1))
    scales = [1, -1, 0.5, 3, 0.375, 1.5, 7, 2.0**-10, 2.0**-14, 2.0**-20, 2.0**10, 2.0**14, 129, 5]
    scale = np.resize(scales, 20).astype(dtype)
    weight = scale.reshape(20, 1, 1, 1) if groups > 1 else np.diag(scale).reshape(20, 20, 1, 1)
    exact = x.astype(np.float64) * scale.astype(np.float64).reshape(20, 1, 1)
    with np.errstate(over="ignore"):
        fits = exact.astype(np.float32).astype(np.float64) == exact
    assert fits.mean() > 0.9
    problem = Problem("", "conv2d", x.shape, weight.shape)
    got = fc.conv2d(in_layout(x, problem, layout), weight, groups=groups)
    np.testing.assert_array_equal(got[fits], cases.rounded(exact, dtype)[fits])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", LINEAR[::3], ids=lambda p: p.name)
def test_subnormal_numbers_survive(problem: Problem, dtype: Any, isa: str) -> None:
    whole = cases.exact_integers(problem, dtype)
    least = ml_dtypes.finfo(dtype).smallest_subnormal
    bias = None if whole.bias is None else whole.bias * least
    if problem.options.get("fill_value"):
        return
    operands = whole._replace(x=whole.x * least, bias=bias)
    values, _ = expected_of(problem, operands)
    for way, result in each_way(problem, operands):
        np.testing.assert_array_equal(parts(result)[0], cases.rounded(values, dtype), err_msg=way)


PADDED = [
    p
    for p in CONVOLUTIONS
    if p.options.get("padding") and "activation" not in p.options and math.prod(p.x_shape) > 20
]


@pytest.mark.parametrize("kinds", ["x", "weight", "x and weight"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", PADDED[::4], ids=lambda p: p.name)
def test_infinity_and_nan(problem: Problem, dtype: Any, kinds: str, isa: str) -> None:
    """Padding takes no part in sums, so an infinite weight there must not make a NaN."""
    generator = np.random.default_rng(3)
    operands = cases.exact_integers(problem, dtype)
    for name in kinds.split(" and "):
        array = getattr(operands, name).copy()
        where = generator.integers(0, array.size, 3)
        array.flat[where] = np.array([np.inf, -np.inf, np.nan]).astype(dtype)
        operands = operands._replace(**{name: array})
    values, _ = expected_of(problem, operands)
    for way, result in each_way(problem, operands):
        # In float32, because NumPy does not know that a bfloat16 can be NaN.
        np.testing.assert_array_equal(
            result.astype(np.float32), cases.rounded(values, dtype).astype(np.float32), err_msg=way
        )


VIEWS = {
    "sliced": lambda x: np.repeat(np.repeat(x, 2, -1), 3, -2)[..., ::3, ::2],
    "reversed": lambda x: x[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
    "reversed batch": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "inner block": lambda x: np.pad(x, ((1, 1), (2, 1), (1, 3), (5, 4)))[1:-1, 2:-1, 1:-3, 5:-4],
    "channels last, padded": lambda x: np.moveaxis(
        np.pad(np.moveaxis(x, 1, -1), ((0, 0), (1, 1), (0, 2), (0, 3)))[:, 1:-1, :-2, :-3], -1, 1
    ),
    "unaligned": lambda x: (
        np.frombuffer(b" " + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    ),
}
CALLS = {
    "conv2d": lambda x, w, **out: fc.conv2d(x, w, padding=1, **out),
    "depthwise": lambda x, w, **out: fc.conv2d(x, w[:, :1], padding=1, groups=20, **out),
    "transposed": lambda x, w, **out: fc.conv_transpose2d(x, w, stride=2, padding=1, **out),
    "max_pool2d": lambda x, w, **out: fc.max_pool2d(x, 3, 2, 1, **out),
    "avg_pool2d": lambda x, w, **out: fc.avg_pool2d(x, 3, 2, 1, **out),
    "adaptive": lambda x, w, **out: fc.adaptive_avg_pool2d(x, (4, 5), **out),
}


def arguments(dtype: Any) -> tuple[Any, Any]:
    generator = np.random.default_rng(1)
    x = generator.integers(-4, 5, (3, 20, 9, 22)).astype(dtype)
    return x, generator.integers(-3, 4, (20, 20, 3, 3)).astype(dtype)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_views(dtype: Any, name: str, view: str, isa: str) -> None:
    x, weight = arguments(dtype)
    given = VIEWS[view](x)
    np.testing.assert_array_equal(given, x)
    np.testing.assert_array_equal(CALLS[name](given, weight), CALLS[name](x, weight))


class Guarded:
    """Arrays that begin or end at pages which must not be touched: doing so ends the process."""

    def __init__(self, after: bool) -> None:
        self.after = after
        self.maps: list[mmap.mmap] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        page, size = mmap.PAGESIZE, math.prod(shape) * np.dtype(dtype).itemsize
        room = -(-size // page) * page
        memory = mmap.mmap(-1, room + 2 * page)
        self.maps.append(memory)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for guard in (start, start + page + room):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(guard), page, 0) == 0
        offset = page + (room - size if self.after else 0)
        return np.ndarray(shape, dtype, memory, offset)

    def copy(self, array: Any) -> Any:
        made = self.empty(array.shape, array.dtype)
        made[...] = array
        return made


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 16, 20, 33])
@pytest.mark.parametrize("width", [1, 3, 8, 17, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_beside_the_arrays_is_touched(
    dtype: Any, width: int, channels: int, after: bool, isa: str
) -> None:
    generator = np.random.default_rng(1)
    memory = Guarded(after)
    x = generator.integers(-4, 5, (1, channels, 5, width)).astype(dtype)
    deep = generator.integers(-3, 4, (channels, 1, 3, 3)).astype(dtype)
    dense = generator.integers(-3, 4, (4, channels, 3, 3)).astype(dtype)
    bias = generator.integers(-3, 4, channels).astype(dtype)
    calls: list[tuple[Any, list[Any]]] = [
        (functools.partial(fc.conv2d, padding=1, groups=channels), [deep, bias]),
        (functools.partial(fc.conv2d, padding=1, stride=2, groups=channels), [deep]),
        (functools.partial(fc.conv2d, padding=2, dilation=2, groups=channels), [deep, bias]),
        (functools.partial(fc.conv2d, padding=1), [dense]),
        (functools.partial(fc.max_pool2d, kernel_size=3, stride=2, padding=1), []),
        (functools.partial(fc.avg_pool2d, kernel_size=3, stride=1, padding=1), []),
        (functools.partial(fc.adaptive_avg_pool2d, output_size=1), []),
    ]
    for call, rest in calls:
        expected = call(x, *rest)
        guarded = [memory.copy(array) for array in rest]
        out = memory.empty(expected.shape, dtype)
        np.testing.assert_array_equal(call(memory.copy(x), *guarded, out=out), expected)
        last = np.moveaxis(memory.copy(np.moveaxis(x, 1, -1)), -1, 1)
        n, c, h, w = expected.shape
        out = np.moveaxis(memory.empty((n, h, w, c), dtype), -1, 1)
        np.testing.assert_array_equal(call(last, *guarded, out=out), expected)


@pytest.mark.parametrize("out_layout", ["planar", "channels_last", "sliced", "reversed"])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_out(dtype: Any, name: str, out_layout: str) -> None:
    x, weight = arguments(dtype)
    expected = CALLS[name](x, weight)
    n, c, h, w = expected.shape
    out = {
        "planar": np.empty((n, c, h, w), dtype),
        "channels_last": np.moveaxis(np.empty((n, h, w, c), dtype), -1, 1),
        "sliced": np.empty((n, c, h, 2 * w), dtype)[..., ::2],
        "reversed": np.empty((n, c, h, w), dtype)[..., ::-1, ::-1],
    }[out_layout]
    assert CALLS[name](x, weight, out=out) is out
    np.testing.assert_array_equal(out, expected)


THREADED = {
    "dense": ((7, 24, 57, 61), (40, 24, 3, 3), {"padding": 1}),
    "pointwise": ((1, 260, 14, 14), (260, 260, 1, 1), {"activation": "gelu"}),
    "depthwise": ((2, 70, 60, 60), (70, 1, 3, 3), {"groups": 70, "padding": 1}),
    "image": ((1, 1, 300, 400), (1, 1, 5, 5), {"padding": 2}),
    "many": ((90, 16, 20, 21), (8, 16, 3, 3), {"stride": 2}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", THREADED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_change_a_bit(
    dtype: Any, name: str, layout: str, isa: str, threads: Any
) -> None:
    shape, weight_shape, options = THREADED[name]
    problem = Problem(name, "conv2d", shape, weight_shape, True, options)
    operands = cases.gaussian(problem, dtype)
    operands = operands._replace(x=in_layout(operands.x, problem, layout))
    threads(1)
    one = cases.call(fc, problem, operands).tobytes()
    pooled = fc.avg_pool2d(operands.x, 3, 1, 1).tobytes()
    for count in (2, 3):
        threads(count)
        assert cases.call(fc, problem, operands).tobytes() == one
        assert fc.avg_pool2d(operands.x, 3, 1, 1).tobytes() == pooled


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("name", THREADED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_plan_equals_the_call(dtype: Any, name: str, memory_format: str, isa: str) -> None:
    shape, weight_shape, options = THREADED[name]
    problem = Problem(name, "conv2d", shape, weight_shape, True, options)
    operands = cases.exact_integers(problem, dtype)
    x = in_layout(operands.x, problem, memory_format)
    plan = fc.plan(
        "conv2d", shape, operands.weight, operands.bias, memory_format=memory_format, **options
    )
    expected = fc.conv2d(x, operands.weight, operands.bias, **options)
    assert np.dtype(dtype).name in plan.explanation
    kept = operands.weight.copy()
    operands.weight[...] = 0  # the plan has its own
    for _ in range(2):
        got = plan(x)
        assert got.dtype == dtype
        if "activation" in options:
            np.testing.assert_allclose(
                got.astype(float), expected.astype(float), rtol=float(ml_dtypes.finfo(dtype).eps)
            )
        else:
            np.testing.assert_array_equal(got, expected)
    operands.weight[...] = kept


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", ml_dtypes.bfloat16])
def test_explain_says_what_becomes_float32(dtype: Any, isa: str) -> None:
    if isa == "amx" and dtype != "float16":
        pytest.skip("the matrix unit takes bfloat16 arrays as they are")
    facts = fc.explain("conv2d", (64, 96, 57, 61), (40, 96, 3, 3), dtype=dtype, algorithm="im2col")
    assert "become float32" in facts.text
    # A few images at a time: far less than all of them.
    assert 0 < facts.workspace_bytes < 64 * 96 * 57 * 61 * 4 / 2


def test_mixed_types_are_refused() -> None:
    x, weight = np.ones((1, 2, 8, 9), np.float16), np.ones((3, 2, 3, 3), ml_dtypes.bfloat16)
    with pytest.raises(fc.DTypeError, match=r"x has dtype float16 and weight has dtype bfloat16"):
        fc.conv2d(x, weight)
    with pytest.raises(fc.DTypeError, match=r"out has dtype float32.*input's dtype float16"):
        fc.conv2d(x, weight.astype(np.float16), out=np.empty((1, 3, 6, 7), np.float32))
    with pytest.raises(fc.DTypeError, match=r"float8_e4m3fn.*float16 or bfloat16"):
        fc.max_pool2d(x.astype(ml_dtypes.float8_e4m3fn), 2)
