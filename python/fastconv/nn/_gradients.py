"""What the layers need beyond forward operators, in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastconv
from fastconv import functional
from fastconv._window import pool_window
from fastconv.nn._module import Array
from fastconv.reference.activation import ACTIVATIONS

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
    groups: int, bias: bool,
) -> Gradients:  # fmt: skip
    """Gradients of a convolution with respect to input, weight and bias."""
    return _CONV[rank](grad, x, weight, stride, padding, dilation, groups, bias=bias)


def conv_transpose_backward(
    rank: int, grad: Array, x: Array, weight: Array, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any, bias: bool,
) -> Gradients:  # fmt: skip
    """Gradients of a transposed convolution with respect to input, weight and bias."""
    return _CONV_TRANSPOSE[rank](
        grad, x, weight, stride, padding, output_padding, groups, dilation, bias=bias
    )


def max_pool_backward(rank, grad, x, kernel, stride, padding, dilation, ceil_mode, indices) -> Any:
    return _scatter(rank, grad, x, indices)


def _scatter(rank, grad, x, indices) -> Array:
    lead = x.shape[:-rank]
    count = int(np.prod(lead))
    if not count:
        return np.zeros_like(x)
    out = np.zeros((count, int(np.prod(x.shape[-rank:]))), x.dtype)
    np.add.at(out, (np.arange(count)[:, None], indices.reshape(count, -1)), grad.reshape(count, -1))
    return out.reshape(x.shape)


def avg_pool_backward(
    rank, grad, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
) -> Any:
    window = pool_window(rank, kernel, stride, padding)
    ones = np.ones((1, *x.shape[-rank:]), x.dtype)
    options = (kernel, stride, padding, ceil_mode)
    pool = getattr(fastconv, f"avg_pool{rank}d")
    total = pool(ones, *options, divisor_override=1)
    mean = pool(ones, *options, count_include_pad, divisor_override)
    grad = grad * (mean / total)
    out = np.zeros_like(x)
    for tap in window.taps(x.shape[-rank:], grad.shape[-rank:]):
        out[(..., *tap.inputs)] += grad[(..., *tap.outputs)]
    return out


def adaptive_avg_pool_backward(rank, grad, x, output_size) -> Any:
    out = np.zeros_like(x)
    sizes = x.shape[-rank:]
    for o in np.ndindex(*grad.shape[-rank:]):
        where = tuple(
            slice(i * n // m, -(-(i + 1) * n // m))
            for i, n, m in zip(o, sizes, grad.shape[-rank:], strict=True)
        )
        area = np.prod([s.stop - s.start for s in where])
        out[(..., *where)] += (grad[(..., *o)] / area)[(..., *(None,) * rank)]
    return out


def adaptive_max_pool_backward(rank, grad, x, output_size) -> Any:
    pool = getattr(fastconv, f"adaptive_max_pool{rank}d")
    return _scatter(rank, grad, x, pool(x, output_size, True)[1])


def activation(x: Array, kind: str) -> Array:
    return ACTIVATIONS[kind](x).astype(x.dtype)


def activation_backward(grad: Array, x: Array, kind: str) -> Array:
    h = 1e-6
    f = ACTIVATIONS[kind]
    x64 = x.astype(np.float64)
    if kind == "relu":
        return grad * (x > 0)
    return (grad * (f(x64 + h) - f(x64 - h)) / (2 * h)).astype(x.dtype)


_ = functional
