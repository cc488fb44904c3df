"""Pooling kernels against the reference, for every instruction set of this machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import cases
import fastconv as fc
from fastconv import _core, reference
from fastconv.benchmarks.problem import Problem

ISAS = _core.info()["runnable_isas"]
DTYPES = (np.float32, np.float64)
# Windows that the list of small problems cannot hold: long rows, long kernels, many channels.
LARGE = [
    Problem("max-long-row", "max_pool1d", (1, 1, 20000), options={"kernel_size": 3, "stride": 2}),
    Problem("avg-long-row", "avg_pool1d", (1, 2, 20011), options={"kernel_size": 4, "stride": 1}),
    Problem("max-long-window", "max_pool1d", (1, 2, 9001), options={"kernel_size": 300}),
    Problem("avg-long-window", "avg_pool1d", (2, 1, 9001), options={"kernel_size": 301}),
    Problem(
        "max-sliding-window",
        "max_pool1d",
        (1, 1, 9001),
        options={"kernel_size": 100, "stride": 1, "padding": 50, "return_indices": True},
    ),
    Problem(
        "max-unnumbered-window",
        "max_pool1d",
        (1, 2, 4000),
        options={"kernel_size": 1500, "stride": 7, "return_indices": True},
    ),
    Problem("adaptive-long", "adaptive_avg_pool1d", (1, 2, 5003), options={"output_size": 7}),
    Problem(
        "adaptive-long-max",
        "adaptive_max_pool1d",
        (1, 2, 20003),
        options={"output_size": 333, "return_indices": True},
    ),
    Problem("avg-tall", "avg_pool2d", (1, 2, 90, 20), options={"kernel_size": (40, 3)}),
    Problem("avg-3d", "avg_pool3d", (1, 2, 9, 20, 20), options={"kernel_size": (9, 19, 2)}),
    Problem(
        "max-many-channels",
        "max_pool2d",
        (1, 300, 9, 40),
        options={"kernel_size": 3, "stride": 2, "padding": 1},
    ),
    Problem(
        "avg-many-channels",
        "avg_pool2d",
        (1, 129, 6, 140),
        options={"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
    ),
    Problem(
        "max-tall",
        "max_pool2d",
        (2, 2, 70, 40),
        options={"kernel_size": 19, "stride": 1, "padding": 9},
    ),
    Problem(
        "min-tall-strided",
        "min_pool2d",
        (1, 3, 90, 33),
        options={"kernel_size": (16, 9), "stride": (3, 4), "padding": (8, 4)},
    ),
    Problem(
        "avg-tall-overlap",
        "avg_pool2d",
        (1, 2, 90, 50),
        options={
            "kernel_size": (23, 11),
            "stride": 1,
            "padding": (11, 5),
            "count_include_pad": False,
        },
    ),
    Problem(
        "lp-tall",
        "lp_pool2d",
        (1, 2, 60, 50),
        options={"norm_type": 2, "kernel_size": (13, 12), "stride": (1, 2)},
    ),
    Problem(
        "max-halved",
        "max_pool2d",
        (1, 2, 20, 200),
        options={"kernel_size": (2, 24), "stride": (2, 8)},
    ),
    Problem("avg-halved-1d", "avg_pool1d", (3, 2, 1003), options={"kernel_size": 8, "stride": 8}),
    Problem(
        "avg-halved-long",
        "avg_pool1d",
        (1, 2, 1500),
        options={"kernel_size": 20, "stride": 4, "padding": 10},
    ),
    Problem("avg-stride-5", "avg_pool1d", (2, 2, 999), options={"kernel_size": 10, "stride": 5}),
    Problem(
        "max-stride-6",
        "max_pool1d",
        (2, 2, 999),
        options={"kernel_size": 4, "stride": 6, "padding": 2},
    ),
    Problem(
        "max-stride-3-in-place",
        "max_pool1d",
        (2, 2, 1999),
        options={"kernel_size": 5, "stride": 3, "padding": 2},
    ),
    Problem(
        "avg-stride-4-in-place",
        "avg_pool1d",
        (2, 2, 2999),
        options={
            "kernel_size": 7,
            "stride": 4,
            "padding": 3,
            "ceil_mode": True,
            "count_include_pad": False,
        },
    ),
    Problem(
        "max-dilated-in-place",
        "max_pool1d",
        (2, 2, 1999),
        options={"kernel_size": 3, "stride": 1, "padding": 20, "dilation": 20},
    ),
    Problem(
        "adaptive-1-more", "adaptive_avg_pool2d", (2, 3, 13, 50), options={"output_size": (6, 7)}
    ),
    Problem(
        "adaptive-1-less", "adaptive_avg_pool2d", (2, 3, 14, 34), options={"output_size": (5, 7)}
    ),
    Problem(
        "adaptive-1-less-max",
        "adaptive_max_pool2d",
        (2, 3, 14, 34),
        options={"output_size": (5, 7), "return_indices": True},
    ),
    Problem(
        "adaptive-uneven-long", "adaptive_avg_pool1d", (2, 30, 1000), options={"output_size": 48}
    ),
    Problem(
        "adaptive-wider", "adaptive_max_pool2d", (2, 3, 5, 7), options={"output_size": (7, 12)}
    ),
    Problem(
        "max-window-beyond",
        "max_pool2d",
        (2, 3, 5, 6),
        options={"kernel_size": (3, 5001), "stride": 1, "padding": (1, 2500)},
    ),
    Problem(
        "avg-window-beyond",
        "avg_pool2d",
        (2, 3, 5, 6),
        options={
            "kernel_size": (5001, 2),
            "stride": (1, 2),
            "padding": (2500, 1),
            "count_include_pad": False,
        },
    ),
    Problem(
        "max-dilated-beyond",
        "max_pool1d",
        (2, 3, 9),
        options={
            "kernel_size": 3,
            "stride": 1,
            "padding": 4000,
            "dilation": 4000,
            "return_indices": True,
        },
    ),
    Problem("global-large", "avg_pool2d", (2, 3, 70, 75), options={"kernel_size": (70, 75)}),
    Problem("global-adaptive", "adaptive_max_pool2d", (2, 3, 70, 75), options={"output_size": 1}),
]
PROBLEMS = [*cases.POOL_CASES, *LARGE]


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


def is_selection(problem: Problem) -> bool:
    return "max" in problem.op or "min" in problem.op


def bound(problem: Problem, x: Any, expected: Any) -> Any:
    """Largest error allowed. Selections are exact.

    An average errs by at most 4 eps of the average magnitude: rows and columns are summed in short
    groups. A norm errs by the sum's error, through a root that divides it by p, plus the power's.
    """
    if is_selection(problem):
        return np.zeros_like(expected)
    eps = np.finfo(x.dtype).eps
    if problem.op.startswith("lp"):
        return 8 * eps * (1 + problem.options["norm_type"]) * np.abs(expected)
    magnitude = cases.call(reference, problem, cases.Operands(np.abs(x)))
    return 4 * eps * np.abs(magnitude)


def assert_matches(problem: Problem, x: Any, result: Any) -> None:
    values, indices = parts(result)
    expected, positions = parts(cases.call(reference, problem, cases.Operands(x)))
    assert values.dtype == x.dtype
    assert values.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    number = np.isfinite(expected)
    np.testing.assert_array_equal(values[~number], expected[~number].astype(x.dtype))
    error = np.abs(values.astype(np.float64) - expected)[number]
    assert np.all(error <= bound(problem, x, expected)[number]), error.max()
    assert (indices is None) == (positions is None)
    if indices is not None:
        assert indices.dtype == np.int64
        np.testing.assert_array_equal(indices, positions)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_matches_reference(problem: Problem, dtype: Any, isa: str) -> None:
    operands = cases.gaussian(problem, dtype)
    assert_matches(problem, operands.x, cases.call(fc, problem, operands))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_channels_last_matches_reference(problem: Problem, dtype: Any, isa: str) -> None:
    x = cases.gaussian(problem, dtype).x
    axis = x.ndim - problem.rank - 1
    last = np.moveaxis(np.moveaxis(x, axis, -1).copy(), -1, axis)
    result = cases.call(fc, problem, cases.Operands(last))
    assert_matches(problem, x, result)
    if x.shape[axis] > 1 and x.size > 0 and not last.flags.c_contiguous:
        for array in parts(result):
            if array is not None and array.size > 0:
                assert array.strides[axis] == array.itemsize


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "problem", [p for p in PROBLEMS if not p.op.startswith("lp")], ids=lambda p: p.name
)
def test_whole_numbers_are_exact(problem: Problem, dtype: Any, isa: str) -> None:
    operands = cases.exact_integers(problem, dtype)
    values, indices = parts(cases.call(fc, problem, operands))
    expected, positions = parts(cases.call(reference, problem, operands))
    np.testing.assert_array_equal(values, expected.astype(dtype))
    if indices is not None:
        np.testing.assert_array_equal(indices, positions)


SPECIAL = [
    Problem(f"{op}-{size}", op, (2, 3, 9, 21), options={"kernel_size": size, **more})
    for op, more in (
        ("max_pool2d", {"stride": 1, "padding": 1, "return_indices": True}),
        ("min_pool2d", {"stride": 2, "padding": 1, "return_indices": True}),
        ("max_pool2d", {"stride": 3, "dilation": 2, "padding": 1}),
        ("max_pool2d", {"stride": 2}),
        ("avg_pool2d", {"stride": 1, "padding": 1}),
        ("avg_pool2d", {"stride": 2, "count_include_pad": False, "padding": 1}),
    )
    for size in (2, 3)
]


@pytest.mark.parametrize("layout", ["planar", "channels_last"])
@pytest.mark.parametrize("problem", SPECIAL, ids=lambda p: p.name)
def test_nan_and_infinity(problem: Problem, layout: str, isa: str) -> None:
    generator = np.random.default_rng(5)
    x = generator.integers(-2, 3, problem.x_shape).astype(np.float32)
    kind = generator.random(x.shape)
    x[kind < 0.05] = np.nan
    x[(kind > 0.05) & (kind < 0.12)] = np.inf
    x[kind > 0.6] = -np.inf
    given = x if layout == "planar" else np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    with np.errstate(invalid="ignore"):
        values, indices = parts(cases.call(fc, problem, cases.Operands(given)))
        expected, positions = parts(cases.call(reference, problem, cases.Operands(x)))
    np.testing.assert_array_equal(values, expected.astype(np.float32))
    if indices is not None:
        np.testing.assert_array_equal(indices, positions)


def test_global_pooling_propagates_nan_and_infinity(isa: str) -> None:
    for position, size in itertools.product((0, 5, 62), (63, 7)):
        x = np.zeros((1, 2, size, 3), np.float32)
        x.reshape(2, -1)[1, min(position, 3 * size - 1)] = np.nan
        for pooled in (fc.adaptive_max_pool2d(x, 1), fc.adaptive_avg_pool2d(x, 1)):
            np.testing.assert_array_equal(np.isnan(pooled.ravel()), [False, True])
    minus = np.full((1, 1, 7, 7), -np.inf)
    assert fc.max_pool2d(minus, 7).item() == -np.inf
    assert fc.avg_pool2d(minus, 7).item() == -np.inf


def test_window_without_elements_has_no_position(isa: str) -> None:
    values, indices = fc.max_pool2d(np.ones((1, 1, 1, 1)), 2, 1, 1, dilation=2, return_indices=True)
    np.testing.assert_array_equal(values, [[[[-np.inf]]]])
    np.testing.assert_array_equal(indices, [[[[-1]]]])


def test_subnormal_numbers_survive(isa: str) -> None:
    tiny = np.float32(1e-45)
    x = np.full((1, 2, 6, 20), 6 * tiny, np.float32)
    assert np.all(fc.max_pool2d(x, 3, 1) == 6 * tiny)
    assert np.all(fc.avg_pool2d(x, 3, 1) == 6 * tiny)
    assert np.all(fc.avg_pool2d(x, 2) == 6 * tiny)


def test_mean_of_equal_numbers_is_that_number(isa: str) -> None:
    for size in range(1, 12):
        x = np.full((1, 1, 12, 30), 0.1, np.float32)
        x[..., :, :] = np.float32(3.0)
        assert np.all(fc.avg_pool2d(x, size, 1) == np.float32(3.0))


LAYOUTS = {
    "sliced": lambda x: np.repeat(np.repeat(x, 2, -1), 3, -2)[..., ::3, ::2],
    "reversed": lambda x: x[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
    "reversed batch": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "fortran": np.asfortranarray,
    "inner block": lambda x: np.pad(x, ((1, 1), (2, 1), (1, 3), (5, 4)))[1:-1, 2:-1, 1:-3, 5:-4],
    "channels last, padded": lambda x: np.moveaxis(
        np.pad(np.moveaxis(x, 1, -1), ((0, 0), (1, 1), (0, 2), (0, 3)))[:, 1:-1, :-2, :-3], -1, 1
    ),
}
OPTIONS = [
    ("max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}),
    ("max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("min_pool2d", {"kernel_size": (2, 3), "stride": (1, 3), "dilation": 2}),
    ("avg_pool2d", {"kernel_size": 3, "stride": 1, "padding": 1}),
    ("avg_pool2d", {"kernel_size": (9, 22)}),
    ("adaptive_avg_pool2d", {"output_size": (4, 5)}),
    ("adaptive_max_pool2d", {"output_size": 3, "return_indices": True}),
    ("lp_pool2d", {"norm_type": 1, "kernel_size": 2}),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("op", "options"), OPTIONS)
def test_memory_layouts(op: str, options: Any, layout: str, isa: str) -> None:
    generator = np.random.default_rng(1)
    for shape in ((2, 3, 9, 22), (1, 20, 9, 22)):
        x = generator.integers(-4, 5, shape).astype(np.float32)
        view = LAYOUTS[layout](x)
        np.testing.assert_array_equal(view, x)
        expected, positions = parts(getattr(fc, op)(x, **options))
        values, indices = parts(getattr(fc, op)(view, **options))
        np.testing.assert_array_equal(values, expected)
        if positions is not None:
            np.testing.assert_array_equal(indices, positions)


@pytest.mark.parametrize(("op", "options"), OPTIONS)
def test_broadcast_read_only_and_unbatched(op: str, options: Any) -> None:
    plane = np.random.default_rng(2).integers(-4, 5, (9, 22)).astype(np.float64)
    wide = np.broadcast_to(plane, (2, 3, 9, 22))
    kept = wide.copy()
    expected, _ = parts(getattr(fc, op)(kept, **options))
    values, _ = parts(getattr(fc, op)(wide, **options))
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(wide, kept)
    single, _ = parts(getattr(fc, op)(wide[0], **options))
    np.testing.assert_array_equal(single, expected[0])


def test_unaligned_input() -> None:
    raw = np.zeros(4 * 200 + 1, np.uint8)
    x = raw[1:].view(np.float32).reshape(1, 2, 10, 10)
    x[...] = np.arange(200).reshape(x.shape)
    np.testing.assert_array_equal(fc.max_pool2d(x, 2), fc.max_pool2d(x.copy(), 2))


def test_result_never_aliases_the_input() -> None:
    x = np.ones((1, 1, 4, 4), np.float32)
    for pooled in (fc.max_pool2d(x, 1), fc.avg_pool2d(x, 1), fc.adaptive_avg_pool2d(x, None)):
        assert not np.shares_memory(pooled, x)
        np.testing.assert_array_equal(pooled, x)


THREADED = [
    ("max_pool2d", (3, 40, 61, 61), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", (1, 8, 200, 200), {"kernel_size": 2, "return_indices": True}),
    ("avg_pool2d", (1, 1, 700, 900), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ("avg_pool1d", (1, 1, 600000), {"kernel_size": 33, "stride": 1}),
    ("adaptive_avg_pool2d", (2, 64, 60, 61), {"output_size": 7}),
    ("avg_pool2d", (1, 600, 30, 30), {"kernel_size": 30}),
    ("lp_pool2d", (1, 32, 100, 100), {"norm_type": 2, "kernel_size": 3}),
]


@pytest.mark.parametrize("layout", ["planar", "channels_last"])
@pytest.mark.parametrize(("op", "shape", "options"), THREADED)
def test_threads_do_not_change_a_bit(
    op: str, shape: Any, options: Any, layout: str, isa: str, threads: Any
) -> None:
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    if layout == "channels_last":
        x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    threads(1)
    one = parts(getattr(fc, op)(x, **options))
    for count in (2, 3):
        threads(count)
        for single, several in zip(one, parts(getattr(fc, op)(x, **options)), strict=True):
            assert single is None or single.tobytes() == several.tobytes()


def test_concurrent_calls() -> None:
    inputs = [np.random.default_rng(i).standard_normal((2, 8, 50, 50)) for i in range(8)]
    expected = [fc.max_pool2d(x, 3, 2, 1) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            got = list(pool.map(lambda x: fc.max_pool2d(x, 3, 2, 1), inputs))
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("input_layout", ["planar", "channels_last"])
@pytest.mark.parametrize("out_layout", ["planar", "channels_last", "sliced", "reversed"])
@pytest.mark.parametrize(("op", "options"), OPTIONS)
def test_out(op: str, options: Any, input_layout: str, out_layout: str) -> None:
    x = np.random.default_rng(4).integers(-4, 5, (2, 5, 9, 22)).astype(np.float32)
    expected, positions = parts(getattr(fc, op)(x, **options))
    if input_layout == "channels_last":
        x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    n, c, h, w = expected.shape
    out = {
        "planar": np.empty((n, c, h, w), np.float32),
        "channels_last": np.moveaxis(np.empty((n, h, w, c), np.float32), -1, 1),
        "sliced": np.empty((n, c, h, 2 * w), np.float32)[..., ::2],
        "reversed": np.empty((n, c, h, w), np.float32)[..., ::-1, ::-1],
    }[out_layout]
    values, indices = parts(getattr(fc, op)(x, **options, out=out))
    assert values is out
    np.testing.assert_array_equal(out, expected)
    if positions is not None:
        np.testing.assert_array_equal(indices, positions)


X = np.ones((1, 2, 8, 9), np.float32)
READ_ONLY = np.empty((1, 2, 4, 4), np.float32)
READ_ONLY.flags.writeable = False
MASKED = np.ma.masked_array(X, X > 2)
BAD = [
    (lambda: fc.max_pool2d([[1.0]], 2), fc.ArgumentTypeError, "x is a list"),
    (lambda: fc.max_pool2d(None, 2), fc.ArgumentTypeError, "x is None"),
    (lambda: fc.max_pool2d(1.0, 2), fc.ArgumentTypeError, "x is a float"),
    (lambda: fc.max_pool2d(MASKED, 2), fc.ArgumentTypeError, "mask"),
    (lambda: fc.max_pool2d(X.astype(int), 2), fc.DTypeError, "int64"),
    (lambda: fc.max_pool2d(X > 0, 2), fc.DTypeError, "bool"),
    (lambda: fc.max_pool2d(X.astype(object), 2), fc.DTypeError, "object"),
    (lambda: fc.max_pool2d(X.astype(complex), 2), fc.DTypeError, "complex"),
    (lambda: fc.max_pool2d(X.astype(np.longdouble), 2), fc.DTypeError, "longdouble|float128"),
    (lambda: fc.max_pool2d(X.astype(">f4"), 2), fc.DTypeError, "byte order"),
    (lambda: fc.max_pool2d(X[0, 0], 2), fc.ShapeError, "4 axes"),
    (lambda: fc.max_pool2d(X[None], 2), fc.ShapeError, "4 axes"),
    (lambda: fc.avg_pool1d(X, 2), fc.ShapeError, "3 axes"),
    (lambda: fc.max_pool2d(X, 0), fc.OptionError, "kernel_size must be at least 1"),
    (lambda: fc.max_pool2d(X, -2), fc.OptionError, "kernel_size must be at least 1"),
    (lambda: fc.max_pool2d(X, 2.0), fc.ArgumentTypeError, "kernel_size"),
    (lambda: fc.max_pool2d(X, True), fc.ArgumentTypeError, "kernel_size"),
    (lambda: fc.max_pool2d(X, "2"), fc.ArgumentTypeError, "kernel_size"),
    (lambda: fc.max_pool2d(X, None), fc.ArgumentTypeError, "kernel_size"),
    (lambda: fc.max_pool2d(X, (2, 2, 2)), ValueError, "kernel_size"),
    (lambda: fc.max_pool2d(X, 2, 0), fc.OptionError, "stride must be at least 1"),
    (lambda: fc.max_pool2d(X, 2, -1), fc.OptionError, "stride must be at least 1"),
    (lambda: fc.max_pool2d(X, 2, 1, 0, 0), fc.OptionError, "dilation must be at least 1"),
    (lambda: fc.max_pool2d(X, 2, 1, -1), fc.OptionError, "padding must be at least 0"),
    (lambda: fc.max_pool2d(X, 2, 1, 2), fc.OptionError, "padding must be at most half"),
    (lambda: fc.max_pool2d(X, 2, 1, ((0, 2), (0, 0))), fc.OptionError, "at most half"),
    (lambda: fc.avg_pool2d(X, 3, 1, 2), fc.OptionError, "padding must be at most half"),
    (lambda: fc.max_pool2d(X, 2, 2, "same"), fc.OptionError, "stride"),
    (lambda: fc.max_pool2d(X, 2, 2, "full"), fc.OptionError, "padding"),
    (lambda: fc.max_pool2d(X, 9), fc.ShapeError, "does not fit"),
    (lambda: fc.max_pool2d(X, 3, dilation=4), fc.ShapeError, "does not fit"),
    (lambda: fc.max_pool2d(X, 2**62, ceil_mode=True), fc.OptionError, "kernel_size"),
    (lambda: fc.max_pool2d(X, 2**70), fc.OptionError, "kernel_size"),
    (lambda: fc.max_pool2d(X, 3, dilation=2**60), fc.OptionError, "dilation"),
    (lambda: fc.max_pool2d(X, 2, ceil_mode=1), fc.ArgumentTypeError, "ceil_mode"),
    (lambda: fc.max_pool2d(X, 2, return_indices="no"), fc.ArgumentTypeError, "return_indices"),
    (lambda: fc.avg_pool2d(X, 2, count_include_pad=None), fc.ArgumentTypeError, "count_include"),
    (lambda: fc.avg_pool2d(X, 2, divisor_override=0), fc.OptionError, "divisor_override"),
    (lambda: fc.avg_pool2d(X, 2, divisor_override=1.5), fc.ArgumentTypeError, "divisor_override"),
    (lambda: fc.lp_pool2d(X, 0, 2), fc.OptionError, "norm_type"),
    (lambda: fc.lp_pool2d(X, float("inf"), 2), fc.OptionError, "norm_type"),
    (lambda: fc.lp_pool2d(X, float("nan"), 2), fc.OptionError, "norm_type"),
    (lambda: fc.lp_pool2d(X, "2", 2), fc.ArgumentTypeError, "norm_type"),
    (lambda: fc.max_pool2d(X[:, :0], 2), fc.ShapeError, "channel"),
    (lambda: fc.max_pool2d(X[:, :, :0], 2), fc.ShapeError, "empty"),
    (lambda: fc.adaptive_avg_pool2d(X[:, :, :0], 2), fc.ShapeError, "empty"),
    (lambda: fc.adaptive_max_pool2d(X[:, :0], 2), fc.ShapeError, "channel"),
    (lambda: fc.adaptive_avg_pool2d(X, -1), fc.OptionError, "output_size"),
    (lambda: fc.adaptive_avg_pool2d(X, 2.5), fc.ArgumentTypeError, "output_size"),
    (lambda: fc.adaptive_avg_pool2d(X, (2, 2, 2)), fc.ShapeError, "output_size"),
    (lambda: fc.adaptive_avg_pool2d(X, 2**59), MemoryError, "output_size"),
    (lambda: fc.adaptive_avg_pool2d(X, 2**40), MemoryError, "result of shape|memory"),
    (lambda: fc.max_pool2d(X, 2, out=np.empty((1, 2, 4, 5), "f4")), fc.ShapeError, "out"),
    (lambda: fc.max_pool2d(X, 2, out=np.empty((1, 2, 4, 4))), fc.DTypeError, "out"),
    (lambda: fc.max_pool2d(X, 2, out=READ_ONLY), ValueError, "read-only"),
    (lambda: fc.max_pool2d(X, 2, out=X[..., :4, :4]), ValueError, "shares memory"),
    (lambda: fc.max_pool2d(X, 2, out=[1]), fc.ArgumentTypeError, "out"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD)
def test_bad_input(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_huge_views_of_little_memory() -> None:
    one = np.ones((1, 1, 1, 1), np.float32)
    wide = np.broadcast_to(one, (1, 1, 1, 2**40))
    with pytest.raises(MemoryError, match="workspace"):
        fc.max_pool2d(wide, (1, 2**38), (1, 2**39))
    with pytest.raises(MemoryError, match="result of shape"):
        fc.max_pool2d(wide, 1)


@pytest.mark.parametrize("layout", ["planar", "channels_last"])
def test_windows_far_larger_than_the_input(layout: str, isa: str) -> None:
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    if layout == "channels_last":
        x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    size, pad = 2**38, 2**37
    largest = np.array([11, 23], np.float32)
    values = fc.max_pool2d(x, size, 1, pad)
    assert values.shape == (1, 2, 4, 5)
    np.testing.assert_array_equal(values, np.broadcast_to(largest[:, None, None], values.shape))
    means = fc.avg_pool2d(x, size, 1, pad, count_include_pad=False)
    np.testing.assert_array_equal(
        means, np.broadcast_to((largest - 5.5)[:, None, None], (1, 2, 4, 5))
    )
    values, indices = fc.max_pool2d(x, 3, 1, 2**30, dilation=2**30, return_indices=True)
    np.testing.assert_array_equal(values, x)
    np.testing.assert_array_equal(indices, np.broadcast_to(np.arange(12).reshape(3, 4), x.shape))


@pytest.mark.parametrize("op", ["avg_pool2d", "max_pool2d", "lp_pool2d"])
@pytest.mark.parametrize("size", [3, 9, 17])
def test_special_values_end_with_their_window(op: str, size: int, isa: str) -> None:
    x = np.ones((1, 2, 60, 70), np.float32)
    x[0, 0, 20, 30] = np.inf
    x[0, 1, 20, 30] = np.nan
    options = {"norm_type": 2.0} if op.startswith("lp") else {}
    for given in (x, np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)):
        result = getattr(fc, op)(given, kernel_size=size, stride=1, **options)
        touched = np.zeros(result.shape[2:], bool)
        touched[max(0, 21 - size) : 21, max(0, 31 - size) : 31] = True
        np.testing.assert_array_equal(np.isinf(result[0, 0]), touched)
        np.testing.assert_array_equal(np.isnan(result[0, 1]), touched)


def test_smaller_than_the_window_in_ceil_mode() -> None:
    x = np.arange(3.0).reshape(1, 1, 3)
    np.testing.assert_array_equal(fc.max_pool1d(x, 5, 3, ceil_mode=True), [[[2.0]]])
    np.testing.assert_array_equal(fc.max_pool1d(x, 1, 2**59, ceil_mode=True), [[[0.0]]])
