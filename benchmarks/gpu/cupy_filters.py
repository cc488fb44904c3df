"""Image filters of CuPy: the direct one of ndimage, and convolution through Fourier transforms.

Their calls allocate and look plans up, so they are timed as they are, without a graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import torch
from cupyx.scipy import ndimage, signal
from numpy.typing import NDArray

from ..contestant import DeclinedError, Prepared, Settings
from ..problem import Arrays, Problem, bytes_moved
from .replay import copies, replayed

_NDIMAGE_MODES = {"fill": "constant", "reflect": "reflect", "nearest": "nearest", "wrap": "wrap"}
_Filter = Callable[[Any, Any, Problem], Any]


def _prepare(problem: Problem, arrays: Arrays, settings: Settings, compute: _Filter) -> Prepared:
    if not problem.is_filter:
        raise DeclinedError("filters images only")
    if settings.dtype not in ("float32", "float64"):
        raise DeclinedError(f"has no filters for {settings.dtype}")
    stream = cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream)
    weight = cupy.asarray(arrays.weight)
    images = [cupy.asarray(arrays.x) for _ in range(copies(bytes_moved(problem, settings.dtype)))]

    def call_on(image: Any) -> Callable[[], Any]:
        def call() -> Any:
            with stream:
                return compute(image, weight, problem)

        return call

    def fetch(y: Any) -> NDArray[Any]:
        return cupy.asnumpy(y)

    return replayed([call_on(image) for image in images], fetch, capture=False)


def _direct(image: Any, weight: Any, problem: Problem) -> Any:
    if problem.options.get("mode", "full") != "same":
        raise DeclinedError("gives the image's size only")
    mode = _NDIMAGE_MODES[problem.options.get("boundary", "fill")]
    function = ndimage.correlate if problem.op == "correlate2d" else ndimage.convolve
    kernel = weight if image.ndim == 2 else weight[:, :, None]
    # An even kernel is centred one element further on than SciPy's signal functions do.
    origin = tuple(-((k + 1) % 2) if problem.op == "correlate2d" else 0 for k in weight.shape)
    return function(image, kernel, mode=mode, origin=(*origin, *[0] * (image.ndim - 2)))


def _fourier(image: Any, weight: Any, problem: Problem) -> Any:
    if problem.options.get("boundary", "fill") != "fill":
        raise DeclinedError("continues images by zeros only")
    kernel = weight[::-1, ::-1] if problem.op == "correlate2d" else weight
    if image.ndim == 3:
        kernel = kernel[:, :, None]
    return signal.fftconvolve(image, kernel, problem.options.get("mode", "full"), axes=(0, 1))


class Ndimage:
    """cupyx.scipy.ndimage."""

    key = "cupyx-ndimage"
    title = "CuPy ndimage"
    distributions = ("cupy-cuda13x",)

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind the image and the kernel."""
        return _prepare(problem, arrays, settings, _direct)


class Fourier:
    """cupyx.scipy.signal.fftconvolve."""

    key = "cupyx-fft"
    title = "CuPy FFT convolution"
    distributions = ("cupy-cuda13x",)

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind the image and the kernel."""
        return _prepare(problem, arrays, settings, _fourier)
