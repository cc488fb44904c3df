"""Random small problems of every operator, in random layouts, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from memory_layouts import LAYOUTS, WRITABLE

import fastconv as fc
from fastconv import _core, reference

ISAS = _core.info()["runnable_isas"]
DTYPES = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 10**6)
layouts = st.sampled_from([*LAYOUTS])


def per_axis(draw: Any, rank: int, strategy: Any) -> Any:
    """One number, a tuple with one, or one per axis: the forms that options take."""
    if draw(st.booleans()):
        value = draw(strategy)
        return draw(st.sampled_from([value, (value,), [value]]))
    return draw(st.tuples(*[strategy] * rank))


def paddings(draw: Any, rank: int, most: int) -> Any:
    if draw(st.booleans()):
        return per_axis(draw, rank, st.integers(0, most))
    pair = st.tuples(st.integers(0, most), st.integers(0, most))
    return draw(st.tuples(*[pair] * rank))


def whole(seed: int, shape: tuple[int, ...], dtype: Any) -> Any:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


def check(op: str, arrays: dict[str, Any], options: dict[str, Any], isa: str) -> None:
    """Reference and kernels agree: on the result, or that there is none."""
    try:
        expected = getattr(reference, op)(**arrays, **options)
    except fc.FastconvError:
        expected = None
    _core.force_isa(isa)
    try:
        result = getattr(fc, op)(**arrays, **options)
    except fc.FastconvError:
        assert expected is None
        return
    finally:
        _core.force_isa(None)
    assert expected is not None
    results = result if isinstance(result, tuple) else (result,)
    rights = expected if isinstance(expected, tuple) else (expected,)
    exact = not op.startswith(("avg", "adaptive_avg", "lp"))
    for got, right in zip(results, rights, strict=True):
        assert got.shape == right.shape
        rtol = 0 if exact else 8 * np.finfo(next(iter(arrays.values())).dtype).eps
        np.testing.assert_allclose(got, right, rtol=rtol, atol=rtol)


def moved(draw: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: LAYOUTS[draw(layouts)](array) for name, array in arrays.items()}


@st.composite
def convolutions(draw: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    rank = draw(st.integers(1, 3))
    transposed = draw(st.booleans())
    groups = draw(st.integers(1, 4))
    channels, out = groups * draw(st.integers(1, 5)), groups * draw(st.integers(1, 5))
    kernel = draw(st.tuples(*[st.integers(1, 4)] * rank))
    sizes = draw(st.tuples(*[st.integers(1, (40, 12, 6)[rank - 1])] * rank))
    batch = draw(st.sampled_from([(), (0,), (1,), (3,)]))
    dtype, seed = draw(DTYPES), draw(seeds)
    first, second = (channels, out) if transposed else (out, channels)
    arrays = {
        "x": whole(seed, (*batch, channels, *sizes), dtype),
        "weight": whole(seed + 1, (first, second // groups, *kernel), dtype),
    }
    if draw(st.booleans()):
        arrays["bias"] = whole(seed + 2, (out,), dtype)
    options = {
        "stride": per_axis(draw, rank, st.integers(1, 4)),
        "padding": paddings(draw, rank, 4),
        "dilation": per_axis(draw, rank, st.integers(1, 4)),
        "groups": groups,
    }
    if transposed:
        options["output_padding"] = per_axis(draw, rank, st.integers(0, 3))
    elif draw(st.integers(0, 5)) == 0:
        options["padding"] = draw(st.sampled_from(["same", "valid"]))
    return f"conv{'_transpose' * transposed}{rank}d", moved(draw, arrays), options


@given(convolutions(), st.sampled_from(["auto", "direct", "im2col"]), st.sampled_from(ISAS))
def test_convolutions(problem: Any, algorithm: str, isa: str) -> None:
    op, arrays, options = problem
    try:
        expected = getattr(reference, op)(**arrays, **options)
    except fc.FastconvError as error:
        with pytest.raises(type(error)):
            getattr(fc, op)(**arrays, **options, algorithm=algorithm)
        return
    _core.force_isa(isa)
    try:
        result = getattr(fc, op)(**arrays, **options, algorithm=algorithm)
    finally:
        _core.force_isa(None)
    np.testing.assert_array_equal(result, expected)


@given(
    convolutions(), st.sampled_from([*WRITABLE]), st.sampled_from(["contiguous", "channels_last"])
)
def test_plans_and_out(problem: Any, layout: str, memory_format: Any) -> None:
    op, arrays, options = problem
    try:
        expected = getattr(reference, op)(**arrays, **options)
    except fc.FastconvError:
        assume(False)
    out = WRITABLE[layout](np.full(expected.shape, 77, arrays["x"].dtype))
    assert getattr(fc, op)(**arrays, **options, out=out) is out
    np.testing.assert_array_equal(out, expected)
    weights = {name: array for name, array in arrays.items() if name != "x"}
    planned = fc.plan(op, arrays["x"].shape, **weights, **options, memory_format=memory_format)
    out[...] = 77
    assert planned(arrays["x"], out=out) is out
    np.testing.assert_array_equal(out, expected)


@st.composite
def poolings(draw: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    rank = draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["max", "min", "avg", "lp", "adaptive_max", "adaptive_avg"]))
    sizes = draw(st.tuples(*[st.integers(1, (50, 14, 7)[rank - 1])] * rank))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    shape = (*batch, draw(st.integers(1, 20)), *sizes)
    arrays = moved(draw, {"x": whole(draw(seeds), shape, draw(DTYPES))})
    op = f"{kind}_pool{rank}d"
    if kind.startswith("adaptive"):
        size = st.one_of(st.none(), st.integers(1, 9))
        options = {"output_size": draw(st.one_of(st.integers(1, 9), st.tuples(*[size] * rank)))}
        if kind == "adaptive_max":
            options["return_indices"] = draw(st.booleans())
        return op, arrays, options
    options = {
        "kernel_size": per_axis(draw, rank, st.integers(1, 5)),
        "stride": per_axis(draw, rank, st.integers(1, 4)),
        "ceil_mode": draw(st.booleans()),
    }
    if draw(st.booleans()):
        options["stride"] = draw(st.sampled_from([None, ()]))
    if kind == "lp":
        options["norm_type"] = draw(st.sampled_from([2, 4.0]))
        return op, arrays, options
    options["padding"] = paddings(draw, rank, 2)
    if kind == "avg":
        options["count_include_pad"] = draw(st.booleans())
        options["divisor_override"] = draw(st.sampled_from([None, 3, -2]))
    else:
        options["dilation"] = per_axis(draw, rank, st.integers(1, 3))
        options["return_indices"] = draw(st.booleans())
    return op, arrays, options


@given(poolings(), st.sampled_from(ISAS))
def test_poolings(problem: Any, isa: str) -> None:
    check(*problem, isa)


@st.composite
def windows(draw: Any) -> dict[str, Any]:
    return {
        "kernel_size": per_axis(draw, 2, st.integers(1, 4)),
        "stride": per_axis(draw, 2, st.integers(1, 3)),
        "padding": paddings(draw, 2, 3),
        "dilation": per_axis(draw, 2, st.integers(1, 3)),
    }


@given(windows(), seeds, st.integers(0, 3), st.integers(1, 4), DTYPES, layouts, st.booleans())
def test_unfold_and_fold(
    window: Any, seed: int, batch: int, channels: int, dtype: Any, layout: str, single: bool
) -> None:
    generator = np.random.default_rng(seed)
    size = tuple(int(n) for n in generator.integers(1, 12, 2))
    x = LAYOUTS[layout](whole(seed, (*(() if single else (batch,)), channels, *size), dtype))
    check("unfold", {"x": x}, window, ISAS[0])
    try:
        columns = reference.unfold(x, **window)
    except fc.FastconvError:
        return
    columns = LAYOUTS[layout](columns.astype(dtype))
    check("fold", {"x": columns}, {**window, "output_size": size}, ISAS[0])


@given(st.integers(1, 3), seeds, DTYPES, layouts, st.integers(1, 3), st.integers(1, 3))
def test_unpooling_undoes_pooling(
    rank: int, seed: int, dtype: Any, layout: str, kernel: int, stride: int
) -> None:
    generator = np.random.default_rng(seed)
    shape = tuple(int(n) for n in generator.integers(1, 9, rank + 2))
    x = LAYOUTS[layout](whole(seed, shape, dtype))
    try:
        values, indices = getattr(fc, f"max_pool{rank}d")(x, kernel, stride, return_indices=True)
    except fc.ShapeError:
        return
    arrays = {"x": LAYOUTS[layout](values), "indices": LAYOUTS[layout](indices)}
    options = {"kernel_size": kernel, "stride": stride, "output_size": shape[2:]}
    check(f"max_unpool{rank}d", arrays, options, ISAS[0])


@given(
    st.sampled_from(["convolve2d", "correlate2d"]),
    st.sampled_from(["full", "same", "valid"]),
    st.sampled_from(["fill", "reflect", "nearest", "wrap"]),
    st.sampled_from([0.0, 2.0, -3]),
    st.tuples(st.integers(1, 25), st.integers(1, 40)),
    st.sampled_from([(), (1,), (2,), (3,), (4,), (17,)]),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    seeds,
    DTYPES,
    st.tuples(layouts, layouts),
    st.sampled_from(ISAS),
)
def test_image_filters(
    op: str,
    mode: str,
    boundary: str,
    fill: float,
    size: Any,
    channels: Any,
    kernel: Any,
    seed: int,
    dtype: Any,
    places: Any,
    isa: str,
) -> None:
    arrays = {
        "image": LAYOUTS[places[0]](whole(seed, (*size, *channels), dtype)),
        "kernel": LAYOUTS[places[1]](whole(seed + 1, kernel, dtype)),
    }
    check(op, arrays, {"mode": mode, "boundary": boundary, "fill_value": fill}, isa)


@given(convolutions())
def test_output_shape_and_explain(problem: Any) -> None:
    op, arrays, options = problem
    x, weight = arrays["x"].shape, arrays["weight"].shape
    try:
        result = getattr(fc, op)(**arrays, **options)
    except fc.ShapeError:
        for function in (fc.output_shape, fc.explain):
            try:
                function(op, x, weight, **options)
            except fc.ShapeError:
                continue
            raise AssertionError(f"{function.__name__} took what {op} did not") from None
        return
    except fc.OptionError:
        return
    assert fc.output_shape(op, x, weight, **options) == result.shape
    assert fc.explain(op, x, weight, **options).output_shape == result.shape
