"""Gradients of average and Lp pooling.

Average pooling spreads each output's gradient evenly over its window, Lp pooling in proportion to
the derivative of its formula.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._shape_rules import adaptive_shape, avg_pool_shape, lp_pool_shape
from fastconv._window import pool_window
from fastconv.reference._arrays import Float64Array, as_float64, batched, output_gradient
from fastconv.reference.adaptive_pool import adaptive_windows
from fastconv.reference.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d, window_counts

_MEANS = (avg_pool1d, avg_pool2d, avg_pool3d)


def avg_pool1d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float64Array:
    """Each gradient, divided by the elements of its window, added to all of the window.

    Args:
        grad_output: Gradient with respect to the means.
        x: The input of the pooling, of which only the shape matters.
        kernel_size: As given to the pooling, like the following.
        stride: Step of the window.
        padding: Zeros around the input.
        ceil_mode: Whether the output size was rounded up.
        count_include_pad: Whether padding counted.
        divisor_override: What was divided by instead, or None.

    Returns:
        float64 array of x's shape.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _avg_backward(
        1,
        grad_output,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def avg_pool2d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float64Array:
    """Gradient of :func:`avg_pool2d`; see :func:`avg_pool1d_backward`."""
    return _avg_backward(
        2,
        grad_output,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def avg_pool3d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float64Array:
    """Gradient of :func:`avg_pool3d`; see :func:`avg_pool1d_backward`."""
    return _avg_backward(
        3,
        grad_output,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def adaptive_avg_pool1d_backward(
    grad_output: Any,
    x: Any,
    output_size: Any,
) -> Float64Array:
    """Each gradient, divided by the elements of its window, added to all of the window.

    Args:
        grad_output: Gradient with respect to the means.
        x: The input of the pooling, of which only the shape matters.
        output_size: As given to the pooling.

    Returns:
        float64 array of x's shape.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _adaptive_avg_backward(1, grad_output, x, output_size)


def adaptive_avg_pool2d_backward(
    grad_output: Any,
    x: Any,
    output_size: Any,
) -> Float64Array:
    """Gradient of :func:`adaptive_avg_pool2d`."""
    return _adaptive_avg_backward(2, grad_output, x, output_size)


def adaptive_avg_pool3d_backward(
    grad_output: Any,
    x: Any,
    output_size: Any,
) -> Float64Array:
    """Gradient of :func:`adaptive_avg_pool3d`."""
    return _adaptive_avg_backward(3, grad_output, x, output_size)


def lp_pool1d_backward(
    grad_output: Any,
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Float64Array:
    """Gradient of :func:`lp_pool1d`, by the chain rule through its formula.

    With a the mean of x**p over the m elements of the window inside the input, and k the window's
    size, y = (a k) ** (1/p), so dy/dx = (k/m) x**(p-1) (a k) ** (1/p - 1); where a is 0, relu's
    derivative makes it 0.

    Args:
        grad_output: Gradient with respect to the norms.
        x: The input of the pooling.
        norm_type: p, finite and greater than 0.
        kernel_size: As given to the pooling, like the following.
        stride: Step of the window.
        ceil_mode: Whether the output size was rounded up.

    Returns:
        float64 array of x's shape.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _lp_backward(1, grad_output, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d_backward(
    grad_output: Any,
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Float64Array:
    """Gradient of :func:`lp_pool2d`; see :func:`lp_pool1d_backward`."""
    return _lp_backward(2, grad_output, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d_backward(
    grad_output: Any,
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Float64Array:
    """Gradient of :func:`lp_pool3d`; see :func:`lp_pool1d_backward`."""
    return _lp_backward(3, grad_output, x, norm_type, kernel_size, stride, ceil_mode)


def _avg_backward(
    rank: int,
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Float64Array:
    shape = avg_pool_shape(
        rank,
        np.shape(x),
        count_include_pad,
        divisor_override,
        kernel_size=kernel_size,
        ceil_mode=ceil_mode,
        stride=stride,
        padding=padding,
    )
    grad = batched(output_gradient(grad_output, shape), rank)
    window = pool_window(rank, kernel_size, stride, padding)
    result = np.zeros((*grad.shape[:2], *np.shape(x)[-rank:]))
    in_sizes, out_sizes = result.shape[2:], grad.shape[2:]
    counts = window_counts(window, in_sizes, out_sizes, count_include_pad)
    shares = grad / (counts if divisor_override is None else divisor_override)
    for tap in window.taps(in_sizes, out_sizes):
        result[(..., *tap.inputs)] += shares[(..., *tap.outputs)]
    return result.reshape(np.shape(x))


def _adaptive_avg_backward(rank: int, grad_output: Any, x: Any, output_size: Any) -> Float64Array:
    grad = output_gradient(grad_output, adaptive_shape(rank, np.shape(x), output_size))
    result = np.zeros(np.shape(x))
    in_sizes, out_sizes = result.shape[-rank:], grad.shape[-rank:]
    for output in np.ndindex(*out_sizes):
        window = result[(..., *adaptive_windows(output, in_sizes, out_sizes))]
        spread = grad[(..., *output)] / math.prod(window.shape[-rank:])
        window += spread.reshape(*spread.shape, *[1] * rank)
    return result


def _lp_backward(
    rank: int,
    grad_output: Any,
    x: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any,
    ceil_mode: bool,
) -> Float64Array:
    options = {"kernel_size": kernel_size, "stride": stride, "ceil_mode": ceil_mode}
    grad = output_gradient(grad_output, lp_pool_shape(rank, np.shape(x), norm_type, **options))
    x = as_float64("x", x)
    taps = math.prod(pool_window(rank, kernel_size).kernel)
    with np.errstate(all="ignore"):
        sums = _MEANS[rank - 1](x**norm_type, **options) * taps
        slopes = np.where(sums == 0, 0.0, sums ** (1 / norm_type - 1)) * taps
        spread = _avg_backward(
            rank, grad * slopes, x, kernel_size, stride, 0, ceil_mode, True, None
        )
        result: Float64Array = spread * x ** (norm_type - 1)
    return result
