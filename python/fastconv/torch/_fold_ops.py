"""The operators ``fastconv::unfold`` and ``fastconv::fold``: each is the other's gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from fastconv import _core
from fastconv._window import Window
from fastconv.torch._library import define, pairwise
from fastconv.torch._tensors import as_array, as_tensor

Ints = Sequence[int]
Tensor: TypeAlias = torch.Tensor

_OPTIONS = "SymInt[] kernel_size, SymInt[] dilation, SymInt[] padding, SymInt[] stride"


def unfold(x: Tensor, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Tensor:
    """Every window as a column."""
    pairs = tuple(pairwise(padding))
    columns = _core.unfold(as_array(x), tuple(kernel), tuple(dilation), pairs, tuple(stride))
    return as_tensor(columns)


def fold(
    x: Tensor, output_size: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> Tensor:
    """Sum of columns into an image."""
    pairs = tuple(pairwise(padding))
    image = _core.fold(
        as_array(x), tuple(kernel), tuple(dilation), pairs, tuple(stride), tuple(output_size)
    )
    return as_tensor(image)


def _fake_unfold(x: Tensor, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Tensor:
    lead = x.dim() - 2
    window = Window(tuple(kernel), tuple(stride), tuple(dilation), tuple(pairwise(padding)))
    positions = math.prod(window.output_sizes(tuple(x.shape[lead:])))
    rows = x.size(lead - 1) * math.prod(kernel)
    return torch.empty((*x.shape[: lead - 1], rows, positions), dtype=x.dtype, device=x.device)


def _fake_fold(x: Tensor, output_size: Ints, kernel: Ints, *_: Any) -> Tensor:
    channels = x.size(x.dim() - 2) // math.prod(kernel)
    size = (*x.shape[:-2], channels, *output_size)
    return torch.empty(size, dtype=x.dtype, device=x.device)


def _save_unfold(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, *ctx.options = inputs
    ctx.size = list(x.shape[-2:])


def _of_unfold(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (fold_op(grad, ctx.size, *ctx.options), *[None] * 4)


def _save_fold(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, _, *ctx.options = inputs


def _of_fold(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (unfold_op(grad, *ctx.options), *[None] * 5)


unfold_op = define(
    f"unfold(Tensor x, {_OPTIONS}) -> Tensor",
    compute=unfold,
    fake=_fake_unfold,
    backward=_of_unfold,
    setup_context=_save_unfold,
)
fold_op = define(
    f"fold(Tensor x, SymInt[] output_size, {_OPTIONS}) -> Tensor",
    compute=fold,
    fake=_fake_fold,
    backward=_of_fold,
    setup_context=_save_fold,
)
