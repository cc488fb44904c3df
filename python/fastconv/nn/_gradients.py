"""Gradients of operators by the number of spatial axes: what the layers call in ``backward``."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from fastconv import _core, functional
from fastconv.nn._module import Array

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
_MAX_POOL = {
    1: functional.max_pool1d_backward,
    2: functional.max_pool2d_backward,
    3: functional.max_pool3d_backward,
}
_AVG_POOL = {
    1: functional.avg_pool1d_backward,
    2: functional.avg_pool2d_backward,
    3: functional.avg_pool3d_backward,
}
_ADAPTIVE_AVG_POOL = {
    1: functional.adaptive_avg_pool1d_backward,
    2: functional.adaptive_avg_pool2d_backward,
    3: functional.adaptive_avg_pool3d_backward,
}
_ADAPTIVE_MAX_POOL = {
    1: functional.adaptive_max_pool1d_backward,
    2: functional.adaptive_max_pool2d_backward,
    3: functional.adaptive_max_pool3d_backward,
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
    return _MAX_POOL[rank](grad, x, kernel, stride, padding, dilation, ceil_mode, indices=indices)


def avg_pool_backward(
    rank: int, grad: Array, x: Array, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Array:  # fmt: skip
    """Gradient of average pooling."""
    return _AVG_POOL[rank](
        grad, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool_backward(rank: int, grad: Array, x: Array, output_size: Any) -> Array:
    """Gradient of adaptive average pooling."""
    return _ADAPTIVE_AVG_POOL[rank](grad, x, output_size)


def adaptive_max_pool_backward(rank: int, grad: Array, x: Array, output_size: Any) -> Array:
    """Gradient of adaptive max pooling."""
    return _ADAPTIVE_MAX_POOL[rank](grad, x, output_size)


def total(a: Array, b: Array) -> Array:
    """Sum of two arrays of one shape and dtype, by all threads."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return np.asarray(a + b)  # a user's own layers may do that
    return _core.activation(a, None, b, None)


def activation(x: Array, kind: Any) -> Array:
    """Apply an activation."""
    return functional.activation(x, kind)


def activation_backward(grad: Array, x: Array, kind: Any) -> Array:
    """Gradient of an activation."""
    return functional.activation_backward(grad, x, kind)
