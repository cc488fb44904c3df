"""Gradients of adaptive pooling."""

from __future__ import annotations

from fastconv import _core
from fastconv._adaptive_pool import OutputSizeLike
from fastconv._conv import Array
from fastconv._max_pool import IndexArray


def adaptive_avg_pool1d_backward(
    grad_output: Array,
    x: Array,
    output_size: OutputSizeLike,
) -> Array:
    """Gradient of :func:`adaptive_avg_pool1d` with respect to x, (N, C, L) or (C, L).

    Arguments, result and errors as in :func:`adaptive_avg_pool2d_backward`.
    """
    return _core.adaptive_pool_backward(1, _core.POOL_AVERAGE, grad_output, x, output_size, None)


def adaptive_avg_pool2d_backward(
    grad_output: Array,
    x: Array,
    output_size: OutputSizeLike,
) -> Array:
    """Gradient of a loss with respect to the input of :func:`adaptive_avg_pool2d`.

    Args:
        grad_output: Gradient with respect to the means, of their shape and x's dtype.
        x: The input of the pooling; its values do not matter.
        output_size: As given to the pooling.

    Returns:
        Array of x's shape and dtype, channels-last if x is.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As in :func:`max_pool2d_backward`.
    """
    return _core.adaptive_pool_backward(2, _core.POOL_AVERAGE, grad_output, x, output_size, None)


def adaptive_avg_pool3d_backward(
    grad_output: Array,
    x: Array,
    output_size: OutputSizeLike,
) -> Array:
    """Gradient of :func:`adaptive_avg_pool3d` with respect to x, (N, C, D, H, W) or (C, D, H, W).

    Arguments, result and errors as in :func:`adaptive_avg_pool2d_backward`.
    """
    return _core.adaptive_pool_backward(3, _core.POOL_AVERAGE, grad_output, x, output_size, None)


def adaptive_max_pool1d_backward(
    grad_output: Array,
    x: Array,
    output_size: OutputSizeLike,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of :func:`adaptive_max_pool1d` with respect to x, (N, C, L) or (C, L).

    Arguments, result and errors as in :func:`adaptive_max_pool2d_backward`.
    """
    return _core.adaptive_pool_backward(1, _core.POOL_MAX, grad_output, x, output_size, indices)


def adaptive_max_pool2d_backward(
    grad_output: Array,
    x: Array,
    output_size: OutputSizeLike,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of a loss with respect to the input of :func:`adaptive_max_pool2d`.

    Args:
        grad_output: Gradient with respect to the maxima, of their shape and x's dtype.
        x: The input of the pooling.
        output_size: As given to the pooling.
        indices: The positions that the pooling gave, if they are known; see
            :func:`max_pool2d_backward`.

    Returns:
        Array of x's shape and dtype, channels-last if x is.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As in :func:`max_pool2d_backward`.
    """
    return _core.adaptive_pool_backward(2, _core.POOL_MAX, grad_output, x, output_size, indices)


def adaptive_max_pool3d_backward(
    grad_output: Array,
    x: Array,
    output_size: OutputSizeLike,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of :func:`adaptive_max_pool3d` with respect to x, (N, C, D, H, W) or (C, D, H, W).

    Arguments, result and errors as in :func:`adaptive_max_pool2d_backward`.
    """
    return _core.adaptive_pool_backward(3, _core.POOL_MAX, grad_output, x, output_size, indices)
