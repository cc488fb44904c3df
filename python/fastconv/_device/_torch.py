"""CUDA tensors of PyTorch."""

from __future__ import annotations

import functools
import sys
from typing import Any

from fastconv._device._library import (
    DTYPES,
    View,
    dtype_number,
    inverse,
    memory_order,
    no_memory,
)
from fastconv.errors import ArgumentTypeError


class TorchTensors:
    """PyTorch's CUDA tensors, caching allocator and current stream. Its user has imported it."""

    device_type = "cuda"

    def holds(self, array: Any) -> bool:
        """Whether an object is a tensor on a GPU."""
        return (
            isinstance(array, sys.modules["torch"].Tensor) and array.device.type == self.device_type
        )

    def device(self, array: Any) -> int:
        """Return the number of the device that a tensor lies on."""
        number: int = max(array.get_device(), 0)
        return number

    def stream(self, device: int) -> int:
        """Return the address of the stream that is current on a device."""
        address: int = sys.modules["torch"]._C._cuda_getCurrentRawStream(device)
        return address

    def view(self, array: Any, name: str, stream: int) -> View:
        """View a tensor."""
        torch = sys.modules["torch"]
        if array.requires_grad and torch.is_grad_enabled():
            raise ArgumentTypeError(
                f"{name} requires a gradient, which functions of fastconv do not record: call "
                f"fastconv.torch instead, or pass {name}.detach()"
            )
        if array.layout is not torch.strided:
            raise ArgumentTypeError(
                f"{name} has layout {array.layout}; it must be dense: pass {name}.to_dense()"
            )
        if array.is_neg():
            raise ArgumentTypeError(
                f"{name} is a view that torch negates when it is read; pass {name}.resolve_neg()"
            )
        number = _numbers().get(array.dtype)
        if number is None:
            number = dtype_number(name, str(array.dtype).removeprefix("torch."))
        return View(
            array.data_ptr(), tuple(array.shape), array.stride(), number, True, self.device(array)
        )

    def empty(self, shape: tuple[int, ...], dtype: int, device: int, channel_axis: int) -> Any:
        """Make a tensor in PyTorch's caching allocator."""
        torch = sys.modules["torch"]
        place = torch.device(self.device_type, device)
        order = memory_order(len(shape), channel_axis)
        kind = getattr(torch, DTYPES[dtype])
        try:
            made = torch.empty([shape[axis] for axis in order], dtype=kind, device=place)
        except torch.OutOfMemoryError as error:
            raise no_memory(shape, dtype, device, error) from error
        return made if channel_axis < 0 else made.permute(inverse(order))

    def moved(self, name: str) -> str:
        """How an array becomes a CUDA tensor."""
        return f"torch.as_tensor({name}, device='{self.device_type}')"


@functools.cache
def _numbers() -> dict[Any, int]:
    torch = sys.modules["torch"]
    return {getattr(torch, name): number for number, name in enumerate(DTYPES)}
