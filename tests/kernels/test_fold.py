"""unfold, fold and max unpooling against the reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cases
import fastconv as fc
from fastconv import reference
from fastconv.benchmarks.problem import Problem

DTYPES = (np.float32, np.float64)
MOVES = [*cases.FOLD_CASES, *cases.UNPOOL_CASES]


@pytest.fixture
def threads() -> Iterator[Any]:
    yield fc.set_num_threads
    fc.set_num_threads(None)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", MOVES, ids=lambda p: p.name)
def test_matches_reference(problem: Problem, dtype: Any) -> None:
    operands = cases.gaussian(problem, dtype)
    result = cases.call(fc, problem, operands)
    expected = cases.call(reference, problem, operands)
    assert result.dtype == dtype
    assert result.shape == expected.shape
    if problem.op == "fold":  # sums of at most kh*kw terms
        taps = np.prod(problem.options["kernel_size"]) ** 2
        magnitude = cases.call(reference, problem, cases.Operands(np.abs(operands.x)))
        assert np.all(np.abs(result - expected) <= taps * np.finfo(dtype).eps * magnitude)
    else:
        np.testing.assert_array_equal(result, expected.astype(dtype))


@pytest.mark.parametrize("problem", MOVES, ids=lambda p: p.name)
def test_whole_numbers_are_exact_in_any_layout(problem: Problem) -> None:
    operands = cases.exact_integers(problem)
    expected = cases.call(reference, problem, operands)
    x = operands.x
    layouts = [
        np.repeat(x, 2, -1)[..., ::2],
        x[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
        x.swapaxes(-1, -2).copy().swapaxes(-1, -2),
        np.moveaxis(np.moveaxis(x, -3, -1).copy(), -1, -3) if x.ndim > 2 else x,
    ]
    for view in layouts:
        view.flags.writeable = False
        result = cases.call(fc, problem, operands._replace(x=view))
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)},
        {"kernel_size": 2, "padding": ((0, 2), (1, 0)), "stride": 3},
    ],
)
def test_fold_is_the_adjoint_of_unfold(options: Any) -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(-3, 4, (2, 3, 9, 10)).astype(np.float32)
    columns = fc.unfold(x, **options)
    y = generator.integers(-3, 4, columns.shape).astype(np.float32)
    assert np.vdot(columns, y) == np.vdot(x, fc.fold(y, (9, 10), **options))


def test_convolution_is_a_product_with_the_columns() -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(-3, 4, (2, 3, 9, 10)).astype(np.float32)
    weight = generator.integers(-3, 4, (5, 3, 3, 3)).astype(np.float32)
    product = weight.reshape(5, -1) @ fc.unfold(x, 3, padding=1)
    np.testing.assert_array_equal(
        product.reshape(2, 5, 9, 10), reference.conv2d(x, weight, padding=1)
    )


def test_unpooling_undoes_pooling() -> None:
    x = np.random.default_rng(0).permutation(2 * 3 * 9 * 11).reshape(2, 3, 9, 11).astype(np.float64)
    values, indices = fc.max_pool2d(x, 2, return_indices=True)
    back = fc.max_unpool2d(values, indices, 2, output_size=x.shape)
    assert back.shape == x.shape
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    np.testing.assert_array_equal(fc.max_pool2d(back, 2), values)


def test_the_last_of_equal_indices_wins() -> None:
    x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    indices = np.array([[[5, 0, 5, 5]]])
    np.testing.assert_array_equal(
        fc.max_unpool1d(x, indices, 2), [[[2.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0]]]
    )


def test_indices_may_have_any_layout() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 10)).astype(np.float32)
    values, indices = fc.max_pool2d(x, 2, return_indices=True)
    expected = fc.max_unpool2d(values, indices, 2)
    for view in (
        np.repeat(indices, 2, -1)[..., ::2],
        indices[::-1].copy()[::-1],
        np.moveaxis(np.moveaxis(indices, 1, -1).copy(), -1, 1),
    ):
        np.testing.assert_array_equal(fc.max_unpool2d(values, view, 2), expected)
    last = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    np.testing.assert_array_equal(
        fc.max_unpool2d(*fc.max_pool2d(last, 2, return_indices=True), 2), expected
    )


def test_nan_and_infinity_are_moved_not_multiplied() -> None:
    x = np.zeros((1, 1, 5, 6), np.float32)
    x[0, 0, 1, 2], x[0, 0, 3, 3] = np.nan, np.inf
    columns = fc.unfold(x, 2, padding=1)
    assert np.isnan(columns).sum() == 4
    assert np.isinf(columns).sum() == 4
    image = fc.fold(columns, (5, 6), 2, padding=1)
    np.testing.assert_array_equal(np.isnan(image), np.isnan(x))
    np.testing.assert_array_equal(np.isinf(image), np.isinf(x))


def test_threads_do_not_change_a_bit(threads: Any) -> None:
    x = np.random.default_rng(0).standard_normal((2, 9, 60, 61)).astype(np.float32)
    threads(1)
    columns = fc.unfold(x, 3, padding=1)
    image = fc.fold(columns, (60, 61), 3, padding=1)
    values, indices = fc.max_pool2d(x, 2, return_indices=True)
    unpooled = fc.max_unpool2d(values, indices, 2, output_size=(60, 61))
    threads(3)
    assert fc.unfold(x, 3, padding=1).tobytes() == columns.tobytes()
    assert fc.fold(columns, (60, 61), 3, padding=1).tobytes() == image.tobytes()
    again = fc.max_unpool2d(values, indices, 2, output_size=(60, 61))
    assert again.tobytes() == unpooled.tobytes()


X = np.ones((1, 2, 6, 7), np.float32)
COLUMNS = np.ones((1, 8, 30), np.float32)
P = np.ones((1, 2, 3, 4), np.float32)
AT = np.zeros(P.shape, np.int64)
BAD = [
    (lambda: fc.unfold([[1.0]], 2), fc.ArgumentTypeError, "x is a list"),
    (lambda: fc.unfold(X.astype(int), 2), fc.DTypeError, "int64"),
    (lambda: fc.unfold(X[0, 0], 2), fc.ShapeError, "unfold needs 4 axes"),
    (lambda: fc.unfold(X[:, :0], 2), fc.ShapeError, "at least one channel"),
    (lambda: fc.unfold(X, 8), fc.ShapeError, "does not fit"),
    (lambda: fc.unfold(X, 0), fc.OptionError, "kernel_size must be at least 1"),
    (lambda: fc.unfold(X, 2, stride=0), fc.OptionError, "stride must be at least 1"),
    (lambda: fc.unfold(X, 2, dilation=0), fc.OptionError, "dilation must be at least 1"),
    (lambda: fc.unfold(X, 2, padding=-1), fc.OptionError, "padding must be at least 0"),
    (lambda: fc.unfold(X, 2.5), fc.ArgumentTypeError, "kernel_size"),
    (lambda: fc.unfold(X, (2, 2, 2)), ValueError, "kernel_size"),
    (lambda: fc.unfold(X, 2, stride=2, padding="same"), fc.OptionError, "stride"),
    (lambda: fc.unfold(X, 2, padding=2**40), MemoryError, "columns"),
    (lambda: fc.fold(COLUMNS[0, 0], (6, 7), 2), fc.ShapeError, "fold needs"),
    (lambda: fc.fold(COLUMNS[:, :7], (6, 7), 2), fc.ShapeError, "7 rows"),
    (lambda: fc.fold(COLUMNS[:, :0], (6, 7), 2), fc.ShapeError, "0 rows"),
    (lambda: fc.fold(COLUMNS, (6, 8), 2), fc.ShapeError, "35 window positions"),
    (lambda: fc.fold(COLUMNS, (0, 7), 2), fc.OptionError, "output_size must be at least 1"),
    (lambda: fc.fold(COLUMNS, (6, 7, 1), 2), ValueError, "output_size"),
    (lambda: fc.fold(COLUMNS, None, 2), fc.ArgumentTypeError, "output_size"),
    (lambda: fc.max_unpool2d(P, AT[..., :3], 2), fc.ShapeError, "shape of x"),
    (lambda: fc.max_unpool2d(P, AT.astype(np.int32), 2), fc.DTypeError, "must be int64"),
    (lambda: fc.max_unpool2d(P, P, 2), fc.DTypeError, "must be int64"),
    (lambda: fc.max_unpool2d(P, [0], 2), fc.ArgumentTypeError, "indices must be a NumPy array"),
    (lambda: fc.max_unpool2d(P, AT + 48, 2), fc.OptionError, "between 0 and 47, .* got 48"),
    (lambda: fc.max_unpool2d(P, AT - 1, 2), fc.OptionError, "got -1"),
    (lambda: fc.max_unpool2d(P, AT, 2, output_size=(9, 9)), fc.ShapeError, "between 5 and 7"),
    (lambda: fc.max_unpool2d(P, AT, 2, output_size=(6,)), fc.ShapeError, "2 entries"),
    (lambda: fc.max_unpool2d(P, AT, 2, output_size=6), fc.ArgumentTypeError, "tuple of sizes"),
    (lambda: fc.max_unpool2d(P, AT, 0), fc.OptionError, "kernel_size must be between 1"),
    (lambda: fc.max_unpool2d(P, AT, 2, padding=1, stride=0), fc.OptionError, "stride"),
    (lambda: fc.max_unpool2d(P[:, :0], AT[:, :0], 2), fc.ShapeError, "at least one channel"),
    (lambda: fc.max_unpool2d(P, AT, 1, padding=3), ValueError, "padding"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD)
def test_bad_input(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
