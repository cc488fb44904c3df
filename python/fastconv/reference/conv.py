"""Convolution as deep learning uses the word: cross-correlation, without flipping the kernel.

    y[n, o, p] = bias[o] + sum over channels c and taps t of  x[n, c, p*s + t*d - lo] w[o, c, t]

The sum leaves out taps in the padding, so that infinite weights give no NaN there. The loop runs
over the taps; for each one, all outputs that it reaches are one matrix product over channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._shape_rules import conv_shape
from fastconv._window import conv_window
from fastconv.errors import ShapeError
from fastconv.reference._arrays import Float64Array, as_float64, batched
from fastconv.reference.activation import activate


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Float64Array:
    """Convolution of (N, C, L) or (C, L) with weights (out, in/groups, k).

    Args:
        x: Input.
        weight: Kernels.
        bias: One value per output channel, or None.
        stride: Step of the window, an int or one per axis.
        padding: An int, one int per axis, one (lo, hi) pair per axis, ``"valid"`` (none) or
            ``"same"`` (keeps the size; stride 1 only).
        dilation: Distance between kernel elements, an int or one per axis.
        groups: Number of groups into which channels are split.
        activation: Name of the function applied to each output, or None.

    Returns:
        float64 array (N, out, L') or (out, L'). An input without channels gives an output without
        channels, as in torch.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _convolve(1, x, weight, bias, stride, padding, dilation, groups, activation)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Float64Array:
    """Convolution of (N, C, H, W) or (C, H, W) with weights (out, in/groups, kh, kw).

    Arguments, result and errors as in :func:`conv1d`.

    Example:
        >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
        >>> conv2d(image, np.arange(4.0).reshape(1, 1, 2, 2))
        array([[[[19., 25.],
                 [37., 43.]]]])
    """
    return _convolve(2, x, weight, bias, stride, padding, dilation, groups, activation)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Float64Array:
    """Convolution of (N, C, D, H, W) or (C, D, H, W) with weights (out, in/groups, kd, kh, kw).

    Arguments, result and errors as in :func:`conv1d`.
    """
    return _convolve(3, x, weight, bias, stride, padding, dilation, groups, activation)


def _convolve(
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    activation: str | None,
) -> Float64Array:
    x, weight = as_float64("x", x), as_float64("weight", weight)
    shape = conv_shape(rank, x.shape, weight.shape, stride, padding, dilation, groups)
    window = conv_window(weight.shape[2:], stride, padding, dilation)
    in_sizes, out_sizes = x.shape[-rank:], shape[-rank:]
    out_channels = shape[-rank - 1]

    xs = split_groups(batched(x, rank), groups)
    y = np.zeros((xs.shape[0], groups, out_channels // groups, *out_sizes))
    if y.size:
        weights = weight.reshape(groups, -1, *weight.shape[1:])
        for tap in window.taps(in_sizes, out_sizes):
            patch = xs[(..., *tap.inputs)]
            y[(..., *tap.outputs)] += mix_channels(weights[(..., *tap.kernel)], patch)
    y = y.reshape(xs.shape[0], out_channels, *out_sizes)
    return activate(add_bias(y, bias, weight.shape[0]).reshape(shape), activation)


def split_groups(x: Float64Array, groups: int) -> Float64Array:
    """(N, C, *spatial) as (N, groups, C/groups, *spatial)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def mix_channels(weight: Float64Array, patch: Float64Array) -> Float64Array:
    """Per group and position: (G, out, in) @ (N, G, in, *spatial) -> (N, G, out, *spatial)."""
    batch, groups, channels, *sizes = patch.shape
    columns = patch.reshape(batch, groups, channels, -1)
    mixed: Float64Array = np.matmul(weight, columns)
    return mixed.reshape(batch, groups, weight.shape[1], *sizes)


def add_bias(y: Float64Array, bias: Any, channels: int) -> Float64Array:
    """``y`` (N, channels, *spatial) plus one value per channel."""
    if bias is None:
        return y
    values = as_float64("bias", bias)
    if values.shape != (channels,):
        raise ShapeError(
            f"bias must be ({channels},), one value per output channel, got {values.shape}; "
            "reshape it, or pass None"
        )
    if not y.size:
        return y
    return y + values.reshape(channels, *[1] * (y.ndim - 2))
