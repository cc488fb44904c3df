"""Adaptive pooling: the output size is given, the windows follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast, overload

from fastconv import _core
from fastconv._conv import Array
from fastconv._max_pool import IndexArray, Pooled

OutputSizeLike = int | tuple[int | None, ...] | None

_adaptive_pool = _core.adaptive_pool
# Without indices the result is one array.
_adaptive_values = cast(Callable[..., Array], _core.adaptive_pool)
_AVERAGE = _core.POOL_AVERAGE
_MAX = _core.POOL_MAX


def adaptive_avg_pool1d(
    x: Array, output_size: OutputSizeLike, *, out: Array | None = None
) -> Array:
    """Mean over adaptive windows of (N, C, L) or (C, L).

    Windows, arguments and errors as in :func:`adaptive_max_pool2d`; averages are as exact as those
    of :func:`avg_pool2d`.
    """
    return _adaptive_values(1, _AVERAGE, x, output_size, False, out)


def adaptive_avg_pool2d(
    x: Array, output_size: OutputSizeLike, *, out: Array | None = None
) -> Array:
    """Mean over adaptive windows of (N, C, H, W) or (C, H, W).

    Windows, arguments and errors as in :func:`adaptive_max_pool2d`; averages are as exact as those
    of :func:`avg_pool2d`.
    """
    return _adaptive_values(2, _AVERAGE, x, output_size, False, out)


def adaptive_avg_pool3d(
    x: Array, output_size: OutputSizeLike, *, out: Array | None = None
) -> Array:
    """Mean over adaptive windows of (N, C, D, H, W) or (C, D, H, W).

    Windows, arguments and errors as in :func:`adaptive_max_pool2d`; averages are as exact as those
    of :func:`avg_pool2d`.
    """
    return _adaptive_values(3, _AVERAGE, x, output_size, False, out)


@overload
def adaptive_max_pool1d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def adaptive_max_pool1d(
    x: Array,
    output_size: OutputSizeLike,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def adaptive_max_pool1d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def adaptive_max_pool1d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Largest element of adaptive windows of (N, C, L) or (C, L).

    Arguments, results and errors as in :func:`adaptive_max_pool2d`.
    """
    return _adaptive_pool(1, _MAX, x, output_size, return_indices, out)


@overload
def adaptive_max_pool2d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def adaptive_max_pool2d(
    x: Array,
    output_size: OutputSizeLike,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def adaptive_max_pool2d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def adaptive_max_pool2d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Largest element of adaptive windows of (N, C, H, W) or (C, H, W).

    Output o of an axis with n inputs and m outputs covers the inputs from floor(o*n / m) up to, not
    including, ceil((o+1)*n / m), as in torch.

    Args:
        x: float32, float64, float16 or bfloat16 input, any strides.
        output_size: Outputs per spatial axis: an int, or one int or None per axis; None keeps the
            size of an axis.
        return_indices: Also return the flat positions of the maxima in their spatial planes.
        out: Array for the result: its shape and dtype, writable, apart from x.

    Returns:
        Array (N, C, *output_size) or (C, *output_size) of x's dtype, or (values, int64 indices).
        NaN and equal maxima as in :func:`max_pool2d`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As in :func:`max_pool2d`.
    """
    return _adaptive_pool(2, _MAX, x, output_size, return_indices, out)


@overload
def adaptive_max_pool3d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> Array: ...
@overload
def adaptive_max_pool3d(
    x: Array,
    output_size: OutputSizeLike,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[Array, IndexArray]: ...
@overload
def adaptive_max_pool3d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled: ...
def adaptive_max_pool3d(
    x: Array,
    output_size: OutputSizeLike,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """Largest element of adaptive windows of (N, C, D, H, W) or (C, D, H, W).

    Arguments, results and errors as in :func:`adaptive_max_pool2d`.
    """
    return _adaptive_pool(3, _MAX, x, output_size, return_indices, out)
