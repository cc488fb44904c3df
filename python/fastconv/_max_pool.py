"""Max and min pooling."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from fastconv import _core
from fastconv._conv import Array, PaddingLike, PerAxis

IndexArray = NDArray[np.int64]
Pooled = Array | tuple[Array, IndexArray]

_pool = _core.pool
_MAX = _core.POOL_MAX
_MIN = _core.POOL_MIN


@overload
def max_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def max_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def max_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def max_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Largest element of each window of (N, C, L) or (C, L).

    Arguments, results and errors as in :func:`max_pool2d`, with one spatial axis.
    """
    return _pool(
        1, _MAX, x, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices, True, None, 1.0, out,
    )  # fmt: skip


@overload
def max_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def max_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def max_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def max_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Largest element of each window of (N, C, H, W) or (C, H, W).

    y[o] = max over taps t of x[o*stride + t*dilation - lo], per spatial axis; padding never wins.
    NaN wins over every number. Equal maxima count as the first one in row-major order, several
    NaN as the last one, both as in torch.

    Args:
        x: float32, float64, float16 or bfloat16 input, any strides. One whose channels lie side
            by side in memory (channels-last) is pooled as it is and gives a channels-last result.
        kernel_size: Elements of the window, an int or one per spatial axis.
        stride: Step of the window; None or () means kernel_size.
        padding: Elements around the input: an int, one per axis, ((lo, hi), ...), "valid" (none)
            or "same" (keeps the size at stride 1); at most half of the dilated kernel.
        dilation: Distance between the elements of a window.
        ceil_mode: Round the output size up; a window that would start behind the input and its
            lower padding is dropped.
        return_indices: Also return the flat positions of the maxima in their spatial planes.
        out: Array for the result: its shape and dtype, writable, apart from x.

    Returns:
        Array (N, C, H', W') or (C, H', W') of x's dtype with
        floor((n + lo + hi - dilation*(kernel_size - 1) - 1) / stride) + 1 elements per axis, or
        (values, int64 indices). A window without elements gives -inf and index -1.

    Raises:
        ShapeError: x has the wrong number of axes or no elements besides an empty batch, the window
            does not fit, or out has another shape.
        OptionError: An option outside its range, such as too much padding.
        DTypeError: x has another dtype, or out has not that of x.
        ArgumentTypeError: x is not a NumPy array, or an option has the wrong type.
    """
    return _pool(
        2, _MAX, x, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices, True, None, 1.0, out,
    )  # fmt: skip


@overload
def max_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def max_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def max_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def max_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Largest element of each window of (N, C, D, H, W) or (C, D, H, W).

    Arguments, results and errors as in :func:`max_pool2d`, with three spatial axes.
    """
    return _pool(
        3, _MAX, x, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices, True, None, 1.0, out,
    )  # fmt: skip


@overload
def min_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def min_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def min_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def min_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Smallest element of each window of (N, C, L) or (C, L).

    NaN wins here too; equal minima count as the first one.

    Arguments, results and errors as in :func:`max_pool2d`, with one spatial axis.
    """
    return _pool(
        1, _MIN, x, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices, True, None, 1.0, out,
    )  # fmt: skip


@overload
def min_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def min_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def min_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def min_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Smallest element of each window of (N, C, H, W) or (C, H, W).

    NaN wins here too; equal minima count as the first one.

    Arguments, results and errors as in :func:`max_pool2d`.
    """
    return _pool(
        2, _MIN, x, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices, True, None, 1.0, out,
    )  # fmt: skip


@overload
def min_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def min_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def min_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def min_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Smallest element of each window of (N, C, D, H, W) or (C, D, H, W).

    NaN wins here too; equal minima count as the first one.

    Arguments, results and errors as in :func:`max_pool2d`, with three spatial axes.
    """
    return _pool(
        3, _MIN, x, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices, True, None, 1.0, out,
    )  # fmt: skip
