"""Arrays of CuPy."""

from __future__ import annotations

import sys
from typing import Any

from fastconv._device._library import (
    DTYPES,
    View,
    dtype_number,
    in_elements,
    inverse,
    memory_order,
    no_memory,
)


class CupyArrays:
    """CuPy's arrays, memory pool and current stream. Its user has imported it."""

    def holds(self, array: Any) -> bool:
        """Whether an object is an array of CuPy."""
        return isinstance(array, sys.modules["cupy"].ndarray)

    def device(self, array: Any) -> int:
        """Return the number of the device that an array lies on."""
        number: int = array.device.id
        return number

    def stream(self, device: int) -> int:
        """Return the address of the stream that is current on a device."""
        address: int = sys.modules["cupy"].cuda.get_current_stream(device).ptr
        return address

    def view(self, array: Any, name: str, stream: int) -> View:
        """View an array."""
        dtype = array.dtype
        strides = None
        if not array.flags.c_contiguous:
            strides = in_elements(name, array.strides, array.shape, dtype.itemsize)
        number = dtype_number(name, dtype.name)
        return View(array.data.ptr, array.shape, strides, number, True, array.device.id)

    def empty(self, shape: tuple[int, ...], dtype: int, device: int, channel_axis: int) -> Any:
        """Make an array in CuPy's memory pool."""
        cupy = sys.modules["cupy"]
        order = memory_order(len(shape), channel_axis)
        try:
            with cupy.cuda.Device(device):
                made = cupy.empty([shape[axis] for axis in order], _numpy_dtype(dtype))
        except cupy.cuda.memory.OutOfMemoryError as error:
            raise no_memory(shape, dtype, device, error) from error
        return made if channel_axis < 0 else made.transpose(inverse(order))

    def moved(self, name: str) -> str:
        """How an array becomes one of CuPy."""
        return f"cupy.asarray({name})"


def _numpy_dtype(dtype: int) -> Any:
    if DTYPES[dtype] == "bfloat16":
        from ml_dtypes import bfloat16

        return bfloat16
    return DTYPES[dtype]
