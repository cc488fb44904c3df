"""Passes of training over whole arrays: sums and affine maps of channels, and descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_conv import ISAS, isa  # noqa: F401

import fastconv as fc
from fastconv import _core

SHAPES = [(1, 1), (5, 3), (2, 3, 1), (3, 4, 17), (2, 5, 7, 7), (1, 2, 70, 61), (2, 1, 3, 4, 5)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("isa")
def test_sums_and_maps_of_channels(shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, grad = rng.integers(-3, 4, (2, *shape)).astype(dtype)
    centre, a, b, shift = rng.integers(-3, 4, (4, shape[1])).astype(np.float64)
    axes, over = (0, *range(2, len(shape))), (1, -1, *(1,) * (len(shape) - 2))
    distance = x.astype(np.float64) - centre.reshape(over)
    for given, first in ((None, distance), (grad, grad)):
        sums, products = _core.channel_products(x, given, centre)
        np.testing.assert_array_equal(sums, first.sum(axes, dtype=np.float64))
        np.testing.assert_array_equal(products, (first * distance).sum(axes))
    for other in (None, grad):
        expected = x * a.reshape(over) + shift.reshape(over)
        if other is not None:
            expected = expected + other * b.reshape(over)
        mapped = _core.channel_affine(x, a, other, b, shift)
        assert mapped.dtype == dtype
        np.testing.assert_array_equal(mapped, expected)


def test_sums_keep_their_digits_on_any_number_of_threads() -> None:
    x = (np.random.default_rng(0).standard_normal((16, 8, 112, 112)) + 100).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        fc.set_num_threads(threads)
        results.append(_core.channel_products(x, None, np.zeros(8)))
    fc.set_num_threads(None)
    expected = x.sum((0, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(results[0][0], expected, rtol=1e-6)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
def test_descent(dtype: Any, first: bool, nesterov: bool) -> None:
    rng = np.random.default_rng(0)
    weight, grad, velocity = rng.standard_normal((3, 9001)).astype(dtype)
    w, v = weight.astype(np.float64), velocity.astype(np.float64)
    g = grad + 0.1 * w
    v = g if first else 0.9 * v + 0.8 * g
    w = w - 0.01 * (g + 0.9 * v if nesterov else v)
    _core.descend(weight, grad, velocity, 0.01, 0.9, 0.8, 0.1, nesterov, first)
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(weight, w, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(velocity, v, rtol=tolerance, atol=tolerance)


def test_arrays_that_do_not_fit() -> None:
    x = np.zeros((2, 3, 4), np.float32)
    for wrong in (x.transpose(0, 2, 1), x.astype(np.float16)):
        with pytest.raises(fc.DTypeError, match="C order"):
            _core.channel_products(wrong, None, np.zeros(3))
    with pytest.raises(fc.ShapeError, match="centre"):
        _core.channel_products(x, None, np.zeros(4))
    with pytest.raises(fc.ShapeError, match="grad"):
        _core.channel_products(x, x[:1], np.zeros(3))
    with pytest.raises(fc.ShapeError, match="velocity"):
        _core.descend(x, x, x[:1], 0.0, 0.0, 0.0, 0.0, False, False)
