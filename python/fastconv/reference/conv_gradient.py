"""Gradients of convolutions and transposed convolutions, tap by tap.

With g the gradient of a loss with respect to the result, and the notation of :mod:`.conv`:

    grad_x[n, c, p*s + t*d - lo] += sum over o of  g[n, o, p] w[o, c, t]      (for every p and t)
    grad_weight[o, c, t] = sum over n and p of  g[n, o, p] x[n, c, p*s + t*d - lo]
    grad_bias[o] = sum over n and p of  g[n, o, p]

Of a transposed convolution, x and g change places. Taps in the padding are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from fastconv._arguments import Ints
from fastconv._shape_rules import conv_shape, conv_transpose_shape
from fastconv._window import Tap, Window, conv_window, transposed_window
from fastconv.reference._arrays import Float64Array, as_float64, batched, output_gradient
from fastconv.reference.conv import mix_channels, split_groups

Gradients = tuple[Float64Array | None, Float64Array | None, Float64Array | None]
ALL = ("x", "weight", "bias")


def conv1d_backward(
    grad_output: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    bias: bool = True,
    wanted: Collection[str] = ALL,
) -> Gradients:
    """Gradients of :func:`conv1d` with respect to x, weight and bias.

    Args:
        grad_output: Gradient of the loss with respect to the result, of the result's shape.
        x: The convolution's input.
        weight: The convolution's weight.
        stride: As given to the convolution, like the following.
        padding: In every form that :func:`conv1d` takes.
        dilation: Distance between kernel elements.
        groups: Number of groups into which channels are split.
        bias: Whether the gradient of a bias is wanted.
        wanted: Names of the gradients to compute, out of "x", "weight" and "bias".

    Returns:
        (grad_x, grad_weight, grad_bias), float64 arrays of the shapes of x, weight and (out,); None
        in the place of what is not wanted.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    shape = conv_shape(1, np.shape(x), np.shape(weight), stride, padding, dilation, groups)
    window = conv_window(np.shape(weight)[2:], stride, padding, dilation)
    return _backward(1, grad_output, x, weight, shape, window, groups, False, bias, wanted)


def conv2d_backward(
    grad_output: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    bias: bool = True,
    wanted: Collection[str] = ALL,
) -> Gradients:
    """Gradients of :func:`conv2d`; see :func:`conv1d_backward`."""
    shape = conv_shape(2, np.shape(x), np.shape(weight), stride, padding, dilation, groups)
    window = conv_window(np.shape(weight)[2:], stride, padding, dilation)
    return _backward(2, grad_output, x, weight, shape, window, groups, False, bias, wanted)


def conv3d_backward(
    grad_output: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    bias: bool = True,
    wanted: Collection[str] = ALL,
) -> Gradients:
    """Gradients of :func:`conv3d`; see :func:`conv1d_backward`."""
    shape = conv_shape(3, np.shape(x), np.shape(weight), stride, padding, dilation, groups)
    window = conv_window(np.shape(weight)[2:], stride, padding, dilation)
    return _backward(3, grad_output, x, weight, shape, window, groups, False, bias, wanted)


def conv_transpose1d_backward(
    grad_output: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    bias: bool = True,
    wanted: Collection[str] = ALL,
) -> Gradients:
    """Gradients of :func:`conv_transpose1d`; see :func:`conv1d_backward`.

    Args:
        grad_output: Gradient of the loss with respect to the result, of the result's shape.
        x: The transposed convolution's input.
        weight: The transposed convolution's weight (in, out/groups, k).
        stride: As given to the transposed convolution, like the following.
        padding: Elements cut off the output's ends.
        output_padding: Elements added at the output's end.
        groups: Number of groups into which channels are split.
        dilation: Distance between kernel elements.
        bias: Whether the gradient of a bias is wanted.
        wanted: Names of the gradients to compute, out of "x", "weight" and "bias".

    Returns:
        (grad_x, grad_weight, grad_bias) as in :func:`conv1d_backward`.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    shape = conv_transpose_shape(
        1,
        np.shape(x),
        np.shape(weight),
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )
    window = transposed_window(np.shape(weight)[2:], stride, padding, dilation)
    return _backward(1, grad_output, x, weight, shape, window, groups, True, bias, wanted)


def conv_transpose2d_backward(
    grad_output: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    bias: bool = True,
    wanted: Collection[str] = ALL,
) -> Gradients:
    """Gradients of :func:`conv_transpose2d`; see :func:`conv_transpose1d_backward`."""
    shape = conv_transpose_shape(
        2,
        np.shape(x),
        np.shape(weight),
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )
    window = transposed_window(np.shape(weight)[2:], stride, padding, dilation)
    return _backward(2, grad_output, x, weight, shape, window, groups, True, bias, wanted)


def conv_transpose3d_backward(
    grad_output: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    bias: bool = True,
    wanted: Collection[str] = ALL,
) -> Gradients:
    """Gradients of :func:`conv_transpose3d`; see :func:`conv_transpose1d_backward`."""
    shape = conv_transpose_shape(
        3,
        np.shape(x),
        np.shape(weight),
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )
    window = transposed_window(np.shape(weight)[2:], stride, padding, dilation)
    return _backward(3, grad_output, x, weight, shape, window, groups, True, bias, wanted)


def _backward(
    rank: int,
    grad_output: Any,
    x: Any,
    weight: Any,
    shape: Ints,
    window: Window,
    groups: int,
    transposed: bool,
    bias: bool,
    wanted: Collection[str],
) -> Gradients:
    grad = output_gradient(grad_output, shape)
    x, weight = as_float64("x", x), as_float64("weight", weight)
    grads, xs = batched(grad, rank), batched(x, rank)
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    sums = grads.sum(axis=(0, *range(2, rank + 2))) if grad.size else np.zeros(channels)
    grad_bias = sums if bias and "bias" in wanted else None
    if grad.size == 0 or x.size == 0:
        zeros = [
            np.zeros(a.shape) if n in wanted else None for n, a in (("x", x), ("weight", weight))
        ]
        return zeros[0], zeros[1], grad_bias
    # A transposed convolution is the adjoint: it reads what a convolution writes.
    outer, inner = (xs, grads) if transposed else (grads, xs)
    parts = _Parts(window, split_groups(outer, groups), split_groups(inner, groups), weight)
    grad_x = None
    if "x" in wanted:
        grad_x = (parts.gathered() if transposed else parts.spread()).reshape(x.shape)
    grad_weight = parts.products().reshape(weight.shape) if "weight" in wanted else None
    return grad_x, grad_weight, grad_bias


class _Parts:
    """A convolution from ``inner`` to ``outer``, both (N, G, C/G, *spatial), seen tap by tap."""

    def __init__(
        self, window: Window, outer: Float64Array, inner: Float64Array, weight: Float64Array
    ) -> None:
        self.window, self.outer, self.inner = window, outer, inner
        self.weights = weight.reshape(
            outer.shape[1], -1, *weight.shape[1:]
        )  # (G, out, in, *kernel)

    def taps(self) -> Iterator[Tap]:
        """Every tap that meets the inner array."""
        return self.window.taps(self.inner.shape[3:], self.outer.shape[3:])

    def gathered(self) -> Float64Array:
        """The convolution of ``inner``."""
        result = np.zeros(self.outer.shape)
        for tap in self.taps():
            patch = self.inner[(..., *tap.inputs)]
            result[(..., *tap.outputs)] += mix_channels(self.weights[(..., *tap.kernel)], patch)
        return result

    def spread(self) -> Float64Array:
        """Its adjoint, of ``outer``."""
        result = np.zeros(self.inner.shape)
        for tap in self.taps():
            weights = self.weights[(..., *tap.kernel)].swapaxes(1, 2)
            result[(..., *tap.inputs)] += mix_channels(weights, self.outer[(..., *tap.outputs)])
        return result

    def products(self) -> Float64Array:
        """Sum over images and positions of outer * inner, for every pair of channels and tap."""
        result = np.zeros(self.weights.shape)
        for tap in self.taps():
            outer, inner = self.outer[(..., *tap.outputs)], self.inner[(..., *tap.inputs)]
            outer, inner = (a.reshape(*a.shape[:3], -1) for a in (outer, inner))
            result[(..., *tap.kernel)] = np.matmul(outer, inner.swapaxes(-1, -2)).sum(axis=0)
        return result
