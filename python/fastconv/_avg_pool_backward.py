"""Gradients of average and Lp pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numpy as np

from fastconv import _arguments, _core, _device
from fastconv._avg_pool import avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d
from fastconv._conv import Array, PaddingLike, PerAxis
from fastconv.errors import ArgumentTypeError, DTypeError, ShapeError

_MEANS: tuple[Callable[..., Array], ...] = (avg_pool1d, avg_pool2d, avg_pool3d)
_NORMS: tuple[Callable[..., Array], ...] = (lp_pool1d, lp_pool2d, lp_pool3d)


def avg_pool1d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of :func:`avg_pool1d` with respect to x, (N, C, L) or (C, L).

    Arguments, result and errors as in :func:`avg_pool2d_backward`.
    """
    return _core.pool_backward(
        1, _core.POOL_AVERAGE, grad_output, x, kernel_size, stride, padding, 1, ceil_mode,
        count_include_pad, divisor_override, None,
    )  # fmt: skip


def avg_pool2d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of a loss with respect to the input of :func:`avg_pool2d`.

    Each element of grad_output, divided by the number of elements that its window counted, goes to
    every input in the window.

    Args:
        grad_output: Gradient with respect to the means, of their shape and x's dtype.
        x: The input of the pooling; its values do not matter.
        kernel_size: As given to the pooling, like the following.
        stride: Step of the window; None or () means kernel_size.
        padding: Zeros around the input.
        ceil_mode: Whether the output size was rounded up.
        count_include_pad: Whether padding counted in the number of elements.
        divisor_override: What was divided by instead, or None.

    Returns:
        Array of x's shape and dtype, channels-last if x is.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As in :func:`max_pool2d_backward`.
    """
    return _core.pool_backward(
        2, _core.POOL_AVERAGE, grad_output, x, kernel_size, stride, padding, 1, ceil_mode,
        count_include_pad, divisor_override, None,
    )  # fmt: skip


def avg_pool3d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of :func:`avg_pool3d` with respect to x, (N, C, D, H, W) or (C, D, H, W).

    Arguments, result and errors as in :func:`avg_pool2d_backward`.
    """
    return _core.pool_backward(
        3, _core.POOL_AVERAGE, grad_output, x, kernel_size, stride, padding, 1, ceil_mode,
        count_include_pad, divisor_override, None,
    )  # fmt: skip


def lp_pool1d_backward(
    grad_output: Array,
    x: Array,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of :func:`lp_pool1d` with respect to x, (N, C, L) or (C, L).

    Arguments, result and errors as in :func:`lp_pool2d_backward`.
    """
    return _lp_backward(1, grad_output, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d_backward(
    grad_output: Array,
    x: Array,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of a loss with respect to the input of :func:`lp_pool2d`.

    With y the norm of a window of k elements, m of them inside the input: each of these x gets
    grad_output * (k/m) * x**(p-1) * y**(1-p), the derivative of torch's formula; where y is 0 it
    is 0.

    Args:
        grad_output: Gradient with respect to the norms, of their shape and x's dtype.
        x: The input of the pooling.
        norm_type: The power p, finite and greater than 0.
        kernel_size: As given to the pooling, like the following.
        stride: Step of the window; None or () means kernel_size.
        ceil_mode: Whether the output size was rounded up.

    Returns:
        Array of x's shape and dtype, channels-last if x is.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As in :func:`max_pool2d_backward`.
    """
    return _lp_backward(2, grad_output, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d_backward(
    grad_output: Array,
    x: Array,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of :func:`lp_pool3d` with respect to x, (N, C, D, H, W) or (C, D, H, W).

    Arguments, result and errors as in :func:`lp_pool2d_backward`.
    """
    return _lp_backward(3, grad_output, x, norm_type, kernel_size, stride, ceil_mode)


def _lp_backward(
    rank: int,
    grad_output: Array,
    x: Array,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None,
    ceil_mode: bool,
) -> Array:
    """Average pooling's gradient of grad_output * k * a**(1/p - 1), times x**(p - 1).

    a = k * mean(x**p); the gradient of the mean divides by its number of elements. Elementwise
    steps are NumPy's; 16-bit values are computed with in float32 and rounded once. On a GPU one
    kernel does it all.
    """
    if not isinstance(x, np.ndarray):
        given = (rank, grad_output, x, norm_type, kernel_size, stride, ceil_mode)
        computed = _device.dispatch("lp_pool_backward", x, given)
        if computed is not NotImplemented:
            return cast(Array, computed)
    # Checks every argument but grad_output.
    _NORMS[rank - 1](x, norm_type, kernel_size, stride, ceil_mode)
    taps = math.prod(_arguments.per_axis("kernel_size", kernel_size, rank, minimum=1))
    window = {"kernel_size": kernel_size, "stride": stride, "ceil_mode": ceil_mode}
    wide = x if x.dtype.itemsize > 2 else x.astype(np.float32)
    power = wide.dtype.type(norm_type)
    with np.errstate(all="ignore"):
        sums = _MEANS[rank - 1](wide**power, **window) * wide.dtype.type(taps)
        if not isinstance(grad_output, np.ndarray):
            raise ArgumentTypeError(
                f"grad_output must be a NumPy array, got {type(grad_output).__name__}; pass one"
            )
        if grad_output.shape != sums.shape:
            raise ShapeError(
                f"grad_output has shape {grad_output.shape}, but the pooled values have "
                f"{sums.shape}; pass the gradient of these, and the options of the pooling"
            )
        if grad_output.dtype != x.dtype:
            raise DTypeError(
                f"grad_output is {grad_output.dtype}, but x is {x.dtype}; convert one of them"
            )
        slope = np.where(sums == 0, 0, sums ** (1 / power - 1)) * wide.dtype.type(taps)
        shares = (grad_output.astype(wide.dtype) * slope).astype(wide.dtype)
        spread = _core.pool_backward(
            rank, _core.POOL_AVERAGE, shares, wide, kernel_size, stride, 0, 1, ceil_mode,
            True, None, None,
        )  # fmt: skip
        result: Array = (spread * wide ** (power - 1)).astype(x.dtype, copy=False)
    return result
