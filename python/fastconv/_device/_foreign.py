"""Arrays of other libraries, through DLPack or ``__cuda_array_interface__``."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._device._library import SIZES, Library, View, dtype_number, in_elements
from fastconv.errors import ArgumentTypeError, DTypeError, OptionError

# Device types of DLPack: CUDA, and CUDA managed memory.
_ON_GPU = (2, 13)


def lies_on_gpu(array: Any) -> bool:
    """Whether an object of any kind says that it is an array on a GPU."""
    if isinstance(array, np.ndarray | np.generic | int | float | str | list | tuple):
        return False
    try:
        if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
            return int(array.__dlpack_device__()[0]) in _ON_GPU
        return hasattr(array, "__cuda_array_interface__")
    except Exception:  # whatever an unknown object raises, it is no array for us
        return False


class ForeignArrays:
    """Arrays of any library; what is made for them comes from another, its maker."""

    def __init__(self, maker: Library) -> None:
        self._maker = maker

    def holds(self, array: Any) -> bool:
        """Whether an object says that it lies on a GPU."""
        return lies_on_gpu(array)

    def device(self, array: Any) -> int:
        """Return the number of the device that an array lies on."""
        if hasattr(array, "__dlpack__"):
            return int(array.__dlpack_device__()[1])
        from fastconv import _cuda

        address = array.__cuda_array_interface__["data"][0]
        return int(_cuda.device_of(address)) if address else 0

    def stream(self, device: int) -> int:
        """Return the current stream of the maker."""
        return self._maker.stream(device)

    def view(self, array: Any, name: str, stream: int) -> View:
        """View an array by the way that it offers."""
        if hasattr(array, "__dlpack__"):
            return _view_dlpack(array, name, stream)
        return _view_interface(array, name)

    def empty(self, shape: tuple[int, ...], dtype: int, device: int, channel_axis: int) -> Any:
        """Make an array of the maker."""
        return self._maker.empty(shape, dtype, device, channel_axis)

    def moved(self, name: str) -> str:
        """How an array becomes one of the maker."""
        return self._maker.moved(name)


def _view_dlpack(array: Any, name: str, stream: int) -> View:
    # 0 has no meaning in DLPack; 1 is the legacy default stream. The producer orders its work
    # before what follows on the stream. Its address is checked with the driver, as below.
    consumer = stream or 1
    try:
        capsule = array.__dlpack__(stream=consumer, max_version=(1, 1))
    except TypeError:  # written before version 1 of the protocol
        capsule = array.__dlpack__(stream=consumer)
    from fastconv import _cuda

    data, shape, strides, dtype, writable, _ = _cuda.read_dlpack(capsule)
    number = dtype_number(name, dtype)
    return View(data, shape, strides, number, writable, None, None, capsule)


def _view_interface(array: Any, name: str) -> View:
    """Version 2 or 3 of the interface; the address is checked with the driver."""
    facts = array.__cuda_array_interface__
    if facts.get("mask") is not None:
        raise ArgumentTypeError(
            f"{name} has a mask, which has no meaning here; pass an array without"
        )
    stream = facts.get("stream")
    if stream == 0:
        raise OptionError(
            f"{name} names stream 0, which its interface forbids as ambiguous; it must be 1 (the "
            "legacy default stream), 2 (the one of the thread) or an address"
        )
    typestr = facts["typestr"]
    if typestr.startswith(">"):
        raise DTypeError(
            f"{name} has dtype {typestr} in foreign byte order; convert it to the machine's own"
        )
    # Types that packages add to NumPy have no typestr of their own.
    kind = getattr(array, "dtype", None) if typestr[1] == "V" else np.dtype(typestr)
    number = dtype_number(name, getattr(kind, "name", None) or str(kind))
    shape = tuple(facts["shape"])
    strides = facts.get("strides")
    if strides is not None:
        strides = in_elements(name, tuple(strides), shape, SIZES[number])
    address, read_only = facts["data"]
    return View(address or 0, shape, strides, number, not read_only, None, stream, array)
