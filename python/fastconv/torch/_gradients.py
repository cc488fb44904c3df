"""What computes gradients: the one place that knows.

Those of convolutions are fastconv's, and on GPUs all. On the CPU averages, which are linear, get
fastconv's transposed convolution with ones, or a product with a matrix of shares per axis where
windows differ in size. A maximum sends its gradient to where it was found (torch's scatter_add).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

import fastconv
from fastconv import _core
from fastconv.torch._library import pairwise
from fastconv.torch._tensors import as_array, as_tensor, is_on_gpu

Ints = Sequence[int]
Tensor: TypeAlias = torch.Tensor
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]

_ARGUMENTS = ("x", "weight", "bias")


def conv(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    dilation: Ints,
    groups: int,
    transposed: bool,
    *,
    wants: tuple[bool, ...],
) -> Gradients:
    """Gradients of a convolution with respect to input, weight and bias, where wanted."""
    rank = len(stride)
    name = f"conv{'_transpose' if transposed else ''}{rank}d_backward"
    options = {"output_padding": tuple(output_padding)} if transposed else {}
    arrays = getattr(fastconv, name)(
        as_array(grad),
        as_array(x),
        as_array(weight),
        stride=tuple(stride),
        padding=tuple(pairwise(padding)),
        dilation=tuple(dilation),
        groups=groups,
        bias=wants[2],
        wanted=[name for name, want in zip(_ARGUMENTS, wants, strict=True) if want],
        **options,
    )
    x_grad, weight_grad, bias_grad = (None if a is None else as_tensor(a) for a in arrays)
    return x_grad, weight_grad, bias_grad


def max_pool(grad: Tensor, x: Tensor, indices: Tensor, rank: int, *window: Any) -> Tensor:
    """Gradient of a maximum: everything goes to the element that won.

    ``window`` is kernel size, stride, padding, dilation and ceil_mode; an empty kernel size stands
    for adaptive windows.
    """
    if is_on_gpu(x):
        return _max_pool_on_gpu(grad, x, indices, rank, *window)
    start = x.dim() - rank
    plane = torch.zeros_like(x, memory_format=torch.contiguous_format).flatten(start)
    where, values = indices.flatten(start), grad.flatten(start)
    # A window without elements has index -1.
    plane.scatter_add_(-1, where.clamp_min(0), values.masked_fill(where < 0, 0))
    return plane.view(x.shape)


def _max_pool_on_gpu(
    grad: Tensor,
    x: Tensor,
    indices: Tensor,
    rank: int,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> Tensor:
    """Inputs gather from the windows that they lie in: no atomics, the same bits every time."""
    arrays = as_array(grad), as_array(x)
    if not kernel:
        size = tuple(grad.shape[-rank:])
        return as_tensor(
            _core.adaptive_pool_backward(rank, _core.POOL_MAX, *arrays, size, as_array(indices))
        )
    return as_tensor(
        _core.pool_backward(
            rank, _core.POOL_MAX, *arrays, tuple(kernel), tuple(stride),
            tuple(pairwise(padding)), tuple(dilation), ceil_mode, True, None, as_array(indices),
        )
    )  # fmt: skip


def avg_pool(
    grad: Tensor,
    x: Tensor,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Gradient of a mean: each window spreads its share over its elements."""
    rank = len(kernel)
    if is_on_gpu(x):
        return as_tensor(
            _core.pool_backward(
                rank, _core.POOL_AVERAGE, as_array(grad), as_array(x), tuple(kernel),
                tuple(stride), tuple(pairwise(padding)), 1, ceil_mode, count_include_pad,
                divisor_override, None,
            )
        )  # fmt: skip
    sizes, outputs = x.shape[-rank:], grad.shape[-rank:]
    pairs, extra = [], []
    divisor = torch.ones((), dtype=torch.float64)
    for axis, (lo, hi) in enumerate(pairwise(padding)):
        n, k, s, out = sizes[axis], kernel[axis], stride[axis], outputs[axis]
        first = torch.arange(out) * s - lo
        inside = (first.clamp_min(0), (first + k).clamp_max(n))
        counted = (first, (first + k).clamp_max(n + hi)) if count_include_pad else inside
        count = counted[1] - counted[0]
        divisor = divisor.unsqueeze(-1) * count.to(divisor.dtype)
        missing = n - ((out - 1) * s - lo - hi + k)
        pairs.append((lo, hi + max(-missing, 0)))
        extra.append(max(missing, 0))
    if divisor_override is not None:
        divisor = torch.tensor(float(divisor_override), dtype=torch.float64)
    share = grad / divisor.to(grad.dtype if grad.dtype.itemsize > 2 else torch.float32)
    channels = x.size(x.dim() - rank - 1)
    ones = share.new_ones(1).expand(channels, 1, *kernel)
    spread = _core.conv(
        rank, True, as_array(share), as_array(ones), None, tuple(stride), tuple(pairs),
        tuple(extra), 1, channels, "auto", None, "highest", None,
    )  # fmt: skip
    return as_tensor(spread).to(grad.dtype)


def adaptive_avg_pool(grad: Tensor, x: Tensor, output_size: Ints) -> Tensor:
    """Gradient of adaptive means: window o of n elements is floor(on/m) to ceil((o+1)n/m)."""
    rank = len(output_size)
    if is_on_gpu(x):
        size = tuple(output_size)
        return as_tensor(
            _core.adaptive_pool_backward(
                rank, _core.POOL_AVERAGE, as_array(grad), as_array(x), size, None
            )
        )
    wide = grad if grad.dtype.itemsize > 2 else grad.float()
    for axis, (m, n) in enumerate(zip(output_size, x.shape[-rank:], strict=True)):
        at, window = torch.arange(n), torch.arange(m).unsqueeze(1)
        first, end = window * n // max(m, 1), -(-(window + 1) * n // max(m, 1))
        shares = ((at >= first) & (at < end)).to(wide.dtype) / (end - first)
        place = x.dim() - rank + axis
        wide = torch.tensordot(wide, shares.to(wide.dtype), dims=([place], [0])).movedim(-1, place)
    return wide.to(grad.dtype)
