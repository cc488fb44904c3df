"""PyTorch on the CPU: eager, eager on channels-last tensors, and with weights packed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..contestant import DeclinedError, Prepared, Settings, as_convolution, as_image, forward_only
from ..problem import Arrays, Problem, element_type, geometry

_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def _tensor(array: NDArray[Any], settings: Settings) -> torch.Tensor:
    """Return a tensor of the type that peers compute in, which shares memory where it can."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array).to(getattr(torch, settings.peer_dtype))


def _array(y: torch.Tensor, settings: Settings) -> NDArray[Any]:
    """Return the values as an array of the run's type."""
    if settings.dtype == "bfloat16":
        return y.contiguous().view(torch.int16).numpy().view(element_type("bfloat16"))
    return y.to(getattr(torch, settings.dtype)).numpy()


def _fetch(problem: Problem, settings: Settings) -> Callable[[torch.Tensor], NDArray[Any]]:
    return lambda y: as_image(problem, _array(y, settings))


def border(problem: Problem) -> tuple[list[int], list[int] | None]:
    """Symmetric padding, and what functional.pad must add first where the sides differ."""
    g = geometry(problem)
    if g.pad_lo == g.pad_hi:
        return list(g.pad_lo), None
    if problem.is_transposed:
        raise DeclinedError("transposed convolution takes the same padding on both sides")
    last_axis_first = zip(reversed(g.pad_lo), reversed(g.pad_hi), strict=True)
    return [0] * problem.rank, [p for pair in last_axis_first for p in pair]


class Eager:
    """Plain ``torch.nn.functional`` calls on contiguous tensors."""

    key = "torch"
    title = "PyTorch eager, NCHW"
    distributions = ("torch",)

    def _place(self, problem: Problem, x: torch.Tensor) -> torch.Tensor:
        """Lay an input or a weight out as this mode wants it."""
        return x

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind the tensors to the operator of the same name."""
        torch.set_num_threads(settings.threads)
        written, given = as_convolution(problem, arrays)
        function = getattr(functional, written.op, None)
        if function is None:
            raise DeclinedError(f"torch.nn.functional has no {written.op}")
        x = self._place(written, _tensor(np.ascontiguousarray(given.x), settings))
        options = dict(written.options)
        if problem.gradient:
            return self._prepare_gradient(written, given, settings)
        if given.weight is None:
            return Prepared(lambda: function(x, **options), _fetch(problem, settings))
        weight = self._place(written, _tensor(given.weight, settings))
        bias = None if given.bias is None else _tensor(given.bias, settings)
        options["padding"], extra = border(written)
        if extra is None:
            return Prepared(lambda: function(x, weight, bias, **options), _fetch(problem, settings))
        return Prepared(
            lambda: function(functional.pad(x, extra), weight, bias, **options),
            _fetch(problem, settings),
        )

    def _prepare_gradient(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Run the forward pass once; the timed call is autograd's backward pass alone."""
        function = getattr(functional, problem.op)
        options = dict(problem.options)
        placed: dict[str, torch.Tensor] = {}
        for name in ("x", "weight", "grad"):
            array = getattr(arrays, name)
            if array is not None:
                placed[name] = self._place(problem, _tensor(array, settings))
        wanted = placed[problem.gradient].requires_grad_()
        if arrays.weight is None:
            y = function(placed["x"], **options)
        else:
            options["padding"], extra = border(problem)
            x = placed["x"] if extra is None else functional.pad(placed["x"], extra)
            y = function(x, placed["weight"], None, **options)
        grad = placed["grad"]

        def run() -> Any:
            return torch.autograd.grad(y, wanted, grad, retain_graph=True)[0]

        return Prepared(run, _fetch(problem, settings))


class ChannelsLast(Eager):
    """The same calls on tensors whose channels are innermost in memory."""

    key = "torch-channels-last"
    title = "PyTorch eager, channels_last"

    def _place(self, problem: Problem, x: torch.Tensor) -> torch.Tensor:
        if problem.rank not in _CHANNELS_LAST:
            raise DeclinedError("PyTorch has no channels-last format for 1-D tensors")
        return x.contiguous(memory_format=_CHANNELS_LAST[problem.rank])


class Packed:
    """The operators that torch.compile emits: oneDNN weights reordered once, channels-last input.

    A 1-D problem runs as 2-D with one row, because the operators take 2-D and 3-D only.
    """

    key = "torch-packed"
    title = "PyTorch, prepacked weights"
    distributions = ("torch",)

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Reorder the weights for this input size."""
        forward_only(problem)
        if settings.dtype == "float64":
            raise DeclinedError("oneDNN has no float64 convolution")
        torch.set_num_threads(settings.threads)
        written, given = as_convolution(problem, arrays)
        if given.weight is None:
            raise DeclinedError("pooling has no weights to pack")
        g = geometry(written)
        padding, extra = border(written)
        stride, dilation = list(g.stride), list(g.dilation)
        output_padding = list(g.output_padding)
        x = _tensor(np.ascontiguousarray(given.x), settings)
        weight = _tensor(given.weight, settings)
        if written.rank == 1:
            x, weight = x.unsqueeze(2), weight.unsqueeze(2)
            padding, stride, dilation = [0, *padding], [1, *stride], [1, *dilation]
            output_padding = [0, *output_padding]
        x = x.contiguous(memory_format=_CHANNELS_LAST[max(2, written.rank)])
        size = list(x.shape if extra is None else functional.pad(x, extra).shape)
        bias = None if given.bias is None else _tensor(given.bias, settings)
        ops: Any = torch.ops.mkldnn
        if written.is_transposed:
            pack = ops._reorder_convolution_transpose_weight
            compute, steps = ops._convolution_transpose_pointwise, [output_padding, stride]
        else:
            pack, compute = ops._reorder_convolution_weight, ops._convolution_pointwise
            steps = [stride]
        try:
            packed = pack(weight, padding, *steps, dilation, written.groups, size)
        except RuntimeError as error:  # 16-bit types on processors without them
            raise DeclinedError(str(error).splitlines()[0]) from error
        tail = (packed, bias, padding, *steps, dilation, written.groups, "none", [], "")

        def run() -> Any:
            return compute(x if extra is None else functional.pad(x, extra), *tail)

        def fetch(y: torch.Tensor) -> NDArray[Any]:
            return as_image(problem, _array(y.squeeze(2) if written.rank == 1 else y, settings))

        return Prepared(run, fetch)
