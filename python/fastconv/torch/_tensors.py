"""Tensors seen as NumPy arrays of the same memory, and results made in torch's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastconv.errors import ArgumentTypeError, BackendUnavailableError, DTypeError

_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
# Types of devices.
COMPUTES_ON = ("cpu", "cuda")
_ON_GPU = ("cuda",)
_ALLOWED = "float32, float64, float16 or bfloat16"


def check_tensor(name: str, tensor: Any) -> None:
    """Refuse what no operator takes: other types, dtypes, layouts and devices.

    Meta tensors pass: they get a meta result of the right shape.
    """
    if not isinstance(tensor, torch.Tensor):
        raise ArgumentTypeError(
            f"{name} is a {type(tensor).__name__}; it must be a torch.Tensor of {_ALLOWED}: "
            f"convert it with torch.as_tensor({name}), or call fastconv itself for NumPy arrays"
        )
    if tensor.layout is not torch.strided:
        raise DTypeError(
            f"{name} has layout {tensor.layout}; it must be a dense (torch.strided) tensor: "
            f"convert it with {name}.to_dense()"
        )
    if tensor.is_quantized:
        raise DTypeError(
            f"{name} is quantised ({tensor.dtype}); it must be of {_ALLOWED}: convert it with "
            f"{name}.dequantize()"
        )
    if tensor.dtype not in _FLOATS:
        raise DTypeError(
            f"{name} has dtype {tensor.dtype}; it must be {_ALLOWED}: convert it "
            f"with {name}.float()"
        )
    if tensor.device.type not in (*COMPUTES_ON, "meta"):
        raise BackendUnavailableError(
            f"{name} is on device {tensor.device}; fastconv.torch computes on CPUs and CUDA GPUs: "
            f"move it with {name}.cpu(), or call torch.nn.functional for tensors on "
            f"{tensor.device.type}"
        )


def check_like(name: str, tensor: Any, x: torch.Tensor) -> None:
    """Refuse an operand that no operator takes, or that does not go with ``x``."""
    check_tensor(name, tensor)
    if tensor.dtype != x.dtype:
        raise DTypeError(
            f"{name} has dtype {tensor.dtype} and x has {x.dtype}; they must be the same: convert "
            f"one of them, for example with {name}.to(x.dtype)"
        )
    if tensor.device != x.device:
        raise BackendUnavailableError(
            f"{name} is on device {tensor.device} and x on {x.device}; they must be on the same: "
            f"move one of them, for example with {name}.to(x.device)"
        )


def as_array(tensor: torch.Tensor) -> Any:
    """Return an array of the tensor's memory, whatever its strides; nothing is copied.

    A tensor on a GPU is an array for fastconv already. A tensor with the negative bit (a view that
    torch negates when it is read) is computed first. NumPy knows bfloat16 through the package
    ml_dtypes.
    """
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.is_neg():
        tensor = tensor.resolve_neg()
    if is_on_gpu(tensor):
        return tensor
    if tensor.dtype is not torch.bfloat16:
        return tensor.numpy()
    return tensor.view(torch.int16).numpy().view(_bfloat16())


def as_tensor(array: NDArray[Any] | torch.Tensor) -> torch.Tensor:
    """Return a tensor of the array's memory; nothing is copied."""
    if isinstance(array, torch.Tensor):
        return array
    if array.dtype.kind != "V" and array.dtype.name != "bfloat16":
        return torch.from_numpy(array)
    return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)


def _bfloat16() -> np.dtype[Any]:
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise BackendUnavailableError(
            "bfloat16 tensors need the package ml_dtypes, which is not installed: "
            "pip install 'fastconv[torch]'"
        ) from None
    return np.dtype(bfloat16)


def is_on_gpu(tensor: torch.Tensor) -> bool:
    """Whether fastconv computes a tensor's operators with its kernels for GPUs."""
    return tensor.device.type in _ON_GPU


def is_channels_last(x: torch.Tensor, rank: int) -> bool:
    """Whether the channels lie side by side, so that the result's should as well.

    The rule of fastconv's own results. It holds for every rank and for slices, where torch has
    memory formats for dense 2-D and 3-D batches only.
    """
    channels = x.dim() - rank - 1
    return x.size(channels) > 1 and x.stride(channels) == 1 and not x.is_contiguous()


def empty_result(x: torch.Tensor, size: Sequence[int], rank: int) -> torch.Tensor:
    """Memory for a result of ``x``'s dtype, device and order of axes, ``size`` large."""
    if not is_channels_last(x, rank):
        return torch.empty(size, dtype=x.dtype, device=x.device)
    return x.new_empty_strided(size, channels_last_strides(size, rank))


def empty_indices(x: torch.Tensor, size: Sequence[int], rank: int) -> torch.Tensor:
    """Memory for positions of elements, laid out as :func:`empty_result` lays out values."""
    if not is_channels_last(x, rank):
        return torch.empty(size, dtype=torch.int64, device=x.device)
    return x.new_empty_strided(size, channels_last_strides(size, rank), dtype=torch.int64)


def channels_last_strides(size: Sequence[int], rank: int) -> tuple[int, ...]:
    """Strides of a dense tensor whose channels vary fastest."""
    channels = len(size) - rank - 1
    strides = [0] * len(size)
    strides[channels] = 1
    step = max(size[channels], 1)
    for axis in reversed(range(len(size))):
        if axis != channels:
            strides[axis] = step
            step *= max(size[axis], 1)
    return tuple(strides)


def laid_out(computed: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Return what was computed with the strides of ``like``; ``like`` itself where nothing was."""
    if computed is None:
        return like
    if computed.shape == like.shape and computed.stride() == like.stride():
        return computed
    return like.copy_(computed)
