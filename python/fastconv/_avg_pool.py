"""Average and Lp pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from fastconv import _core
from fastconv._conv import Array, PaddingLike, PerAxis

# Without indices the result is one array.
_pool = cast(Callable[..., Array], _core.pool)
_AVERAGE = _core.POOL_AVERAGE
_LP = _core.POOL_LP


def avg_pool1d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """Mean of each window of (N, C, L) or (C, L).

    Arguments, results and errors as in :func:`avg_pool2d`, with one spatial axis.
    """
    return _pool(
        1, _AVERAGE, x, kernel_size, stride, padding, 1, ceil_mode, False,
        count_include_pad, divisor_override, 1.0, out,
    )  # fmt: skip


def avg_pool2d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """Mean of each window of (N, C, H, W) or (C, H, W).

    The sum over a window, divided by its number of elements, correctly rounded. The sum of n
    float32 terms errs by at most about (n/16 + 16) eps times the sum of their magnitudes, mostly
    far less.

    Args:
        x: float32, float64, float16 or bfloat16 input, any strides. One whose channels lie side
            by side in memory (channels-last) is pooled as it is and gives a channels-last result.
        kernel_size: Elements of the window, an int or one per spatial axis.
        stride: Step of the window; None or () means kernel_size.
        padding: Zeros around the input: an int, one per axis, ((lo, hi), ...), "valid" (none) or
            "same" (keeps the size at stride 1); at most half of the kernel.
        ceil_mode: Round the output size up; a window that would start behind the input and its
            lower padding is dropped, and what lies beyond the padding is never counted.
        count_include_pad: Whether padding counts in the number of elements.
        divisor_override: Divide by this instead of the number of elements.
        out: Array for the result: its shape and dtype, writable, apart from x.

    Returns:
        Array (N, C, H', W') or (C, H', W') of x's dtype with
        floor((n + lo + hi - kernel_size) / stride) + 1 elements per axis.

    Raises:
        ShapeError: x has the wrong number of axes or no elements besides an empty batch, the window
            does not fit, or out has another shape.
        OptionError: An option outside its range, such as too much padding.
        DTypeError: x has another dtype, or out has not that of x.
        ArgumentTypeError: x is not a NumPy array, or an option has the wrong type.
    """
    return _pool(
        2, _AVERAGE, x, kernel_size, stride, padding, 1, ceil_mode, False,
        count_include_pad, divisor_override, 1.0, out,
    )  # fmt: skip


def avg_pool3d(
    x: Array,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """Mean of each window of (N, C, D, H, W) or (C, D, H, W).

    Arguments, results and errors as in :func:`avg_pool2d`, with three spatial axes.
    """
    return _pool(
        3, _AVERAGE, x, kernel_size, stride, padding, 1, ceil_mode, False,
        count_include_pad, divisor_override, 1.0, out,
    )  # fmt: skip


def lp_pool1d(
    x: Array,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """Lp norm of each window of (N, C, L) or (C, L).

    Arguments, results and errors as in :func:`lp_pool2d`.
    """
    return _pool(
        1, _LP, x, kernel_size, stride, 0, 1, ceil_mode, False,
        True, None, norm_type, out,
    )  # fmt: skip


def lp_pool2d(
    x: Array,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """Lp norm of each window of (N, C, H, W) or (C, H, W).

    (sum of x**norm_type over the window)**(1/norm_type), with torch's rule for a window that
    ceil_mode cuts off at the end: the mean over its elements times the elements of a whole window
    takes the place of the sum. Negative x and an odd or fractional norm_type can give NaN.

    Args:
        x: float32, float64, float16 or bfloat16 input, any strides.
        norm_type: The power p, finite and greater than 0.
        kernel_size: Elements of the window, an int or one per spatial axis.
        stride: Step of the window; None or () means kernel_size.
        ceil_mode: Round the output size up.
        out: Array for the result: its shape and dtype, writable, apart from x.

    Returns:
        Array (N, C, H', W') or (C, H', W') of x's dtype, sizes as in :func:`avg_pool2d`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As in :func:`avg_pool2d`.
    """
    return _pool(
        2, _LP, x, kernel_size, stride, 0, 1, ceil_mode, False,
        True, None, norm_type, out,
    )  # fmt: skip


def lp_pool3d(
    x: Array,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """Lp norm of each window of (N, C, D, H, W) or (C, D, H, W).

    Arguments, results and errors as in :func:`lp_pool2d`.
    """
    return _pool(
        3, _LP, x, kernel_size, stride, 0, 1, ceil_mode, False,
        True, None, norm_type, out,
    )  # fmt: skip
