"""Convolution as a matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv import _arguments
from fastconv._shape_rules import conv_shape
from fastconv._window import conv_window
from fastconv.errors import ArgumentTypeError, DTypeError, OutOfMemoryError, ShapeError


def conv_matrix(
    weight: NDArray[Any],
    input_shape: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> NDArray[Any]:
    """Build the matrix M of a convolution: ``conv(x, weight).ravel() == M @ x.ravel()``.

    M is a doubly blocked Toeplitz matrix: each row holds the weights of one output channel at the
    inputs that one output sees, and zeros elsewhere; the next row holds the same weights, shifted
    (I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", 2016, section 9.1). Its transpose is
    the matrix of the transposed convolution with the same weight.

    Args:
        weight: Floating-point array (out, in/groups, *kernel) with 1 to 3 kernel axes.
        input_shape: Shape of one input, (in, *spatial), without a batch axis.
        stride: Step of the window, an int or one per axis.
        padding: An int, a tuple, (lo, hi) pairs, ``"same"`` or ``"valid"``.
        dilation: Distance between kernel elements, an int or one per axis.
        groups: Number of channel groups.

    Returns:
        Dense array (out * output positions, in * input positions) of weight's dtype.

    Raises:
        ShapeError: The shapes do not fit together.
        OptionError: An option lies outside its range.
        ArgumentTypeError, DTypeError: ``weight`` is not a floating-point NumPy array.
        OutOfMemoryError: The matrix does not fit into memory.

    Example:
        >>> weight = np.array([[[1.0, 2.0]]])
        >>> conv_matrix(weight, (1, 3))
        array([[1., 2., 0.],
               [0., 1., 2.]])
    """
    rank = _kernel_rank(weight)
    shape = _arguments.shape("input_shape", input_shape)
    if len(shape) != rank + 1:
        raise ShapeError(
            f"input_shape must be (channels, *spatial) with {rank + 1} entries for a weight of "
            f"shape {weight.shape}, got {shape}; leave out the batch axis"
        )
    out_channels, *out_sizes = conv_shape(
        rank, shape, weight.shape, stride, padding, dilation, groups
    )
    channels, *in_sizes = shape
    window = conv_window(weight.shape[2:], stride, padding, dilation)
    matrix = _zeros(
        (out_channels, math.prod(out_sizes), channels, math.prod(in_sizes)), weight.dtype
    )
    if not matrix.size:
        return matrix.reshape(out_channels * math.prod(out_sizes), channels * math.prod(in_sizes))
    out_positions = np.arange(math.prod(out_sizes)).reshape(out_sizes)
    in_positions = np.arange(math.prod(in_sizes)).reshape(in_sizes)
    group_out, group_in = out_channels // groups, channels // groups
    for tap in window.taps(tuple(in_sizes), tuple(out_sizes)):
        rows = out_positions[tap.outputs].ravel()
        columns = in_positions[tap.inputs].ravel()
        for group in range(groups):
            outs = slice(group * group_out, (group + 1) * group_out)
            ins = slice(group * group_in, (group + 1) * group_in)
            matrix[outs, rows, ins, columns] = weight[(outs, slice(None), *tap.kernel)]
    return matrix.reshape(out_positions.size * out_channels, in_positions.size * channels)


def _kernel_rank(weight: Any) -> int:
    if not isinstance(weight, np.ndarray):
        raise ArgumentTypeError(
            f"weight must be a NumPy array, got {type(weight).__name__}; convert it with "
            "numpy.asarray"
        )
    if not np.issubdtype(weight.dtype, np.floating):
        raise DTypeError(
            f"weight must be floating-point, got {weight.dtype}; convert it with "
            "weight.astype(numpy.float32)"
        )
    if weight.ndim not in (3, 4, 5):
        raise ShapeError(
            f"weight must be (out, in/groups, *kernel) with 1 to 3 kernel axes, got shape "
            f"{weight.shape}; add axes of size 1"
        )
    return weight.ndim - 2


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.zeros(shape, dtype)
    except (MemoryError, ValueError):
        raise OutOfMemoryError(
            f"the matrix would have {math.prod(shape)} elements of {dtype}, more than memory "
            "holds; use a smaller input_shape, or apply the convolution itself"
        ) from None
