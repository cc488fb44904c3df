"""unfold, fold and max unpooling."""

from __future__ import annotations

from fastconv import _core
from fastconv._conv import Array, PaddingLike, PerAxis
from fastconv._max_pool import IndexArray


def unfold(
    x: Array,
    kernel_size: PerAxis,
    dilation: PerAxis = 1,
    padding: PaddingLike = 0,
    stride: PerAxis = 1,
) -> Array:
    """Every window of (N, C, H, W) or (C, H, W) as a column (im2col).

    Args:
        x: float32, float64, float16 or bfloat16 input, any strides.
        kernel_size: Elements of the window, an int or (kh, kw).
        dilation: Distance between the elements of a window.
        padding: Zeros around the input: an int, one per axis, ((lo, hi), (lo, hi)), "valid" (none)
            or "same" (keeps the size at stride 1).
        stride: Step of the window.

    Returns:
        Array (N, C*kh*kw, L) or (C*kh*kw, L) of x's dtype: channel by channel, tap by tap, with L
        window positions in row-major order. A convolution is
        ``weight.reshape(out, -1) @ unfold(x, ...)``.

    Raises:
        ShapeError: x has the wrong number of axes or no elements besides an empty batch, or the
            window does not fit.
        OptionError: An option outside its range.
        DTypeError: x has another dtype.
        ArgumentTypeError: x is not a NumPy array, or an option has the wrong type.
    """
    return _core.unfold(x, kernel_size, dilation, padding, stride)


def fold(
    x: Array,
    output_size: PerAxis,
    kernel_size: PerAxis,
    dilation: PerAxis = 1,
    padding: PaddingLike = 0,
    stride: PerAxis = 1,
) -> Array:
    """Sum of columns into an image (col2im): the adjoint of :func:`unfold`.

    Args:
        x: float32, float64, float16 or bfloat16 columns (N, C*kh*kw, L) or (C*kh*kw, L).
            Any strides; sums of 16-bit columns are kept in float32 and rounded once.
        output_size: (H, W) of the image, or an int for both.
        kernel_size: Elements of the window, an int or (kh, kw).
        dilation: Distance between the elements of a window.
        padding: Padding of the image that was unfolded; what falls there is dropped.
        stride: Step of the window.

    Returns:
        Array (N, C, H, W) or (C, H, W) of x's dtype. An element in several windows is their sum, in
        a fixed order; one in none is 0.

    Raises:
        ShapeError: The columns do not belong to an image of this size.
        OptionError, DTypeError, ArgumentTypeError: As in :func:`unfold`.
    """
    return _core.fold(x, kernel_size, dilation, padding, stride, output_size)


def max_unpool1d(
    x: Array,
    indices: IndexArray,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    output_size: tuple[int, ...] | None = None,
) -> Array:
    """Values of (N, C, L) or (C, L) back to where they were.

    Arguments, results and errors as in :func:`max_unpool2d`.
    """
    return _core.max_unpool(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Array,
    indices: IndexArray,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    output_size: tuple[int, ...] | None = None,
) -> Array:
    """Values of (N, C, H, W) or (C, H, W) back to where max pooling found them.

    The other elements are 0.

    Args:
        x: float32, float64, float16 or bfloat16 values, any strides.
        indices: int64 array of x's shape: flat positions in the spatial plane of the output, as
            ``return_indices=True`` gives them. Of equal positions in a plane the last one wins.
        kernel_size: Window of the pooling, an int or one per spatial axis.
        stride: Step of the pooling; None or () means kernel_size.
        padding: Padding of the pooling.
        output_size: Spatial sizes of the output, or its whole shape, less than one stride away from
            the default (n - 1)*stride - lo - hi + kernel_size.

    Returns:
        Array (N, C, H', W') or (C, H', W') of x's dtype.

    Raises:
        OptionError: An index outside the output plane, or an option outside its range.
        ShapeError: x has the wrong number of axes or no elements besides an empty batch, indices
            have another shape, or output_size does not fit.
        DTypeError: x has another dtype, or indices are not int64.
        ArgumentTypeError: x or indices is not a NumPy array, or an option has the wrong type.
    """
    return _core.max_unpool(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Array,
    indices: IndexArray,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    output_size: tuple[int, ...] | None = None,
) -> Array:
    """Values of (N, C, D, H, W) or (C, D, H, W) back to where they were.

    Arguments, results and errors as in :func:`max_unpool2d`.
    """
    return _core.max_unpool(3, x, indices, kernel_size, stride, padding, output_size)
