"""OpenCV's and SciPy's image filters; they take ``correlate2d`` problems only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contestant import DeclinedError, Prepared, Settings
from ..problem import Arrays, Problem


def _image_and_kernel(
    problem: Problem, arrays: Arrays, settings: Settings
) -> tuple[NDArray[Any], NDArray[Any]]:
    if settings.dtype not in ("float32", "float64"):
        raise DeclinedError(f"filters no {settings.dtype} images")
    if problem.op != "correlate2d":
        raise DeclinedError("filters images only")
    options = problem.options
    if options.get("mode", "full") != "same" or options.get("boundary", "fill") != "fill":
        raise DeclinedError("compared for mode 'same' with zeros outside only")
    assert arrays.weight is not None
    if any(size % 2 == 0 for size in arrays.weight.shape):
        raise DeclinedError("libraries centre even kernels differently")
    return arrays.x, arrays.weight


class OpenCv:
    """``cv2.filter2D`` into a reused output."""

    key = "opencv"
    title = "OpenCV filter2D"
    distributions = ("opencv-python-headless",)

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind image, kernel and output."""
        cv2 = self._cv2
        image, kernel = _image_and_kernel(problem, arrays, settings)
        cv2.setNumThreads(settings.threads)
        out = np.empty_like(image)
        return Prepared(
            lambda: cv2.filter2D(image, -1, kernel, dst=out, borderType=cv2.BORDER_CONSTANT)
        )


class SciPy:
    """One of SciPy's functions for the same filter."""

    distributions = ("scipy",)

    def __init__(self, key: str, title: str, bind: Callable[..., Callable[[], Any]]) -> None:
        import scipy.fft

        self.key, self.title, self._bind = key, title, bind
        self._set_workers = scipy.fft.set_workers

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind image and kernel; the Fourier transforms use the run's threads."""
        image, kernel = _image_and_kernel(problem, arrays, settings)
        call = self._bind(image, kernel)

        def run() -> Any:
            with self._set_workers(settings.threads):
                return call()

        return Prepared(run)


def _direct(image: NDArray[Any], kernel: NDArray[Any]) -> Callable[[], Any]:
    from scipy.signal import correlate2d

    if image.ndim == 2:
        return lambda: correlate2d(image, kernel, mode="same")
    channels = range(image.shape[2])
    return lambda: np.stack(
        [correlate2d(image[:, :, c], kernel, mode="same") for c in channels], axis=2
    )


def _along_image(image: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    return kernel if image.ndim == 2 else kernel[:, :, None]


def _ndimage(image: NDArray[Any], kernel: NDArray[Any]) -> Callable[[], Any]:
    from scipy.ndimage import correlate

    weights = _along_image(image, kernel)
    return lambda: correlate(image, weights, mode="constant")


def _fourier(name: str) -> Callable[..., Callable[[], Any]]:
    def bind(image: NDArray[Any], kernel: NDArray[Any]) -> Callable[[], Any]:
        import scipy.signal

        convolve = getattr(scipy.signal, name)
        flipped = _along_image(image, kernel[::-1, ::-1])
        return lambda: convolve(image, flipped, mode="same", axes=(0, 1))

    return bind


def signal_direct() -> SciPy:
    """Nested loops in C."""
    return SciPy("scipy-correlate2d", "SciPy signal.correlate2d", _direct)


def ndimage() -> SciPy:
    """Nested loops in C over a table of offsets."""
    return SciPy("scipy-ndimage", "SciPy ndimage.correlate", _ndimage)


def fft() -> SciPy:
    """One Fourier transform of the whole image."""
    return SciPy("scipy-fft", "SciPy signal.fftconvolve", _fourier("fftconvolve"))


def overlap_add() -> SciPy:
    """Fourier transforms of blocks."""
    return SciPy("scipy-oaconvolve", "SciPy signal.oaconvolve", _fourier("oaconvolve"))
