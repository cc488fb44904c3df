"""Pooling of tensors, with the arguments of ``torch.nn.functional``."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

from fastconv._arguments import flag, integer, is_sequence
from fastconv._window import Window, pool_window
from fastconv.errors import ShapeError
from fastconv.torch import _pool_ops as ops
from fastconv.torch._conv import PaddingLike, PerAxis
from fastconv.torch._dispatch import is_plain, overridable
from fastconv.torch._tensors import check_tensor

Tensor: TypeAlias = torch.Tensor
Pooled: TypeAlias = Tensor | tuple[Tensor, Tensor]
OutputSize = int | tuple[int | None, ...] | None


def _check(x: Any, rank: int) -> None:
    check_tensor("x", x)
    if x.dim() not in (rank + 1, rank + 2):
        raise ShapeError(
            f"x has shape {tuple(x.shape)}; {rank}-D pooling needs {rank + 2} axes (batch, "
            f"channels, and {rank} spatial), or one fewer without the batch"
        )


def _sides(window: Window) -> tuple[int, ...]:
    return tuple(side for pair in window.padding for side in pair)


def _differentiated(x: Tensor) -> bool:
    # A trace must not depend on whether gradients are asked for while it is recorded.
    if torch.jit.is_tracing():  # type: ignore[attr-defined]
        return False
    return torch.is_grad_enabled() and x.requires_grad


def _max_pool(
    rank: int,
    x: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Pooled:
    _check(x, rank)
    window = pool_window(rank, kernel_size, stride, padding, dilation)
    ceil_mode = flag("ceil_mode", ceil_mode)
    options = (window.kernel, window.stride, _sides(window), window.dilation, ceil_mode)
    if flag("return_indices", return_indices):
        both: tuple[Tensor, Tensor]
        if is_plain(x):
            both = ops.max_pool_with_indices(x, *options)
        else:
            both = ops.max_pool_with_indices_op(x, *options)
        return both
    if is_plain(x):
        return ops.max_pool(x, *options)
    # The gradient needs the positions; finding them later would take a second pass.
    values: Tensor
    if _differentiated(x):
        values = ops.max_pool_with_indices_op(x, *options)[0]
    else:
        values = ops.max_pool_op(x, *options)
    return values


def _avg_pool(
    rank: int,
    x: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    _check(x, rank)
    window = pool_window(rank, kernel_size, stride, padding)
    ceil_mode, count = flag("ceil_mode", ceil_mode), flag("count_include_pad", count_include_pad)
    if divisor_override is not None:
        divisor_override = integer("divisor_override", divisor_override)
    options = (window.kernel, window.stride, _sides(window), ceil_mode, count, divisor_override)
    y: Tensor = (ops.avg_pool if is_plain(x) else ops.avg_pool_op)(x, *options)
    return y


def _output_size(rank: int, x: Tensor, output_size: Any) -> tuple[int, ...]:
    entries = tuple(output_size) if is_sequence(output_size) else (output_size,) * rank
    if len(entries) == 1:
        entries *= rank
    if len(entries) != rank:
        raise ShapeError(
            f"output_size must have one entry per spatial axis ({rank}), got {output_size!r}; pass "
            f"a single int or a tuple of {rank}"
        )
    return tuple(
        x.size(x.dim() - rank + axis)
        if size is None
        else integer(f"output_size[{axis}]", size, minimum=0)
        for axis, size in enumerate(entries)
    )


def _adaptive_max(rank: int, x: Tensor, output_size: Any, return_indices: bool) -> Pooled:
    _check(x, rank)
    size = _output_size(rank, x, output_size)
    if flag("return_indices", return_indices):
        both: tuple[Tensor, Tensor]
        if is_plain(x):
            both = ops.adaptive_max_pool_with_indices(x, size)
        else:
            both = ops.adaptive_max_pool_with_indices_op(x, size)
        return both
    if is_plain(x):
        return ops.adaptive_max_pool(x, size)
    values: Tensor
    if _differentiated(x):
        values = ops.adaptive_max_pool_with_indices_op(x, size)[0]
    else:
        values = ops.adaptive_max_pool_op(x, size)
    return values


def _adaptive_avg(rank: int, x: Tensor, output_size: Any) -> Tensor:
    _check(x, rank)
    size = _output_size(rank, x, output_size)
    y: Tensor = (ops.adaptive_avg_pool if is_plain(x) else ops.adaptive_avg_pool_op)(x, size)
    return y


@overridable
def max_pool1d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Largest element of each window of (N, C, L) or (C, L); see :func:`max_pool2d`."""
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@overridable
def max_pool2d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Largest element of each window of (N, C, H, W) or (C, H, W).

    Args:
        x: As for :func:`fastconv.torch.conv2d`.
        kernel_size: Elements of the window, an int or one per axis.
        stride: Step of the window; None or () means kernel_size.
        padding: Elements around the input, at most half of the dilated kernel; pairs are taken.
        dilation: Distance between the elements of a window.
        ceil_mode: Round the output size up.
        return_indices: Also return the flat positions of the maxima in their planes (int64).

    Returns:
        (N, C, H', W') of x's dtype and memory format, or (values, indices).

    Raises:
        FastconvError: As :func:`fastconv.max_pool2d`, and for other devices and layouts.
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@overridable
def max_pool3d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Largest element of each window of (N, C, D, H, W) or (C, D, H, W); see :func:`max_pool2d`."""
    return _max_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@overridable
def avg_pool1d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of (N, C, L) or (C, L); see :func:`avg_pool2d`."""
    return _avg_pool(
        1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@overridable
def avg_pool2d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of (N, C, H, W) or (C, H, W).

    Args:
        x: As for :func:`fastconv.torch.conv2d`.
        kernel_size: Elements of the window, an int or one per axis.
        stride: Step of the window; None or () means kernel_size.
        padding: Zeros around the input, at most half of the kernel; pairs are taken.
        ceil_mode: Round the output size up.
        count_include_pad: Whether padding counts in the number of elements.
        divisor_override: Divide by this instead of the number of elements.

    Returns:
        (N, C, H', W') of x's dtype and memory format.

    Raises:
        FastconvError: As :func:`fastconv.avg_pool2d`, and for other devices and layouts.
    """
    return _avg_pool(
        2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@overridable
def avg_pool3d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of (N, C, D, H, W) or (C, D, H, W); see :func:`avg_pool2d`."""
    return _avg_pool(
        3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@overridable
def adaptive_avg_pool1d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Mean over adaptive windows of (N, C, L) or (C, L); see :func:`adaptive_max_pool2d`."""
    return _adaptive_avg(1, x, output_size)


@overridable
def adaptive_avg_pool2d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Mean over adaptive windows of (N, C, H, W) or (C, H, W); see :func:`adaptive_max_pool2d`."""
    return _adaptive_avg(2, x, output_size)


@overridable
def adaptive_avg_pool3d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Mean over adaptive windows of 3-D volumes; see :func:`adaptive_max_pool2d`."""
    return _adaptive_avg(3, x, output_size)


@overridable
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, return_indices: bool = False) -> Pooled:
    """Largest element of adaptive windows of (N, C, L); see :func:`adaptive_max_pool2d`."""
    return _adaptive_max(1, x, output_size, return_indices)


@overridable
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, return_indices: bool = False) -> Pooled:
    """Largest element of adaptive windows of (N, C, H, W) or (C, H, W).

    Args:
        x: As for :func:`fastconv.torch.conv2d`.
        output_size: Sizes of the result, an int or one per axis; None keeps an axis as it is.
        return_indices: Also return the flat positions of the maxima in their planes (int64).

    Returns:
        (N, C, H', W') of x's dtype and memory format, or (values, indices).

    Raises:
        FastconvError: As :func:`fastconv.adaptive_max_pool2d`, and for other devices and layouts.
    """
    return _adaptive_max(2, x, output_size, return_indices)


@overridable
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, return_indices: bool = False) -> Pooled:
    """Largest element of adaptive windows of volumes; see :func:`adaptive_max_pool2d`."""
    return _adaptive_max(3, x, output_size, return_indices)
