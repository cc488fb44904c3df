"""Gradients of operators by the number of spatial axes: what the layers call in ``backward``.

Those of pooling and activations are plain NumPy until there are kernels for them.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from fastconv import functional
from fastconv._window import pool_window
from fastconv.nn._module import Array
from fastconv.reference.activation import activate

_CONV = {
    1: functional.conv1d_backward,
    2: functional.conv2d_backward,
    3: functional.conv3d_backward,
}
_CONV_TRANSPOSE = {
    1: functional.conv_transpose1d_backward,
    2: functional.conv_transpose2d_backward,
    3: functional.conv_transpose3d_backward,
}
Gradients = tuple[Array, Array, Array | None]


def conv_backward(
    rank: int, grad: Array, x: Array, weight: Array, stride: Any, padding: Any, dilation: Any,
    groups: int, *, bias: bool,
) -> Gradients:  # fmt: skip
    """Gradients of a convolution with respect to input, weight and bias."""
    made = _CONV[rank](grad, x, weight, stride, padding, dilation, groups, bias=bias)
    return cast(Gradients, made)  # input and weight are asked for


def conv_transpose_backward(
    rank: int, grad: Array, x: Array, weight: Array, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any, *, bias: bool,
) -> Gradients:  # fmt: skip
    """Gradients of a transposed convolution with respect to input, weight and bias."""
    made = _CONV_TRANSPOSE[rank](
        grad, x, weight, stride, padding, output_padding, groups, dilation, bias=bias
    )
    return cast(Gradients, made)


def max_pool_backward(
    rank: int, grad: Array, x: Array, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, *, indices: Array,
) -> Array:  # fmt: skip
    """Gradient of max pooling, from the positions of the maxima."""
    return _scatter(rank, grad, x, indices)


def _scatter(rank: int, grad: Array, x: Array, indices: Array) -> Array:
    planes = math.prod(x.shape[:-rank])
    if not planes:
        return np.zeros_like(x)
    out = np.zeros((planes, math.prod(x.shape[-rank:])), x.dtype)
    where = (np.arange(planes)[:, None], indices.reshape(planes, -1))
    np.add.at(out, where, grad.reshape(planes, -1))
    return out.reshape(x.shape)


def avg_pool_backward(
    rank: int, grad: Array, x: Array, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Array:  # fmt: skip
    """Gradient of average pooling."""
    pool = getattr(functional, f"avg_pool{rank}d")
    ones = np.ones((1, *x.shape[-rank:]), x.dtype)
    sums = pool(ones, kernel, stride, padding, ceil_mode, divisor_override=1)
    means = pool(ones, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)
    shares = grad * (means / sums)
    out = np.zeros_like(x)
    for tap in pool_window(rank, kernel, stride, padding).taps(x.shape[-rank:], grad.shape[-rank:]):
        out[(..., *tap.inputs)] += shares[(..., *tap.outputs)]
    return out


def adaptive_avg_pool_backward(rank: int, grad: Array, x: Array, output_size: Any) -> Array:
    """Gradient of adaptive average pooling."""
    out = np.zeros_like(x)
    for place in np.ndindex(*grad.shape[-rank:]):
        sizes = zip(place, x.shape[-rank:], grad.shape[-rank:], strict=True)
        window = tuple(slice(o * n // m, -(-(o + 1) * n // m)) for o, n, m in sizes)
        count = math.prod(s.stop - s.start for s in window)
        one: tuple[Any, ...] = (..., *place)
        into: tuple[Any, ...] = (..., *window)
        out[into] += (grad[one] / count)[(..., *(None,) * rank)]
    return out


def adaptive_max_pool_backward(rank: int, grad: Array, x: Array, output_size: Any) -> Array:
    """Gradient of adaptive max pooling."""
    pool = getattr(functional, f"adaptive_max_pool{rank}d")
    return _scatter(rank, grad, x, pool(x, output_size, True)[1])


def activation(x: Array, kind: str) -> Array:
    """Apply an activation."""
    return activate(x, kind).astype(x.dtype)


def activation_backward(grad: Array, x: Array, kind: str) -> Array:
    """Gradient of an activation."""
    wide = x.astype(np.float64)
    made: Array = (grad * _slope(wide, kind)).astype(x.dtype)
    return made


def _slope(x: Any, kind: str) -> Any:
    if kind in ("relu", "leaky_relu"):
        return np.where(x > 0, 1.0, 0.0 if kind == "relu" else 0.01)
    if kind == "relu6":
        return (x > 0) & (x < 6)
    if kind == "hardswish":
        return np.where(x <= -3, 0.0, np.where(x < 3, x / 3 + 0.5, 1.0))
    if kind == "tanh":
        return 1 - np.tanh(x) ** 2
    if kind == "gelu":
        density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        return np.where(x == 0, 0.5, activate(x, "gelu") / np.where(x == 0, 1, x)) + x * density
    sigmoid = activate(x, "sigmoid")
    return sigmoid * (1 - sigmoid) if kind == "sigmoid" else sigmoid * (1 + x * (1 - sigmoid))
