"""Gradients of max unpooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from fastconv import _device
from fastconv._conv import Array, PaddingLike, PerAxis
from fastconv._fold import max_unpool1d, max_unpool2d, max_unpool3d
from fastconv._max_pool import IndexArray
from fastconv.errors import ArgumentTypeError, DTypeError, ShapeError

_UNPOOLINGS: tuple[Callable[..., Array], ...] = (max_unpool1d, max_unpool2d, max_unpool3d)


def max_unpool1d_backward(
    grad_output: Array,
    x: Array,
    indices: IndexArray,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    output_size: tuple[int, ...] | None = None,
) -> Array:
    """Gradient of :func:`max_unpool1d` with respect to x, (N, C, L) or (C, L).

    Arguments, result and errors as in :func:`max_unpool2d_backward`.
    """
    return _unpool_backward(1, grad_output, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d_backward(
    grad_output: Array,
    x: Array,
    indices: IndexArray,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    output_size: tuple[int, ...] | None = None,
) -> Array:
    """Gradient of a loss with respect to the values that :func:`max_unpool2d` put back.

    Each value gets the element of grad_output at its index; of values with one index too, of which
    max_unpool keeps the last, as in torch.

    Args:
        grad_output: Gradient with respect to the unpooled array, of its shape and x's dtype.
        x: The values.
        indices: Their int64 positions.
        kernel_size: As given to max_unpool, like the following.
        stride: Step of the pooling; None or () means kernel_size.
        padding: Padding of the pooling.
        output_size: Spatial sizes of the unpooled array, or None.

    Returns:
        Array of x's shape and dtype.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As in :func:`max_unpool2d`.
    """
    return _unpool_backward(2, grad_output, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d_backward(
    grad_output: Array,
    x: Array,
    indices: IndexArray,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    output_size: tuple[int, ...] | None = None,
) -> Array:
    """Gradient of :func:`max_unpool3d` with respect to x, (N, C, D, H, W) or (C, D, H, W).

    Arguments, result and errors as in :func:`max_unpool2d_backward`.
    """
    return _unpool_backward(3, grad_output, x, indices, kernel_size, stride, padding, output_size)


def _unpool_backward(
    rank: int,
    grad_output: Array,
    x: Array,
    indices: IndexArray,
    kernel_size: PerAxis,
    stride: PerAxis | None,
    padding: PaddingLike,
    output_size: tuple[int, ...] | None,
) -> Array:
    """The elements of grad_output at the indices, plane by plane."""
    if not isinstance(x, np.ndarray):
        given = (grad_output, rank, x, indices, kernel_size, stride, padding, output_size)
        computed = _device.dispatch("max_unpool_backward", x, given)
        if computed is not NotImplemented:
            return cast(Array, computed)
    # Checks every argument but grad_output, and gives the shape that it must have.
    unpooled = _UNPOOLINGS[rank - 1](x, indices, kernel_size, stride, padding, output_size)
    if not isinstance(grad_output, np.ndarray):
        raise ArgumentTypeError(
            f"grad_output must be a NumPy array, got {type(grad_output).__name__}; pass one"
        )
    if grad_output.shape != unpooled.shape:
        raise ShapeError(
            f"grad_output has shape {grad_output.shape}, but the unpooled array has "
            f"{unpooled.shape}; pass the gradient of that, and the options of the unpooling"
        )
    if grad_output.dtype != x.dtype:
        raise DTypeError(
            f"grad_output is {grad_output.dtype}, but x is {x.dtype}; convert one of them"
        )
    lead = x.shape[:-rank]
    planes = grad_output.reshape(*lead, -1) if x.size else grad_output.reshape(*lead, 1)
    positions = indices.reshape(*lead, -1) if x.size else indices.reshape(*lead, 0)
    return np.take_along_axis(planes, positions, -1).reshape(x.shape)
