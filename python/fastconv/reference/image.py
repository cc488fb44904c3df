"""Filters for images, with SciPy's modes and boundaries.

correlate2d: y[i, j] = sum over (m, n) of  image[i + m - lo, j + n - lo] kernel[m, n]
convolve2d:  the same with the kernel rotated by 180 degrees, the convolution of mathematics
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal

import numpy as np

from fastconv._shape_rules import filter_shape
from fastconv._window import Window
from fastconv.errors import ArgumentTypeError
from fastconv.reference._arrays import Float64Array, as_float64

# numpy.pad's names for the ways to continue an image.
_CONTINUATIONS: dict[str, Literal["symmetric", "edge", "wrap"]] = {
    "reflect": "symmetric",
    "nearest": "edge",
    "wrap": "wrap",
}


def correlate2d(
    image: Any,
    kernel: Any,
    mode: str = "full",
    boundary: str = "fill",
    fill_value: float = 0.0,
) -> Float64Array:
    """Cross-correlation of an image with a kernel, each channel for itself.

    Args:
        image: (H, W) or (H, W, C).
        kernel: (kh, kw).
        mode: ``"full"``: every position where kernel and image overlap, (H+kh-1, W+kw-1);
            ``"same"``: the middle (H, W) of it, starting at (kh//2, kw//2);
            ``"valid"``: positions where the kernel lies inside the image, (H-kh+1, W-kw+1).
        boundary: What lies outside: ``"fill"`` a constant; ``"reflect"`` the image mirrored with
            its edge repeated (SciPy's "symm"); ``"nearest"`` its edge; ``"wrap"`` its other side.
        fill_value: The constant. Zero is left out of the sum, so an infinite kernel element gives
            no NaN there.

    Returns:
        float64 array with the image's number of axes.

    Raises:
        ShapeError, OptionError, ArgumentTypeError, DTypeError: Arguments that do not fit.
    """
    kernel = as_float64("kernel", kernel)
    return _filter(as_float64("image", image), kernel, mode, boundary, fill_value, rotated=False)


def convolve2d(
    image: Any,
    kernel: Any,
    mode: str = "full",
    boundary: str = "fill",
    fill_value: float = 0.0,
) -> Float64Array:
    """Convolve an image with a kernel: :func:`correlate2d` with the kernel rotated.

    Mode "same" starts at ((kh-1)//2, (kw-1)//2) of the full result, as in SciPy; for an even
    kernel that is one element earlier than correlation.

    Example:
        >>> convolve2d([[1.0, 2.0]], [[1.0, 10.0]])
        array([[ 1., 12., 20.]])
    """
    flipped = np.flip(as_float64("kernel", kernel))
    return _filter(as_float64("image", image), flipped, mode, boundary, fill_value, rotated=True)


def _filter(
    image: Float64Array,
    kernel: Float64Array,
    mode: str,
    boundary: str,
    fill_value: float,
    rotated: bool,
) -> Float64Array:
    shape = filter_shape(image.shape, kernel.shape, mode, boundary)
    if isinstance(fill_value, bool) or not isinstance(fill_value, Real):
        raise ArgumentTypeError(f"fill_value must be a number, got {fill_value!r}; pass a float")
    margins = tuple(_margins(size, mode, rotated) for size in kernel.shape)
    if boundary != "fill" or fill_value != 0:
        image = _continued(image, margins, boundary, fill_value)
        margins = ((0, 0), (0, 0))
    window = Window(kernel.shape, (1, 1), (1, 1), margins)
    result = np.zeros(shape)
    for tap in window.taps(image.shape[:2], shape[:2]):
        result[tap.outputs] += kernel[tap.kernel] * image[tap.inputs]
    return result


def _margins(kernel: int, mode: str, rotated: bool) -> tuple[int, int]:
    """Elements before and after the image that the kernel reaches."""
    if mode == "valid":
        return (0, 0)
    if mode == "full":
        return (kernel - 1, kernel - 1)
    before = kernel // 2 if rotated else (kernel - 1) // 2
    return (before, kernel - 1 - before)


def _continued(
    image: Float64Array, margins: tuple[tuple[int, int], ...], boundary: str, fill_value: float
) -> Float64Array:
    pad_width = (*margins, *[(0, 0)] * (image.ndim - 2))
    if boundary == "fill":
        return np.pad(image, pad_width, mode="constant", constant_values=fill_value)
    return np.pad(image, pad_width, mode=_CONTINUATIONS[boundary])
