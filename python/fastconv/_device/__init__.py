"""Calls with arrays on a GPU: which module computes them, and why it may be missing.

The functions of ``_core`` hand a call over to :func:`dispatch` where its first array is not
NumPy's. CUDA is asked for then, and not when fastconv is imported.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any

from fastconv import _core
from fastconv._device._registry import library_of
from fastconv.errors import BackendUnavailableError


def dispatch(function: str, array: Any, args: tuple[Any, ...]) -> Any:
    """Compute a call on the GPU where its first array lies on one.

    Args:
        function: Of ``_core``; ``_cuda`` has one of the same name and arguments.
        array: The argument that decides.
        args: All arguments.

    Returns:
        The result, or NotImplemented where the array is not one of a GPU.

    Raises:
        BackendUnavailableError: The array lies on a GPU, and CUDA is off.
        FastconvError: Whatever the function raises.
    """
    if library_of(array) is None:
        return NotImplemented
    return getattr(_cuda(), function)(*args)


def cuda_status() -> str:
    """Whether the GPU side works; if not, why; if so, on which devices."""
    try:
        module = _module()
    except BackendUnavailableError as error:
        return f"off: {error}"
    reason = module.unavailable()
    if reason is not None:
        return f"off: {reason}"
    devices = "; ".join(module.device_text(device) for device in range(module.device_count()))
    return f"on: {devices}; {module.verification()}"


def _cuda() -> ModuleType:
    """Return the module, or raise with what is missing.

    A missing driver is looked for at every call: it costs little where it matters little, and one
    that was installed since is found.
    """
    module = _module()
    reason = module.unavailable()
    if reason is not None:
        raise BackendUnavailableError(f"the array lies on a GPU, but CUDA is off: {reason}")
    return module


@functools.cache
def _module() -> ModuleType:
    try:
        return importlib.import_module("fastconv._cuda")
    except ImportError as error:
        built = _core.info()["cuda"]
        reason = built if error.name == "fastconv._cuda" else f"{built}; importing failed: {error}"
        raise BackendUnavailableError(
            f"{reason}; pass arrays in host memory, or build fastconv where nvcc is found "
            "(docs/building.md)"
        ) from None
