"""Adaptive pooling: the output size is given, the windows follow.

Output o of an axis with n inputs and m outputs covers the inputs from floor(o*n / m) to
ceil((o+1)*n / m), the last one not included; windows overlap where m does not divide n.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import _arguments
from fastconv._arguments import Ints
from fastconv._shape_rules import adaptive_max_shape, adaptive_shape
from fastconv._window import Positions
from fastconv.reference._arrays import Float64Array, as_float64, batched
from fastconv.reference.max_pool import Pooled


def adaptive_avg_pool1d(x: Any, output_size: Any) -> Float64Array:
    """Mean over adaptive windows of (N, C, L) or (C, L).

    Args:
        x: Input.
        output_size: Outputs per axis: an int, or one int or None per axis; None keeps the size.

    Returns:
        float64 array (N, C, output_size) or (C, output_size).

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _adaptive_avg(1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Float64Array:
    """Mean over adaptive windows of (N, C, H, W) or (C, H, W); see :func:`adaptive_avg_pool1d`."""
    return _adaptive_avg(2, x, output_size)


def adaptive_avg_pool3d(x: Any, output_size: Any) -> Float64Array:
    """Mean over adaptive windows of (N, C, D, H, W); see :func:`adaptive_avg_pool1d`."""
    return _adaptive_avg(3, x, output_size)


def adaptive_max_pool1d(x: Any, output_size: Any, return_indices: bool = False) -> Pooled:
    """Largest element of adaptive windows of (N, C, L) or (C, L).

    Args:
        x: Input.
        output_size: Outputs per axis: an int, or one int or None per axis; None keeps the size.
        return_indices: Also return the int64 flat positions of the maxima in their planes; NaN and
            equal maxima as in :func:`max_pool1d`.

    Returns:
        float64 array (N, C, output_size) or (C, output_size), or (values, indices).

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _adaptive_max(1, x, output_size, return_indices)


def adaptive_max_pool2d(x: Any, output_size: Any, return_indices: bool = False) -> Pooled:
    """Largest element of adaptive windows of (N, C, H, W); see :func:`adaptive_max_pool1d`."""
    return _adaptive_max(2, x, output_size, return_indices)


def adaptive_max_pool3d(x: Any, output_size: Any, return_indices: bool = False) -> Pooled:
    """Largest element of adaptive windows of (N, C, D, H, W); see :func:`adaptive_max_pool1d`."""
    return _adaptive_max(3, x, output_size, return_indices)


def adaptive_windows(output: Ints, in_sizes: Ints, out_sizes: Ints) -> Positions:
    """Slices of the input that belong to one output."""
    return tuple(
        slice(o * n // m, -(-(o + 1) * n // m))
        for o, n, m in zip(output, in_sizes, out_sizes, strict=True)
    )


def _adaptive_avg(rank: int, x: Any, output_size: Any) -> Float64Array:
    x = as_float64("x", x)
    shape = adaptive_shape(rank, x.shape, output_size)
    in_sizes, out_sizes = x.shape[-rank:], shape[-rank:]
    y = np.empty(shape)
    for output in np.ndindex(*out_sizes):
        window = x[(..., *adaptive_windows(output, in_sizes, out_sizes))]
        y[(..., *output)] = window.mean(axis=tuple(range(-rank, 0)))
    return y


def _adaptive_max(rank: int, x: Any, output_size: Any, return_indices: bool) -> Pooled:
    x = as_float64("x", x)
    shape = adaptive_max_shape(rank, x.shape, output_size)
    xs = batched(x, rank)
    in_sizes, out_sizes = xs.shape[2:], shape[-rank:]
    positions = np.arange(math.prod(in_sizes)).reshape(in_sizes)
    values = np.empty((*xs.shape[:2], *out_sizes))
    indices = np.empty(values.shape, np.int64)
    for output in np.ndindex(*out_sizes):
        span = adaptive_windows(output, in_sizes, out_sizes)
        elements = positions[span].size
        window = xs[(..., *span)].reshape(*xs.shape[:2], elements)
        winner = _winner(window)
        values[(..., *output)] = np.take_along_axis(window, winner[..., None], -1)[..., 0]
        indices[(..., *output)] = positions[span].ravel()[winner]
    if _arguments.flag("return_indices", return_indices):
        return values.reshape(shape), indices.reshape(shape)
    return values.reshape(shape)


def _winner(window: Float64Array) -> Any:
    """Where the last axis is largest: its last NaN if there is one, else its first maximum."""
    nan = np.isnan(window)
    last_nan = window.shape[-1] - 1 - nan[..., ::-1].argmax(axis=-1)
    return np.where(nan.any(axis=-1), last_nan, window.argmax(axis=-1))
