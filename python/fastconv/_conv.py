"""Convolutions and transposed convolutions, 1-D to 3-D."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

from fastconv import _core

Array = NDArray[Any]
PerAxis = int | tuple[int, ...]
PaddingLike = int | tuple[int, ...] | tuple[tuple[int, int], ...] | Literal["same", "valid"]
Algorithm = Literal["auto", "direct", "im2col", "winograd", "fft"]
Activation = Literal["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "hardswish"]
Precision = Literal["highest", "high", "medium"]

_conv = _core.conv


def conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    out: Array | None = None,
) -> Array:
    """Cross-correlate signals with filters, as :func:`conv2d` does for images.

    Args:
        x: (N, C_in, L), or (C_in, L) for one signal.
        weight: (C_out, C_in/groups, K).
        bias: (C_out,) or None.
        stride: Step between outputs.
        padding: Zeros around the input; see :func:`conv2d`.
        dilation: Step between kernel elements.
        groups: Parts into which channels are split.
        algorithm: See :func:`conv2d`.
        activation: See :func:`conv2d`.
        precision: See :func:`conv2d`.
        out: See :func:`conv2d`.

    Returns:
        (N, C_out, L_out) with L_out = floor((L + 2P - D(K-1) - 1)/S + 1).

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, UnsupportedError,
        OutOfMemoryError: As :func:`conv2d`.
    """
    return _conv(
        1, False, x, weight, bias, stride, padding, 0, dilation, groups,
        algorithm, activation, precision, out,
    )  # fmt: skip


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    out: Array | None = None,
) -> Array:
    """Cross-correlate images with filters: what deep learning calls convolution.

    y[n,k,i,j] = bias[k] + sum over c, r, s of x[n, c, S*i + D*r - P, S*j + D*s - P] * w[k,c,r,s],
    where elements outside x do not take part.

    Args:
        x: (N, C_in, H, W), or (C_in, H, W) for one image; float32, float64, float16 or
            bfloat16 (ml_dtypes.bfloat16), any memory layout. 16-bit values are computed with in
            float32, and results rounded once. An array whose channels vary fastest in memory
            (channels-last) is computed in that layout and gives a result in it.
        weight: (C_out, C_in/groups, K_h, K_w), of x's dtype.
        bias: (C_out,) or None.
        stride: Step between outputs, an int or one per axis.
        padding: Zeros around the input: an int, one per axis, a (before, after) pair per axis,
            "valid" (none), or "same" (keeps the size, stride 1 only; an odd element goes to the
            end).
        dilation: Step between kernel elements, an int or one per axis.
        groups: Parts into which channels are split; each part is a convolution of its own.
        algorithm: "auto", "direct", "im2col", "winograd" (float32; kernels of 2, 3 or 5 elements
            along an axis, at stride 2 of 3 to 6) or "fft" (few channels per group, kernels of many
            elements, stride 1).
            A forced algorithm that cannot do the problem is an error.
        activation: None, "relu", "relu6", "leaky_relu" (slope 0.01), "sigmoid", "tanh", "silu",
            "gelu" (erf form) or "hardswish", applied as results are stored.
        precision: "highest", "high" or "medium"; None takes the setting of
            :func:`set_precision`. The level bounds the error of float32 results
            (docs/numerics.md); other dtypes always get their full accuracy.
        out: Array for the result: right shape and dtype, writable, not overlapping an input.

    Returns:
        (N, C_out, H_out, W_out), H_out = floor((H + 2P - D(K-1) - 1)/S + 1); `out` if it was given.

    Raises:
        ShapeError: Sizes that do not fit together (a ValueError).
        OptionError: An option outside its range (a ValueError).
        UnsupportedError: A forced algorithm that cannot do the problem (a ValueError).
        DTypeError: Another dtype, or dtypes that differ (a TypeError).
        ArgumentTypeError: A list, a scalar, None or a masked array instead of an array.
        OutOfMemoryError: No memory for the result or the workspace (a MemoryError).
    """
    return _conv(
        2, False, x, weight, bias, stride, padding, 0, dilation, groups,
        algorithm, activation, precision, out,
    )  # fmt: skip


def conv3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    out: Array | None = None,
) -> Array:
    """Cross-correlate volumes with filters, as :func:`conv2d` does for images.

    Args:
        x: (N, C_in, D, H, W), or (C_in, D, H, W) for one volume.
        weight: (C_out, C_in/groups, K_d, K_h, K_w).
        bias: (C_out,) or None.
        stride: Step between outputs.
        padding: Zeros around the input; see :func:`conv2d`.
        dilation: Step between kernel elements.
        groups: Parts into which channels are split.
        algorithm: See :func:`conv2d`.
        activation: See :func:`conv2d`.
        precision: See :func:`conv2d`.
        out: See :func:`conv2d`.

    Returns:
        (N, C_out, D_out, H_out, W_out).

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, UnsupportedError,
        OutOfMemoryError: As :func:`conv2d`.
    """
    return _conv(
        3, False, x, weight, bias, stride, padding, 0, dilation, groups,
        algorithm, activation, precision, out,
    )  # fmt: skip


def conv_transpose1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
    *,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    out: Array | None = None,
) -> Array:
    """Transposed convolution of signals; see :func:`conv_transpose2d`.

    Args:
        x: (N, C_in, L), or (C_in, L).
        weight: (C_in, C_out/groups, K).
        bias: (C_out,) or None.
        stride: Distance that neighbouring inputs keep in the output.
        padding: Elements cut off the output's ends.
        output_padding: Elements added to the output's end.
        groups: Parts into which channels are split.
        dilation: Step between kernel elements.
        algorithm: See :func:`conv2d`.
        activation: See :func:`conv2d`.
        precision: See :func:`conv2d`.
        out: See :func:`conv2d`.

    Returns:
        (N, C_out, L_out) with L_out = (L-1)S - 2P + D(K-1) + output_padding + 1.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, UnsupportedError,
        OutOfMemoryError: As :func:`conv2d`.
    """
    return _conv(
        1, True, x, weight, bias, stride, padding, output_padding, dilation, groups,
        algorithm, activation, precision, out,
    )  # fmt: skip


def conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
    *,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    out: Array | None = None,
) -> Array:
    """Transposed convolution: each input spreads a weighted kernel over the output.

    It is the adjoint (the gradient with respect to the input) of the convolution with the same
    weight, stride, padding and dilation, and has that convolution's input size as output size.

    Args:
        x: (N, C_in, H, W), or (C_in, H, W).
        weight: (C_in, C_out/groups, K_h, K_w).
        bias: (C_out,) or None.
        stride: Distance that neighbouring inputs keep in the output.
        padding: Elements cut off the output's edges: an int, one per axis, or (before, after)
            pairs.
        output_padding: Elements added at the end of each axis, smaller than stride or dilation.
        groups: Parts into which channels are split.
        dilation: Step between kernel elements.
        algorithm: See :func:`conv2d`.
        activation: See :func:`conv2d`.
        precision: See :func:`conv2d`.
        out: See :func:`conv2d`.

    Returns:
        (N, C_out, H_out, W_out) with H_out = (H-1)S - 2P + D(K-1) + output_padding + 1.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, UnsupportedError,
        OutOfMemoryError: As :func:`conv2d`.
    """
    return _conv(
        2, True, x, weight, bias, stride, padding, output_padding, dilation, groups,
        algorithm, activation, precision, out,
    )  # fmt: skip


def conv_transpose3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
    *,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    out: Array | None = None,
) -> Array:
    """Transposed convolution of volumes; see :func:`conv_transpose2d`.

    Args:
        x: (N, C_in, D, H, W), or (C_in, D, H, W).
        weight: (C_in, C_out/groups, K_d, K_h, K_w).
        bias: (C_out,) or None.
        stride: Distance that neighbouring inputs keep in the output.
        padding: Elements cut off the output's edges.
        output_padding: Elements added at the end of each axis.
        groups: Parts into which channels are split.
        dilation: Step between kernel elements.
        algorithm: See :func:`conv2d`.
        activation: See :func:`conv2d`.
        precision: See :func:`conv2d`.
        out: See :func:`conv2d`.

    Returns:
        (N, C_out, D_out, H_out, W_out).

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, UnsupportedError,
        OutOfMemoryError: As :func:`conv2d`.
    """
    return _conv(
        3, True, x, weight, bias, stride, padding, output_padding, dilation, groups,
        algorithm, activation, precision, out,
    )  # fmt: skip
