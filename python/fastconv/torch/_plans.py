"""Weights of a layer packed once, and kept while nobody changes them."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

import fastconv
from fastconv import _core
from fastconv.errors import FastconvError
from fastconv.torch._dispatch import is_plain
from fastconv.torch._tensors import as_array, empty_result, is_channels_last, is_on_gpu

Tensor: TypeAlias = torch.Tensor

# Each plan holds a copy of the weights, so a layer that meets ever new shapes must forget some.
_MOST_PLANS = 8


class PlanCache:
    """Plans of one layer, by input shape.

    A plan is dropped when its weight or bias is another tensor, lies elsewhere in memory or has
    another version (every in-place change that autograd sees counts it up: optimisers,
    ``load_state_dict``, ``copy_``). A change behind torch's back, through ``.data`` or a NumPy
    view, is not seen; a forward pass in training mode drops the plans too.
    """

    def __init__(self) -> None:
        self._source: tuple[Any, ...] = ()
        self._held: tuple[Any, ...] = ()
        self._plans: dict[tuple[Any, ...], _core.ConvPlan] = {}

    def __len__(self) -> int:
        return len(self._plans)

    def __deepcopy__(self, memo: Any) -> PlanCache:
        """A copied layer has weights of its own, and starts without plans."""
        return PlanCache()

    def __reduce__(self) -> tuple[Any, ...]:
        return PlanCache, ()

    def clear(self) -> None:
        """Forget all plans."""
        self._source, self._held = (), ()
        self._plans.clear()

    def run(
        self, op: str, x: Tensor, weight: Tensor, bias: Tensor | None, options: tuple[Any, ...]
    ) -> Tensor | None:
        """Compute a layer by its plan; None where a plan cannot or need not serve.

        Args:
            op: As for :func:`fastconv.plan`.
            x: Input.
            weight: The layer's Parameter; a tensor computed anew for each call is not planned for.
            bias: The layer's bias.
            options: stride, padding, dilation, groups and output_padding.
        """
        rank = weight.dim() - 2
        if is_on_gpu(x):
            return None  # its kernels take weights as they are
        if not is_plain(x, weight, bias) or not isinstance(weight, torch.nn.Parameter):
            return None
        if weight.is_inference() or x.dtype != weight.dtype or x.numel() == 0:
            return None
        if x.dim() not in (rank + 1, rank + 2) or torch.is_autocast_enabled("cpu"):
            return None
        channels_last = is_channels_last(x, rank)
        if not channels_last and not x.is_contiguous():
            return None  # a plan would copy x; the call takes it as it is
        self._check_source(weight, bias)
        key = (op, x.shape, channels_last, options, fastconv.get_precision())
        plan = self._plans.get(key)
        if plan is None:
            try:
                plan = self._make(op, x, weight, bias, options, channels_last)
            except FastconvError:
                return None  # the plain call says what is wrong
            if len(self._plans) == _MOST_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = plan
        y = empty_result(x, plan.output_shape, rank)
        plan(as_array(x), as_array(y))
        return y

    def _check_source(self, weight: Tensor, bias: Tensor | None) -> None:
        source: tuple[int, ...] = (weight._version, weight.data_ptr())
        if bias is not None:
            source += (bias._version, bias.data_ptr())
        if source == self._source and self._held[0] is weight and self._held[1] is bias:
            return
        self.clear()
        # The views keep the memory, so that no other tensor can come to lie at its address.
        views = (weight.detach(), None if bias is None else bias.detach())
        self._source, self._held = source, (weight, bias, *views)

    @staticmethod
    def _make(
        op: str,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        options: tuple[Any, ...],
        channels_last: bool,
    ) -> _core.ConvPlan:
        stride, padding, dilation, groups, output_padding = options
        return fastconv.plan(
            op,
            tuple(x.shape),
            as_array(weight),
            None if bias is None else as_array(bias),
            stride,
            padding,
            dilation,
            groups,
            output_padding=output_padding,
            memory_format="channels_last" if channels_last else "contiguous",
        )
