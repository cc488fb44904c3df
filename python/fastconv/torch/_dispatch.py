"""Whether a call needs torch's dispatcher, or may go straight to the kernel."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch._C import _len_torch_dispatch_stack
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd import forward_ad
from torch.overrides import handle_torch_function, has_torch_function

from fastconv.errors import UnsupportedError
from fastconv.torch._tensors import COMPUTES_ON

P = ParamSpec("P")
R = TypeVar("R")

_PLAIN = (torch.Tensor, torch.nn.Parameter)


def is_plain(*tensors: torch.Tensor | None) -> bool:
    """Whether all tensors are ordinary ones in memory, and nobody records or transforms the call.

    A call through the dispatcher costs about 14 us, and 45 with autograd, where a small
    convolution takes 2. What autograd, torch.compile, torch.export, torch.jit.trace, the
    profiler, functorch's transforms or a dispatch mode must see goes through it all the same.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return False
    if forward_ad._current_level >= 0:
        _refuse_tangents(tensors)
        return False
    if _len_torch_dispatch_stack():
        return False
    if torch.autograd._profiler_enabled():  # type: ignore[attr-defined]
        return False
    grad = torch.is_grad_enabled()
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in _PLAIN or (grad and tensor.requires_grad):
            return False
        if tensor.device.type not in COMPUTES_ON or is_functorch_wrapped_tensor(tensor):
            return False
    return True


def _refuse_tangents(tensors: tuple[torch.Tensor | None, ...]) -> None:
    """The operators have no forward-mode derivative, and torch would take it for zero."""
    for tensor in tensors:
        if tensor is not None and forward_ad.unpack_dual(tensor).tangent is not None:
            raise UnsupportedError(
                "a tensor carries a tangent of forward-mode differentiation (torch.func.jvp, "
                "forward_ad), which fastconv.torch lacks; use reverse mode, or torch.nn.functional"
            )


def overridable(function: Callable[P, R]) -> Callable[P, R]:
    """Let classes with ``__torch_function__``, and torch.fx, see calls of a function."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = (*args, *kwargs.values())
        if has_torch_function(given):
            result: R = handle_torch_function(call, given, *args, **kwargs)
            return result
        return function(*args, **kwargs)

    return call
