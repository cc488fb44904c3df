"""Transposed convolution: the adjoint of convolution with the same weight.

Where a convolution gathers, its transpose scatters: every input x[n, c, p] adds x * w[c, o, t] to
the output at p*s + t*d - lo. (V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep
learning", 2016, chapter 4.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._shape_rules import conv_transpose_shape
from fastconv._window import transposed_window
from fastconv.reference._arrays import Float64Array, as_float64, batched
from fastconv.reference.activation import activate
from fastconv.reference.conv import add_bias, mix_channels, split_groups


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    activation: str | None = None,
) -> Float64Array:
    """Transposed convolution of (N, C, L) or (C, L) with weights (in, out/groups, k).

    Args:
        x: Input.
        weight: Kernels, with the input's channels on the first axis.
        bias: One value per output channel, or None.
        stride: Distance between the outputs of neighbouring inputs, an int or one per axis.
        padding: Elements cut off from the output: an int, one per axis, or (lo, hi) pairs.
        output_padding: Elements added at the output's end, smaller than stride or dilation.
        groups: Number of groups into which channels are split.
        dilation: Distance between kernel elements, an int or one per axis.
        activation: Name of the function applied to each output, or None.

    Returns:
        float64 array of (n-1)*s - lo - hi + d*(k-1) + output_padding + 1 elements per axis.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _scatter(
        1, x, weight, bias, stride, padding, output_padding, groups, dilation, activation
    )


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    activation: str | None = None,
) -> Float64Array:
    """Transposed convolution of (N, C, H, W) or (C, H, W) with weights (in, out/groups, kh, kw).

    Arguments, result and errors as in :func:`conv_transpose1d`.
    """
    return _scatter(
        2, x, weight, bias, stride, padding, output_padding, groups, dilation, activation
    )


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    activation: str | None = None,
) -> Float64Array:
    """Transposed convolution of (N, C, D, H, W) or (C, D, H, W), weights (in, out/groups, ...).

    Arguments, result and errors as in :func:`conv_transpose1d`.
    """
    return _scatter(
        3, x, weight, bias, stride, padding, output_padding, groups, dilation, activation
    )


def _scatter(
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    activation: str | None,
) -> Float64Array:
    x, weight = as_float64("x", x), as_float64("weight", weight)
    shape = conv_transpose_shape(
        rank, x.shape, weight.shape, stride, padding, output_padding, groups, dilation
    )
    window = transposed_window(weight.shape[2:], stride, padding, dilation)
    in_sizes, out_sizes = x.shape[-rank:], shape[-rank:]
    out_channels = shape[-rank - 1]

    xs = split_groups(batched(x, rank), groups)
    y = np.zeros((xs.shape[0], groups, out_channels // groups, *out_sizes))
    if y.size:
        # (in, out/groups, *kernel) -> (groups, out/groups, in/groups, *kernel)
        weights = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
        # The adjoint convolution would read y and write x: inputs and outputs change places.
        for tap in window.taps(out_sizes, in_sizes):
            patch = xs[(..., *tap.outputs)]
            y[(..., *tap.inputs)] += mix_channels(weights[(..., *tap.kernel)], patch)
    y = y.reshape(xs.shape[0], out_channels, *out_sizes)
    return activate(add_bias(y, bias, out_channels).reshape(shape), activation)
