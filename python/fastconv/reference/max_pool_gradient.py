"""Gradients of max and min pooling and of max unpooling.

Max and min pooling send each output's gradient to the input that won its window; unpooling, which
moves values, takes the gradient from where it put them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._shape_rules import unpool_shape
from fastconv.reference._arrays import Float64Array, as_float64, batched, output_gradient
from fastconv.reference.adaptive_pool import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from fastconv.reference.max_pool import (
    max_pool1d,
    max_pool2d,
    max_pool3d,
    min_pool1d,
    min_pool2d,
    min_pool3d,
)

_ADAPTIVE = (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d)
_EXTREMES = {
    "max": (max_pool1d, max_pool2d, max_pool3d),
    "min": (min_pool1d, min_pool2d, min_pool3d),
}


def max_pool1d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
) -> Float64Array:
    """Each gradient added to the input that won its window.

    Args:
        grad_output: Gradient with respect to the pooled values.
        x: The input of the pooling.
        kernel_size: As given to the pooling, like the following.
        stride: Step of the window.
        padding: Elements around the input.
        dilation: Distance between the elements of a window.
        ceil_mode: Whether the output size was rounded up.
        indices: Flat positions of the winners, or None to find them.

    Returns:
        float64 array of x's shape.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    values, winners = _EXTREMES["max"][0](
        x, kernel_size, stride, padding, dilation, ceil_mode, True
    )
    return _scatter(1, grad_output, x, values, winners if indices is None else indices)


def max_pool2d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`max_pool2d`; see :func:`max_pool1d_backward`."""
    values, winners = _EXTREMES["max"][1](
        x, kernel_size, stride, padding, dilation, ceil_mode, True
    )
    return _scatter(2, grad_output, x, values, winners if indices is None else indices)


def max_pool3d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`max_pool3d`; see :func:`max_pool1d_backward`."""
    values, winners = _EXTREMES["max"][2](
        x, kernel_size, stride, padding, dilation, ceil_mode, True
    )
    return _scatter(3, grad_output, x, values, winners if indices is None else indices)


def min_pool1d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`min_pool1d`; see :func:`max_pool1d_backward`."""
    values, winners = _EXTREMES["min"][0](
        x, kernel_size, stride, padding, dilation, ceil_mode, True
    )
    return _scatter(1, grad_output, x, values, winners if indices is None else indices)


def min_pool2d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`min_pool2d`; see :func:`max_pool1d_backward`."""
    values, winners = _EXTREMES["min"][1](
        x, kernel_size, stride, padding, dilation, ceil_mode, True
    )
    return _scatter(2, grad_output, x, values, winners if indices is None else indices)


def min_pool3d_backward(
    grad_output: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`min_pool3d`; see :func:`max_pool1d_backward`."""
    values, winners = _EXTREMES["min"][2](
        x, kernel_size, stride, padding, dilation, ceil_mode, True
    )
    return _scatter(3, grad_output, x, values, winners if indices is None else indices)


def adaptive_max_pool1d_backward(
    grad_output: Any,
    x: Any,
    output_size: Any,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`adaptive_max_pool1d`; see :func:`max_pool1d_backward`."""
    values, winners = _ADAPTIVE[0](x, output_size, True)
    return _scatter(1, grad_output, x, values, winners if indices is None else indices)


def adaptive_max_pool2d_backward(
    grad_output: Any,
    x: Any,
    output_size: Any,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`adaptive_max_pool2d`; see :func:`max_pool1d_backward`."""
    values, winners = _ADAPTIVE[1](x, output_size, True)
    return _scatter(2, grad_output, x, values, winners if indices is None else indices)


def adaptive_max_pool3d_backward(
    grad_output: Any,
    x: Any,
    output_size: Any,
    *,
    indices: Any = None,
) -> Float64Array:
    """Gradient of :func:`adaptive_max_pool3d`; see :func:`max_pool1d_backward`."""
    values, winners = _ADAPTIVE[2](x, output_size, True)
    return _scatter(3, grad_output, x, values, winners if indices is None else indices)


def max_unpool1d_backward(
    grad_output: Any,
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Float64Array:
    """The element of the gradient at each value's index.

    Of several values with one index, all get its gradient, as in torch.

    Args:
        grad_output: Gradient with respect to the unpooled array.
        x: The values.
        indices: Their flat positions in the unpooled planes.
        kernel_size: As given to the unpooling, like the following.
        stride: Step of the pooling.
        padding: Padding of the pooling.
        output_size: Spatial sizes of the unpooled array, or None.

    Returns:
        float64 array of x's shape.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    shape = unpool_shape(1, np.shape(x), kernel_size, stride, padding, output_size)
    grad = output_gradient(grad_output, shape)
    lead = np.shape(x)[:-1]
    planes = grad.reshape(*lead, math.prod(shape[-1:]))
    positions = np.asarray(indices).reshape(*lead, math.prod(np.shape(x)[-1:]))
    return np.take_along_axis(planes, positions, -1).reshape(np.shape(x))


def max_unpool2d_backward(
    grad_output: Any,
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Float64Array:
    """Gradient of :func:`max_unpool2d`; see :func:`max_unpool1d_backward`."""
    shape = unpool_shape(2, np.shape(x), kernel_size, stride, padding, output_size)
    grad = output_gradient(grad_output, shape)
    lead = np.shape(x)[:-2]
    planes = grad.reshape(*lead, math.prod(shape[-2:]))
    positions = np.asarray(indices).reshape(*lead, math.prod(np.shape(x)[-2:]))
    return np.take_along_axis(planes, positions, -1).reshape(np.shape(x))


def max_unpool3d_backward(
    grad_output: Any,
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Float64Array:
    """Gradient of :func:`max_unpool3d`; see :func:`max_unpool1d_backward`."""
    shape = unpool_shape(3, np.shape(x), kernel_size, stride, padding, output_size)
    grad = output_gradient(grad_output, shape)
    lead = np.shape(x)[:-3]
    planes = grad.reshape(*lead, math.prod(shape[-3:]))
    positions = np.asarray(indices).reshape(*lead, math.prod(np.shape(x)[-3:]))
    return np.take_along_axis(planes, positions, -1).reshape(np.shape(x))


def _scatter(rank: int, grad_output: Any, x: Any, values: Any, winners: Any) -> Float64Array:
    grad = batched(output_gradient(grad_output, values.shape), rank)
    x = as_float64("x", x)
    lead, sizes = grad.shape[:2], x.shape[-rank:]
    planes = np.zeros((math.prod(lead), math.prod(sizes)))
    positions = np.asarray(winners).reshape(len(planes), math.prod(grad.shape[2:]))
    for plane, position, gradients in zip(
        planes, positions, grad.reshape(positions.shape), strict=True
    ):
        np.add.at(plane, position, gradients)
    return planes.reshape(x.shape)
