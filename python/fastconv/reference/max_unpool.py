"""Max unpooling: values back to where max pooling found them, zeros elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._shape_rules import unpool_shape
from fastconv.errors import DTypeError, OptionError, ShapeError
from fastconv.reference._arrays import Float64Array, as_float64, batched


def max_unpool1d(
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Float64Array:
    """Partial inverse of max_pool1d for (N, C, L) or (C, L).

    Args:
        x: Pooled values.
        indices: Integers of x's shape: flat positions in the output's spatial plane, as
            ``return_indices=True`` gives them. Of equal positions the last one wins.
        kernel_size: Window of the pooling, an int or one per axis.
        stride: Step of the pooling; None or () means kernel_size.
        padding: Padding of the pooling.
        output_size: Spatial sizes of the output, or its whole shape, less than one stride away
            from the default (n-1)*s - lo - hi + k per axis.

    Returns:
        float64 array (N, C, L') or (C, L').

    Raises:
        OptionError: An index lies outside the output.
        ShapeError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _max_unpool(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Float64Array:
    """Partial inverse of max_pool2d for (N, C, H, W) or (C, H, W); see :func:`max_unpool1d`."""
    return _max_unpool(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Float64Array:
    """Partial inverse of max_pool3d for (N, C, D, H, W); see :func:`max_unpool1d`."""
    return _max_unpool(3, x, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    rank: int,
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Float64Array:
    x, indices = as_float64("x", x), np.asarray(indices)
    shape = unpool_shape(rank, x.shape, kernel_size, stride, padding, output_size)
    plane = math.prod(shape[-rank:])
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"indices must be integers, got {indices.dtype}; pass int64")
    if indices.shape != x.shape:
        raise ShapeError(
            f"indices must have the shape of x, {x.shape}, got {indices.shape}; pass the indices "
            "that came with x from max pooling"
        )
    if indices.size and not 0 <= indices.min() <= indices.max() < plane:
        raise OptionError(
            f"indices must lie between 0 and {plane - 1}, positions in an output plane of "
            f"{shape[-rank:]}, got {indices.min()} to {indices.max()}; pass the output_size that "
            "max pooling had as input"
        )
    xs = batched(x, rank)
    lead = xs.shape[:2]
    y = np.zeros((*lead, plane))
    positions = math.prod(xs.shape[2:])
    np.put_along_axis(
        y, indices.astype(np.int64).reshape(*lead, positions), xs.reshape(*lead, positions), -1
    )
    return y.reshape(shape)
