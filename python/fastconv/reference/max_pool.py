"""Max and min pooling.

    y[n, c, p] = max over taps t of  x[n, c, p*s + t*d - lo],  taps in the padding left out

NaN counts as larger than any number. An index is the flat position of the winner inside its
channel's spatial plane: the first of equal maxima, the last of several NaN, as in torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import _arguments
from fastconv._shape_rules import pool_shape
from fastconv._window import pool_window
from fastconv.reference._arrays import Float64Array, Int64Array, as_float64, batched

# A dilated window may step over a whole input that is smaller than its dilation.
NO_POSITION = -1

Pooled = Float64Array | tuple[Float64Array, Int64Array]


def max_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Largest element of each window of (N, C, L) or (C, L).

    Args:
        x: Input.
        kernel_size: Window, an int or one per axis.
        stride: Step of the window; None or () means kernel_size.
        padding: An int, one int per axis, (lo, hi) pairs, ``"valid"`` or ``"same"`` (stride 1); at
            most half of the dilated window. Padding never wins.
        dilation: Distance between the elements of a window.
        ceil_mode: Round the output size up, so that the last window may leave the input.
        return_indices: Also return where the maxima are.

    Returns:
        float64 array (N, C, L') or (C, L'); with return_indices also their int64 positions. A
        window that meets no input gives -inf and position -1.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Largest element of each window of (N, C, H, W) or (C, H, W); see :func:`max_pool1d`.

    Example:
        >>> max_pool2d(np.arange(9.0).reshape(1, 3, 3), 2, stride=1)
        array([[[4., 5.],
                [7., 8.]]])
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Largest element of each window of (N, C, D, H, W) or (C, D, H, W); see :func:`max_pool1d`."""
    return _max_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def min_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Smallest element of each window: -max_pool1d(-x); NaN wins here too."""
    return _min_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def min_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Smallest element of each window: -max_pool2d(-x); NaN wins here too."""
    return _min_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def min_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Smallest element of each window: -max_pool3d(-x); NaN wins here too."""
    return _min_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_pool(
    rank: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Pooled:
    values, indices = _winners(
        rank, as_float64("x", x), kernel_size, stride, padding, dilation, ceil_mode
    )
    return (values, indices) if _arguments.flag("return_indices", return_indices) else values


def _min_pool(
    rank: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Pooled:
    values, indices = _winners(
        rank, -as_float64("x", x), kernel_size, stride, padding, dilation, ceil_mode
    )
    return (-values, indices) if _arguments.flag("return_indices", return_indices) else -values


def _winners(
    rank: int,
    x: Float64Array,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Float64Array, Int64Array]:
    shape = pool_shape(
        rank,
        x.shape,
        kernel_size,
        ceil_mode,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    window = pool_window(rank, kernel_size, stride, padding, dilation)
    xs = batched(x, rank)
    in_sizes, out_sizes = xs.shape[2:], shape[-rank:]
    positions = np.arange(math.prod(in_sizes)).reshape(in_sizes)
    values = np.full((*xs.shape[:2], *out_sizes), -np.inf)
    indices = np.full(values.shape, NO_POSITION, np.int64)
    for tap in window.taps(in_sizes, out_sizes):
        candidate = xs[(..., *tap.inputs)]
        best, where = values[(..., *tap.outputs)], indices[(..., *tap.outputs)]
        wins = (candidate > best) | np.isnan(candidate) | (where == NO_POSITION)
        np.copyto(best, candidate, where=wins)
        np.copyto(where, positions[tap.inputs], where=wins)
    return values.reshape(shape), indices.reshape(shape)
