"""The pooling operators of ``torch.ops.fastconv``, with their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from fastconv import _core
from fastconv._window import Window
from fastconv.torch import _gradients
from fastconv.torch._library import define, pairwise
from fastconv.torch._tensors import (
    as_array,
    as_tensor,
    empty_indices,
    empty_result,
    laid_out,
)

Ints = Sequence[int]
Tensor: TypeAlias = torch.Tensor

_WINDOW = "SymInt[] kernel_size, SymInt[] stride, SymInt[] padding"
_MAX = f"{_WINDOW}, SymInt[] dilation, bool ceil_mode"
_AVG = f"{_WINDOW}, bool ceil_mode, bool count_include_pad, SymInt? divisor_override"


def _lead(x: Tensor, rank: int) -> int:
    """Count the axes before the spatial ones; wrong counts are left to the core's errors."""
    return x.dim() - rank


def _pooled_size(
    x: Tensor, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> list[int]:
    lead = _lead(x, len(kernel))
    window = Window(tuple(kernel), tuple(stride), tuple(dilation), tuple(pairwise(padding)))
    return [*x.shape[:lead], *window.pooled_sizes(tuple(x.shape[lead:]), ceil_mode)]


def _adaptive_size(x: Tensor, output_size: Ints) -> list[int]:
    return [*x.shape[: _lead(x, len(output_size))], *output_size]


def _memory(x: Tensor, size: list[int], rank: int) -> Tensor | None:
    """Memory for the result; None where x has the wrong number of axes, for the core to say so."""
    return empty_result(x, size, rank) if _lead(x, rank) in (1, 2) else None


def _values(result: Any, out: Tensor | None) -> Tensor:
    return as_tensor(result) if out is None else out


def _max(x: Tensor, options: Sequence[Any], indices: bool) -> tuple[Tensor | None, Any]:
    kernel, stride, padding, dilation, ceil_mode = options
    rank = len(kernel)
    fits = _lead(x, rank) in (1, 2)
    out = _memory(x, _pooled_size(x, *options), rank) if fits else None
    result = _core.pool(
        rank,
        _core.POOL_MAX,
        as_array(x),
        tuple(kernel),
        tuple(stride),
        tuple(pairwise(padding)),
        tuple(dilation),
        ceil_mode,
        indices,
        True,
        None,
        1.0,
        None if out is None else as_array(out),
    )
    return out, result


def max_pool(x: Tensor, *options: Any) -> Tensor:
    """Largest element of each window."""
    out, result = _max(x, options, False)
    return _values(result, out)


def max_pool_with_indices(x: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    """Largest element of each window, and its flat position in its plane."""
    out, (values, indices) = _max(x, options, True)
    return _values(values, out), as_tensor(indices)


def avg_pool(x: Tensor, *options: Any) -> Tensor:
    """Mean of each window."""
    kernel, stride, padding, ceil_mode, count_include_pad, divisor_override = options
    rank = len(kernel)
    fits = _lead(x, rank) in (1, 2)
    size = _pooled_size(x, kernel, stride, padding, [1] * rank, ceil_mode) if fits else []
    out = _memory(x, size, rank)
    result = _core.pool(
        rank,
        _core.POOL_AVERAGE,
        as_array(x),
        tuple(kernel),
        tuple(stride),
        tuple(pairwise(padding)),
        1,
        ceil_mode,
        False,
        count_include_pad,
        divisor_override,
        1.0,
        None if out is None else as_array(out),
    )
    return _values(result, out)


def _adaptive(kind: int, x: Tensor, output_size: Ints, indices: bool) -> tuple[Tensor | None, Any]:
    rank = len(output_size)
    out = _memory(x, _adaptive_size(x, output_size), rank)
    given = None if out is None else as_array(out)
    return out, _core.adaptive_pool(rank, kind, as_array(x), tuple(output_size), indices, given)


def adaptive_avg_pool(x: Tensor, output_size: Ints) -> Tensor:
    """Mean over adaptive windows."""
    out, result = _adaptive(_core.POOL_AVERAGE, x, output_size, False)
    return _values(result, out)


def adaptive_max_pool(x: Tensor, output_size: Ints) -> Tensor:
    """Largest element of adaptive windows."""
    out, result = _adaptive(_core.POOL_MAX, x, output_size, False)
    return _values(result, out)


def adaptive_max_pool_with_indices(x: Tensor, output_size: Ints) -> tuple[Tensor, Tensor]:
    """Largest element of adaptive windows, and its flat position in its plane."""
    out, (values, indices) = _adaptive(_core.POOL_MAX, x, output_size, True)
    return _values(values, out), as_tensor(indices)


def _fake_max(x: Tensor, *options: Any) -> Tensor:
    return empty_result(x, _pooled_size(x, *options), len(options[0]))


def _fake_max_with_indices(x: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    size, rank = _pooled_size(x, *options), len(options[0])
    return empty_result(x, size, rank), empty_indices(x, size, rank)


def _fake_avg(x: Tensor, *options: Any) -> Tensor:
    kernel, stride, padding, ceil_mode, *_ = options
    rank = len(kernel)
    size = _pooled_size(x, kernel, stride, padding, [1] * rank, ceil_mode)
    return empty_result(x, size, rank)


def _fake_adaptive(x: Tensor, output_size: Ints) -> Tensor:
    return empty_result(x, _adaptive_size(x, output_size), len(output_size))


def _fake_adaptive_with_indices(x: Tensor, output_size: Ints) -> tuple[Tensor, Tensor]:
    size, rank = _adaptive_size(x, output_size), len(output_size)
    return empty_result(x, size, rank), empty_indices(x, size, rank)


def _fake_max_backward(grad: Tensor, x: Tensor, indices: Tensor, rank: int, *window: Any) -> Tensor:
    return empty_result(x, x.shape, rank)


def _max_backward(grad: Tensor, x: Tensor, indices: Tensor, rank: int, *window: Any) -> Tensor:
    computed = _gradients.max_pool(grad, x, indices, rank, *window)
    return laid_out(computed, empty_result(x, x.shape, rank))


def _fake_avg_backward(grad: Tensor, x: Tensor, *options: Any) -> Tensor:
    return empty_result(x, x.shape, len(options[0]))


def _avg_backward(grad: Tensor, x: Tensor, *options: Any) -> Tensor:
    empty = _fake_avg_backward(grad, x, *options)
    return laid_out(_gradients.avg_pool(grad, x, *options), empty)


def _adaptive_avg_backward(grad: Tensor, x: Tensor, output_size: Ints) -> Tensor:
    empty = _fake_avg_backward(grad, x, output_size)
    return laid_out(_gradients.adaptive_avg_pool(grad, x, output_size), empty)


def _save_positions(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, _, indices, ctx.rank, *_ = inputs
    ctx.save_for_backward(indices)


def _at_positions(ctx: Any, x_to: Tensor) -> tuple[Any, ...]:
    """What a gradient is spread over, gathered again: the spreading is linear."""
    (indices,) = ctx.saved_tensors
    start = indices.dim() - ctx.rank
    where = indices.flatten(start)
    picked = x_to.flatten(start).gather(-1, where.clamp_min(0)).masked_fill(where < 0, 0)
    return picked.view(indices.shape), *[None] * 8


def _save_options(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, _, *ctx.options = inputs


def _averaged(ctx: Any, x_to: Tensor) -> tuple[Any, ...]:
    op = avg_pool_op if len(ctx.options) > 1 else adaptive_avg_pool_op
    return (op(x_to, *ctx.options), None, *[None] * len(ctx.options))


_max_backward_op = define(
    f"max_pool_backward(Tensor grad_output, Tensor x, Tensor indices, int rank, {_MAX}) -> Tensor",
    compute=_max_backward,
    fake=_fake_max_backward,
    backward=_at_positions,
    setup_context=_save_positions,
)
_avg_backward_op = define(
    f"avg_pool_backward(Tensor grad_output, Tensor x, {_AVG}) -> Tensor",
    compute=_avg_backward,
    fake=_fake_avg_backward,
    backward=_averaged,
    setup_context=_save_options,
)
_adaptive_avg_backward_op = define(
    "adaptive_avg_pool_backward(Tensor grad_output, Tensor x, SymInt[] output_size) -> Tensor",
    compute=_adaptive_avg_backward,
    fake=_fake_avg_backward,
    backward=_averaged,
    setup_context=_save_options,
)


def _save_x(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, *ctx.options = inputs
    ctx.save_for_backward(x)


def _save_indices(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, *ctx.options = inputs
    ctx.save_for_backward(x, output[1])
    ctx.mark_non_differentiable(output[1])


def _spread(ctx: Any, grad: Tensor, x: Tensor, indices: Tensor) -> Tensor:
    rank = len(ctx.options[0])
    window = ctx.options if len(ctx.options) > 1 else ([], [], [], [], False)
    spread: Tensor = _max_backward_op(grad, x, indices, rank, *window)
    return spread


def _of_indices(ctx: Any, grad: Tensor, _: Tensor | None) -> tuple[Any, ...]:
    return (_spread(ctx, grad, *ctx.saved_tensors), *[None] * len(ctx.options))


def _of_max(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    (x,) = ctx.saved_tensors
    op = max_pool_with_indices_op if len(ctx.options) > 1 else adaptive_max_pool_with_indices_op
    indices = op(x, *ctx.options)[1]
    return (_spread(ctx, grad, x, indices), *[None] * len(ctx.options))


def _of_avg(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (_avg_backward_op(grad, *ctx.saved_tensors, *ctx.options), *[None] * len(ctx.options))


def _of_adaptive_avg(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (_adaptive_avg_backward_op(grad, *ctx.saved_tensors, *ctx.options), None)


max_pool_op = define(
    f"max_pool(Tensor x, {_MAX}) -> Tensor",
    compute=max_pool,
    fake=_fake_max,
    backward=_of_max,
    setup_context=_save_x,
)
max_pool_with_indices_op = define(
    f"max_pool_with_indices(Tensor x, {_MAX}) -> (Tensor, Tensor)",
    compute=max_pool_with_indices,
    fake=_fake_max_with_indices,
    backward=_of_indices,
    setup_context=_save_indices,
)
avg_pool_op = define(
    f"avg_pool(Tensor x, {_AVG}) -> Tensor",
    compute=avg_pool,
    fake=_fake_avg,
    backward=_of_avg,
    setup_context=_save_x,
)
adaptive_avg_pool_op = define(
    "adaptive_avg_pool(Tensor x, SymInt[] output_size) -> Tensor",
    compute=adaptive_avg_pool,
    fake=_fake_adaptive,
    backward=_of_adaptive_avg,
    setup_context=_save_x,
)
adaptive_max_pool_op = define(
    "adaptive_max_pool(Tensor x, SymInt[] output_size) -> Tensor",
    compute=adaptive_max_pool,
    fake=_fake_adaptive,
    backward=_of_max,
    setup_context=_save_x,
)
adaptive_max_pool_with_indices_op = define(
    "adaptive_max_pool_with_indices(Tensor x, SymInt[] output_size) -> (Tensor, Tensor)",
    compute=adaptive_max_pool_with_indices,
    fake=_fake_adaptive_with_indices,
    backward=_of_indices,
    setup_context=_save_indices,
)
