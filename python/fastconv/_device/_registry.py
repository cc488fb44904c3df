"""Which library an array on a GPU is of.

No library is imported for that: an array of one shows that its user did.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fastconv._device._cupy import CupyArrays
from fastconv._device._described import Described, DescribedArrays
from fastconv._device._foreign import ForeignArrays, lies_on_gpu
from fastconv._device._library import ALLOWED, Library, View
from fastconv._device._torch import TorchTensors
from fastconv.errors import ArgumentTypeError, BackendUnavailableError

# Those that results can be made with, by the module that their user imports.
LIBRARIES: dict[str, Library] = {"cupy": CupyArrays(), "torch": TorchTensors()}
# By the types of arrays that were met. One type may hold arrays on a GPU and others.
_MET: dict[type, Library] = {Described: DescribedArrays()}


def library_of(array: Any) -> Library | None:
    """Return the library of an array on a GPU; None for anything else."""
    met = _MET.get(type(array))
    if met is not None:
        return met if met.holds(array) else None
    own = _own(array)
    if own is not None:
        _MET[type(array)] = own
        return own
    if not lies_on_gpu(array):
        return None
    for name, library in LIBRARIES.items():
        if name in sys.modules:
            return ForeignArrays(library)
    raise BackendUnavailableError(
        f"the array is a {type(array).__name__} on a GPU, and results for it would be arrays of "
        "CuPy or PyTorch, of which none is imported: import one of them"
    )


def open_call(array: Any) -> tuple[Library, int, int]:
    """Return library, device and stream of a call whose first array is this one."""
    library = library_of(array)
    if library is None:
        raise ArgumentTypeError(
            f"got a {_kind(array)}; it must be an array on a GPU: of CuPy, of PyTorch, or with "
            "__dlpack__ or __cuda_array_interface__"
        )
    device = library.device(array)
    return library, device, library.stream(device)


def view(library: Library, array: Any, name: str, device: int, stream: int) -> View:
    """View an argument of a call of a library, on a device and a stream."""
    if library.holds(array):
        return library.view(array, name, stream)
    own = _own(array)
    if own is not None:
        return own.view(array, name, stream)._replace(stream=own.stream(device))
    if lies_on_gpu(array):
        return ForeignArrays(library).view(array, name, stream)
    there = f"on GPU {device}, like the call's first array: pass {library.moved(name)}"
    if isinstance(array, np.ndarray) or hasattr(array, "device"):
        raise ArgumentTypeError(f"{name} is a {_kind(array)} in host memory; it must lie {there}")
    raise ArgumentTypeError(f"{name} is a {_kind(array)}; it must be an array of {ALLOWED} {there}")


def _own(array: Any) -> Library | None:
    for name, library in LIBRARIES.items():
        if name in sys.modules and library.holds(array):
            return library
    return None


def _kind(array: Any) -> str:
    kind = type(array)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
