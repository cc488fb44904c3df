"""A stand-in for CuPy whose device memory is host memory.

It has what fastconv asks of CuPy, and no more. Its arrays say on which device they lie; those of
the stand-in's devices are all the same memory.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np


class _Pointer:
    def __init__(self, address: int) -> None:
        self.ptr = address


class _Device:
    """An array's device, and the context in which arrays are made."""

    current = 0

    def __init__(self, number: int) -> None:
        self.id = number

    def __enter__(self) -> None:
        self.before, _Device.current = _Device.current, self.id

    def __exit__(self, *_: object) -> None:
        _Device.current = self.before


class ndarray:
    """An array of the stand-in."""

    def __init__(self, host: Any, device: int = 0) -> None:
        self.host = host
        self.device = _Device(device)
        self.data = _Pointer(host.ctypes.data)

    shape = property(lambda self: self.host.shape)
    strides = property(lambda self: self.host.strides)
    dtype = property(lambda self: self.host.dtype)
    flags = property(lambda self: self.host.flags)

    def transpose(self, axes: Any) -> ndarray:
        return ndarray(self.host.transpose(axes), self.device.id)


class _OutOfMemoryError(MemoryError):
    pass


class FakeCupy(types.ModuleType):
    """The module."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.ndarray = ndarray
        self.made: list[ndarray] = []
        self.limit = 1 << 40
        self.stream = 77
        self.cuda = types.SimpleNamespace(
            Device=_Device,
            get_current_stream=lambda device: types.SimpleNamespace(ptr=self.stream),
            memory=types.SimpleNamespace(OutOfMemoryError=_OutOfMemoryError),
        )

    def empty(self, shape: Any, dtype: Any) -> ndarray:
        """Filled with a value that no result has, so that elements left out are seen."""
        array = np.empty(shape, dtype)
        if array.nbytes > self.limit:
            raise _OutOfMemoryError(f"{array.nbytes} bytes")
        array.view(np.uint8).fill(0x7B) if array.size and array.ndim else None
        self.made.append(ndarray(array, _Device.current))
        return self.made[-1]
