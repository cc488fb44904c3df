"""The operators ``fastconv::conv`` and ``fastconv::conv_backward``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from fastconv import _core
from fastconv._window import Window
from fastconv.torch import _gradients
from fastconv.torch._library import define, pairwise
from fastconv.torch._tensors import as_array, as_tensor, empty_result, laid_out

Ints = Sequence[int]
Tensor: TypeAlias = torch.Tensor

# What a convolution is, besides its tensors: padding before and after each axis in turn.
_OPTIONS = (
    "SymInt[] stride, SymInt[] padding, SymInt[] output_padding, SymInt[] dilation, "
    "SymInt groups, bool transposed"
)


def output_size(
    x: Tensor,
    weight: Tensor,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    dilation: Ints,
    groups: int,
    transposed: bool,
) -> list[int] | None:
    """Shape of the result, or None where the arguments do not fit together."""
    rank = weight.dim() - 2
    lead = x.dim() - rank
    if rank != len(stride) or lead not in (1, 2):
        return None
    kernel, pairs = tuple(weight.shape[2:]), tuple(pairwise(padding))
    window = Window(kernel, tuple(stride), tuple(dilation), pairs)
    if transposed:
        channels = weight.size(1) * groups
        sizes = window.transposed_sizes(tuple(x.shape[lead:]), tuple(output_padding))
    else:
        # Without input channels there are none in the result either.
        channels = weight.size(0) if x.size(lead - 1) else 0
        sizes = window.output_sizes(tuple(x.shape[lead:]))
    return [*x.shape[: lead - 1], channels, *sizes]


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
    """Compute a convolution, into memory of torch."""
    stride, padding, output_padding, dilation, groups, transposed = options
    rank = len(stride)
    size = output_size(x, weight, *options)
    # Arguments that do not fit get the error of the core.
    y = None if size is None else empty_result(x, size, rank)
    result = _core.conv(
        rank,
        transposed,
        as_array(x),
        as_array(weight),
        None if bias is None else as_array(bias),
        tuple(stride),
        tuple(pairwise(padding)),
        tuple(output_padding),
        tuple(dilation),
        groups,
        "auto",
        None,
        None,
        None if y is None else as_array(y),
    )
    return as_tensor(result) if y is None else y


def _fake_conv(x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
    size = output_size(x, weight, *options)
    torch._check(size is not None, lambda: "the shapes of the convolution do not fit together")
    assert size is not None
    return empty_result(x, size, len(options[0]))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, _, *ctx.options = inputs
    ctx.save_for_backward(x, weight)


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    wants = list(ctx.needs_input_grad[:3])
    gradients = conv_backward_op(grad, *ctx.saved_tensors, *ctx.options, wants)
    wanted = (g if want else None for g, want in zip(gradients, wants, strict=True))
    return (*wanted, *[None] * len(ctx.options))


def _conv_backward(
    grad: Tensor, x: Tensor, weight: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    *options, wants = rest
    computed = _gradients.conv(grad, x, weight, *options, wants=tuple(wants))
    made = _fake_conv_backward(grad, x, weight, *rest)
    x_grad, weight_grad, bias_grad = map(laid_out, computed, made)
    return x_grad, weight_grad, bias_grad


def _fake_conv_backward(
    grad: Tensor, x: Tensor, weight: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    *options, wants = rest
    rank = len(options[0])
    channels = grad.size(grad.dim() - rank - 1)
    return (
        empty_result(x, x.shape, rank) if wants[0] else x.new_empty(0),
        empty_result(weight, weight.shape, rank) if wants[1] else x.new_empty(0),
        x.new_empty(channels if wants[2] else 0),
    )


def _save_backward(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    grad, x, weight, *ctx.options, ctx.wants = inputs
    ctx.save_for_backward(grad, x, weight)


def _backward_of_backward(ctx: Any, x_to: Tensor, weight_to: Tensor, bias_to: Tensor) -> Any:
    """Gradients of the gradients: a convolution is linear in its input and in its weight."""
    grad, x, weight = ctx.saved_tensors
    options = ctx.options
    grad_to = x_more = weight_more = None
    for_grad, for_x, for_weight = ctx.needs_input_grad[:3]
    if for_grad:
        terms = []
        if ctx.wants[0]:
            terms.append(conv_op(x_to, weight, None, *options))
        if ctx.wants[1]:
            terms.append(conv_op(x, weight_to, None, *options))
        if ctx.wants[2]:
            terms.append(bias_to.view(-1, *[1] * len(options[0])).expand_as(grad))
        grad_to = sum(terms[1:], start=terms[0])
    if for_x and ctx.wants[1]:
        x_more = conv_backward_op(grad, x, weight_to, *options, [True, False, False])[0]
    if for_weight and ctx.wants[0]:
        weight_more = conv_backward_op(grad, x_to, weight, *options, [False, True, False])[1]
    return grad_to, x_more, weight_more, *[None] * (len(options) + 1)


conv_backward_op = define(
    f"conv_backward(Tensor grad_output, Tensor x, Tensor weight, {_OPTIONS}, bool[] wants) "
    "-> (Tensor, Tensor, Tensor)",
    compute=_conv_backward,
    fake=_fake_conv_backward,
    backward=_backward_of_backward,
    setup_context=_save_backward,
)
conv_op = define(
    f"conv(Tensor x, Tensor weight, Tensor? bias, {_OPTIONS}) -> Tensor",
    compute=conv,
    fake=_fake_conv,
    backward=_backward,
    setup_context=_save,
)
