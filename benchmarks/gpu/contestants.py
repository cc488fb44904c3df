"""Who takes part on a GPU: fastconv and PyTorch on tensors, CuPy on arrays of the same memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

import fastconv

from ..contestant import (
    Contestant,
    DeclinedError,
    Prepared,
    Settings,
    as_convolution,
    as_image,
)
from ..peers import Missing
from ..peers.torch_modes import border
from ..problem import Arrays, Problem, bytes_moved, element_type
from ..results import OWN
from ..suites import SelectionError
from .replay import copies, replayed

_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def to_gpu(array: NDArray[Any]) -> torch.Tensor:
    """Copy an array, contiguous."""
    array = np.ascontiguousarray(array)
    if array.dtype == element_type("bfloat16"):
        return torch.from_numpy(array.view(np.int16)).cuda().view(torch.bfloat16)
    return torch.from_numpy(array).cuda()


def to_host(y: torch.Tensor) -> NDArray[Any]:
    """Copy a result back."""
    y = y.contiguous()
    if y.dtype is torch.bfloat16:
        return y.view(torch.int16).cpu().numpy().view(element_type("bfloat16"))
    return y.cpu().numpy()


def _inputs(problem: Problem, x: torch.Tensor, settings: Settings) -> list[torch.Tensor]:
    count = copies(bytes_moved(problem, settings.dtype))
    return [x, *(x.clone(memory_format=torch.preserve_format) for _ in range(count - 1))]


class GpuFastconv:
    """A call of the operator on CUDA tensors."""

    key = OWN
    title = "fastconv"
    distributions = ("fastconv", "numpy", "torch")

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind the tensors, in the layout that the problem gives them."""
        options: dict[str, Any] = dict(problem.options)
        if problem.is_convolution:
            options["precision"] = settings.precision
            if settings.algorithm != "auto":
                options["algorithm"] = settings.algorithm
        function = getattr(fastconv, problem.op)
        first, *others = [to_gpu(a) for a in arrays if a is not None]

        def call_on(x: torch.Tensor) -> Callable[[], Any]:
            return lambda: function(x, *others, **options)

        try:
            return replayed([call_on(x) for x in _inputs(problem, first, settings)], to_host)
        except fastconv.UnsupportedError as error:
            raise DeclinedError(str(error)) from error


class CudnnNchw:
    """PyTorch: cuDNN, which measures its algorithms first, on contiguous tensors."""

    key = "torch"
    title = "PyTorch/cuDNN, NCHW"
    distributions = ("torch",)

    def _place(self, problem: Problem, x: torch.Tensor) -> torch.Tensor:
        return x

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind the tensors to the operator of the same name, at matching precision."""
        torch.backends.cudnn.benchmark = True
        tf32 = settings.precision == "medium"
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        written, given = as_convolution(problem, arrays)
        function = getattr(functional, written.op, None)
        if function is None:
            raise DeclinedError(f"torch.nn.functional has no {written.op}")
        x = self._place(written, to_gpu(given.x))
        options = dict(written.options)
        operands: tuple[Any, ...] = ()
        extra = None
        if given.weight is not None:
            weight = self._place(written, to_gpu(given.weight))
            operands = (weight, None if given.bias is None else to_gpu(given.bias))
            options["padding"], extra = border(written)

        def call_on(x: torch.Tensor) -> Callable[[], Any]:
            if extra is None:
                return lambda: function(x, *operands, **options)
            return lambda: function(functional.pad(x, extra), *operands, **options)

        def fetch(y: torch.Tensor) -> NDArray[Any]:
            return as_image(problem, to_host(y))

        return replayed([call_on(x) for x in _inputs(written, x, settings)], fetch)


class CudnnChannelsLast(CudnnNchw):
    """The same calls on tensors whose channels are innermost in memory."""

    key = "torch-channels-last"
    title = "PyTorch/cuDNN, channels_last"

    def _place(self, problem: Problem, x: torch.Tensor) -> torch.Tensor:
        if problem.rank not in _CHANNELS_LAST:
            raise DeclinedError("PyTorch has no channels-last format for 1-D tensors")
        return x.contiguous(memory_format=_CHANNELS_LAST[problem.rank])


_PEERS: dict[str, tuple[str, str]] = {
    "torch": (".contestants", "CudnnNchw"),
    "torch-channels-last": (".contestants", "CudnnChannelsLast"),
    "cupyx-ndimage": (".cupy_filters", "Ndimage"),
    "cupyx-fft": (".cupy_filters", "Fourier"),
}
GPU_PEER_NAMES = tuple(_PEERS)


def load_gpu_peers(names: Sequence[str]) -> tuple[list[Contestant], list[Missing]]:
    """Import the named peers, as load_peers does for the CPU."""
    unknown = [n for n in names if n not in (*GPU_PEER_NAMES, "all", "none")]
    if unknown:
        allowed = ", ".join(("all", "none", *GPU_PEER_NAMES))
        raise SelectionError(f"peer: got {unknown[0]!r}; on a GPU allowed: {allowed}")
    found: list[Contestant] = []
    missing: list[Missing] = []
    for key, (module, name) in _PEERS.items():
        if "all" not in names and key not in names:
            continue
        try:
            found.append(getattr(import_module(module, __package__), name)())
        except ImportError as error:
            missing.append(Missing(key, str(error).splitlines()[0]))
    return found, missing
