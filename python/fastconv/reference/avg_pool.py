"""Average and Lp pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._arguments import Ints
from fastconv._shape_rules import avg_pool_shape, lp_pool_shape
from fastconv._window import Window, pool_window
from fastconv.reference._arrays import Float64Array, as_float64, batched


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float64Array:
    """Mean of each window of (N, C, L) or (C, L).

    Args:
        x: Input.
        kernel_size: Window, an int or one per axis.
        stride: Step of the window; None or () means kernel_size.
        padding: Zeros around the input: an int, one int per axis, (lo, hi) pairs, ``"valid"`` or
            ``"same"`` (stride 1); at most half of the window.
        ceil_mode: Round the output size up, so that the last window may leave the padded input.
        count_include_pad: Whether padding counts as elements of the mean. What lies beyond the
            padding never does.
        divisor_override: Divide by this number instead of the count.

    Returns:
        float64 array (N, C, L') or (C, L').

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _avg_pool(
        1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float64Array:
    """Mean of each window of (N, C, H, W) or (C, H, W); see :func:`avg_pool1d`."""
    return _avg_pool(
        2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float64Array:
    """Mean of each window of (N, C, D, H, W) or (C, D, H, W); see :func:`avg_pool1d`."""
    return _avg_pool(
        3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def lp_pool1d(
    x: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Float64Array:
    """Lp norm of each window of (N, C, L) or (C, L), by torch's formula.

    With a the window's mean of x**p (over the elements inside the input), k the window's size and
    p the norm: (sign(a) * relu(abs(a)) * k) ** (1/p). For a window inside the input that is
    (sum of x**p) ** (1/p); there is no absolute value, so an odd norm of negative numbers is NaN,
    and a window that ``ceil_mode`` lets hang over the end is scaled up to k elements.

    Args:
        x: Input.
        norm_type: p, finite and greater than 0.
        kernel_size: Window, an int or one per axis.
        stride: Step of the window; None or () means kernel_size.
        ceil_mode: Round the output size up.

    Returns:
        float64 array (N, C, L') or (C, L').

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    return _lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Float64Array:
    """Lp norm of each window of (N, C, H, W) or (C, H, W); see :func:`lp_pool1d`."""
    return _lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Float64Array:
    """Lp norm of each window of (N, C, D, H, W) or (C, D, H, W); see :func:`lp_pool1d`."""
    return _lp_pool(3, x, norm_type, kernel_size, stride, ceil_mode)


def _avg_pool(
    rank: int,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Float64Array:
    x = as_float64("x", x)
    shape = avg_pool_shape(
        rank,
        x.shape,
        count_include_pad,
        divisor_override,
        kernel_size=kernel_size,
        ceil_mode=ceil_mode,
        stride=stride,
        padding=padding,
    )
    window = pool_window(rank, kernel_size, stride, padding)
    xs = batched(x, rank)
    in_sizes, out_sizes = xs.shape[2:], shape[-rank:]
    sums = np.zeros((*xs.shape[:2], *out_sizes))
    for tap in window.taps(in_sizes, out_sizes):
        sums[(..., *tap.outputs)] += xs[(..., *tap.inputs)]
    if divisor_override is not None:
        return (sums / divisor_override).reshape(shape)
    return (sums / window_counts(window, in_sizes, out_sizes, count_include_pad)).reshape(shape)


def window_counts(
    window: Window, in_sizes: Ints, out_sizes: Ints, include_pad: bool
) -> Float64Array:
    """Elements that each window averages: of the padded input, or of the input alone."""
    if include_pad:
        unpadded = ((0, 0),) * len(in_sizes)
        in_sizes = tuple(n + lo + hi for n, (lo, hi) in zip(in_sizes, window.padding, strict=True))
        window = Window(window.kernel, window.stride, window.dilation, unpadded)
    counts = np.zeros(out_sizes)
    for tap in window.taps(in_sizes, out_sizes):
        counts[tap.outputs] += 1
    return counts


def _lp_pool(
    rank: int, x: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Float64Array:
    x = as_float64("x", x)
    options = {"kernel_size": kernel_size, "stride": stride, "ceil_mode": ceil_mode}
    lp_pool_shape(rank, x.shape, norm_type, **options)
    taps = math.prod(pool_window(rank, kernel_size).kernel)
    with np.errstate(invalid="ignore"):
        mean = _avg_pool(
            rank, x**norm_type, kernel_size, stride, 0, ceil_mode, True, divisor_override=None
        )
        return (np.sign(mean) * np.maximum(np.abs(mean), 0.0) * taps) ** (1.0 / norm_type)
