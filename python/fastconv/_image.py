"""Filters for images: (H, W) or (H, W, C) arrays, one kernel for all channels."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

from fastconv import _core
from fastconv._conv import Algorithm

Array = NDArray[Any]
Mode = Literal["full", "same", "valid"]
Boundary = Literal["fill", "reflect", "nearest", "wrap"]


def correlate2d(
    image: Array,
    kernel: Array,
    mode: Mode = "full",
    boundary: Boundary = "fill",
    fill_value: float = 0.0,
    *,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Cross-correlate an image with a kernel, each channel for itself.

    Args:
        image: (H, W) or (H, W, C), float32, float64, float16 or bfloat16.
        kernel: (K_h, K_w), of the image's dtype.
        mode: "full": wherever they overlap, (H+K_h-1, W+K_w-1); "same": the image's size, centred
            as in SciPy; "valid": where the kernel lies inside the image, (H-K_h+1, W-K_w+1).
        boundary: What lies outside the image: "fill" (`fill_value`), "reflect" (mirrored, the edge
            repeated; SciPy's "symm"), "nearest" (the edge) or "wrap" (the other side).
        fill_value: The constant of boundary "fill".
        algorithm: "auto", "direct", "fft" (Fourier transforms, which "auto" takes for kernels of
            many elements) or another one that :func:`conv2d` knows.
        out: Array for the result: right shape and dtype, writable, not overlapping an input.

    Returns:
        The filtered image, with as many axes as `image`.

    Raises:
        ShapeError: Wrong numbers of axes, or a kernel larger than the image in mode "valid".
        OptionError: An unknown mode, boundary or algorithm.
        UnsupportedError: A forced algorithm that cannot do the problem (a ValueError).
        DTypeError: Another dtype, or dtypes that differ; convert an 8-bit image with
            ``image.astype(numpy.float32)``.
        ArgumentTypeError: Something else than arrays.
    """
    return _core.filter_image(image, kernel, False, mode, boundary, fill_value, algorithm, out)


def convolve2d(
    image: Array,
    kernel: Array,
    mode: Mode = "full",
    boundary: Boundary = "fill",
    fill_value: float = 0.0,
    *,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve an image with a kernel: :func:`correlate2d` with the kernel rotated by 180 degrees.

    Args:
        image: (H, W) or (H, W, C), float32, float64, float16 or bfloat16.
        kernel: (K_h, K_w), of the image's dtype.
        mode: As in :func:`correlate2d`; "same" is centred as in ``scipy.signal.convolve2d``.
        boundary: As in :func:`correlate2d`.
        fill_value: As in :func:`correlate2d`.
        algorithm: As in :func:`correlate2d`.
        out: As in :func:`correlate2d`.

    Returns:
        The filtered image, with as many axes as `image`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As :func:`correlate2d`.
    """
    return _core.filter_image(image, kernel, True, mode, boundary, fill_value, algorithm, out)
