"""Unfold (im2col) and its adjoint, fold (col2im), for two-dimensional windows.

Column l of an unfolded input holds the window at position l: channel by channel, and within a
channel tap by tap. A convolution is then one matrix product, weight.reshape(out, -1) @ columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import _arguments
from fastconv._shape_rules import fold_shape, unfold_shape
from fastconv._window import unfold_window
from fastconv.reference._arrays import Float64Array, as_float64, batched


def unfold(
    x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Float64Array:
    """Every window of (N, C, H, W) or (C, H, W) as a column.

    Args:
        x: Input.
        kernel_size: Window, an int or (kh, kw).
        dilation: Distance between the elements of a window.
        padding: Zeros around the input, in any form that :func:`conv2d` takes.
        stride: Step of the window.

    Returns:
        float64 array (N, C*kh*kw, L) or (C*kh*kw, L) with L window positions in row-major order.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    x = as_float64("x", x)
    shape = unfold_shape(x.shape, kernel_size, dilation, padding, stride)
    window = unfold_window(kernel_size, dilation, padding, stride)
    xs = batched(x, 2)
    out_sizes = window.output_sizes(xs.shape[2:])
    columns = np.zeros((*xs.shape[:2], *window.kernel, *out_sizes))
    for tap in window.taps(xs.shape[2:], out_sizes):
        columns[(slice(None), slice(None), *tap.kernel, *tap.outputs)] = xs[(..., *tap.inputs)]
    return columns.reshape(shape)


def fold(
    x: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Float64Array:
    """Sum of columns into an image: the adjoint of :func:`unfold`.

    Args:
        x: Columns (N, C*kh*kw, L) or (C*kh*kw, L).
        output_size: (H, W) of the image, or an int for both.
        kernel_size: Window, an int or (kh, kw).
        dilation: Distance between the elements of a window.
        padding: Padding of the image that was unfolded; what falls there is dropped.
        stride: Step of the window.

    Returns:
        float64 array (N, C, H, W) or (C, H, W). Elements in several windows are sums, elements in
        none are 0.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    x = as_float64("x", x)
    shape = fold_shape(x.shape, output_size, kernel_size, dilation, padding, stride)
    sizes = _arguments.per_axis("output_size", output_size, 2, minimum=1)
    window = unfold_window(kernel_size, dilation, padding, stride)
    out_sizes = window.output_sizes(sizes)
    lead = (1 if x.ndim == 2 else x.shape[0], shape[-3])
    columns = x.reshape(*lead, *window.kernel, *out_sizes)
    image = np.zeros((*lead, *sizes))
    for tap in window.taps(sizes, out_sizes):
        image[(..., *tap.inputs)] += columns[(slice(None), slice(None), *tap.kernel, *tap.outputs)]
    return image.reshape(shape)
