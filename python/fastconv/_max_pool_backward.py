"""Gradients of max and min pooling."""

from __future__ import annotations

from fastconv import _core
from fastconv._conv import Array, PaddingLike, PerAxis
from fastconv._max_pool import IndexArray


def max_pool1d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of :func:`max_pool1d` with respect to x, (N, C, L) or (C, L).

    Arguments, result and errors as in :func:`max_pool2d_backward`.
    """
    return _core.pool_backward(
        1, _core.POOL_MAX, grad_output, x, kernel_size, stride, padding, dilation, ceil_mode,
        True, None, indices,
    )  # fmt: skip


def max_pool2d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of a loss with respect to the input of :func:`max_pool2d`.

    Each element of grad_output goes to the input that won its window: the first of equal ones, the
    last NaN, as in torch. An input that won several windows gets the sum, in a fixed order.

    Args:
        grad_output: Gradient with respect to the pooled values, of their shape and x's dtype.
        x: The input of the pooling; see :func:`max_pool2d`.
        kernel_size: As given to the pooling, like the following.
        stride: Step of the window; None or () means kernel_size.
        padding: Elements around the input.
        dilation: Distance between the elements of a window.
        ceil_mode: Whether the output size was rounded up.
        indices: The int64 positions that the pooling gave with ``return_indices=True``; without
            them the winners are found again, which costs about as much as the pooling.

    Returns:
        Array of x's shape and dtype, channels-last if x is. Sums of 16-bit values are kept in
        float32 and rounded once.

    Raises:
        ShapeError: grad_output or indices have another shape than the pooled values, or as in
            :func:`max_pool2d`.
        OptionError: An index outside x's plane, or an option outside its range.
        DTypeError: Dtypes that are not supported or differ, or indices that are not int64.
        ArgumentTypeError: An argument that is not a NumPy array, or an option of the wrong type.
    """
    return _core.pool_backward(
        2, _core.POOL_MAX, grad_output, x, kernel_size, stride, padding, dilation, ceil_mode,
        True, None, indices,
    )  # fmt: skip


def max_pool3d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of :func:`max_pool3d` with respect to x, (N, C, D, H, W) or (C, D, H, W).

    Arguments, result and errors as in :func:`max_pool2d_backward`.
    """
    return _core.pool_backward(
        3, _core.POOL_MAX, grad_output, x, kernel_size, stride, padding, dilation, ceil_mode,
        True, None, indices,
    )  # fmt: skip


def min_pool1d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of :func:`min_pool1d` with respect to x, (N, C, L) or (C, L).

    Arguments, result and errors as in :func:`max_pool2d_backward`.
    """
    return _core.pool_backward(
        1, _core.POOL_MIN, grad_output, x, kernel_size, stride, padding, dilation, ceil_mode,
        True, None, indices,
    )  # fmt: skip


def min_pool2d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of :func:`min_pool2d` with respect to x, (N, C, H, W) or (C, H, W).

    Arguments, result and errors as in :func:`max_pool2d_backward`.
    """
    return _core.pool_backward(
        2, _core.POOL_MIN, grad_output, x, kernel_size, stride, padding, dilation, ceil_mode,
        True, None, indices,
    )  # fmt: skip


def min_pool3d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: IndexArray | None = None,
) -> Array:
    """Gradient of :func:`min_pool3d` with respect to x, (N, C, D, H, W) or (C, D, H, W).

    Arguments, result and errors as in :func:`max_pool2d_backward`.
    """
    return _core.pool_backward(
        3, _core.POOL_MIN, grad_output, x, kernel_size, stride, padding, dilation, ceil_mode,
        True, None, indices,
    )  # fmt: skip
