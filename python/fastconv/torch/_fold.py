"""unfold and fold of tensors."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

from fastconv._arguments import per_axis
from fastconv._window import unfold_window
from fastconv.errors import ShapeError
from fastconv.torch import _fold_ops as ops
from fastconv.torch._conv import PaddingLike, PerAxis
from fastconv.torch._dispatch import is_plain, overridable
from fastconv.torch._tensors import check_tensor

Tensor: TypeAlias = torch.Tensor
Options = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _options(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Options:
    window = unfold_window(kernel_size, dilation, padding, stride)
    sides = tuple(side for pair in window.padding for side in pair)
    return window.kernel, window.dilation, sides, window.stride


def _check(x: Any, axes: int, meaning: str) -> None:
    check_tensor("x", x)
    if x.dim() not in (axes, axes - 1):
        raise ShapeError(
            f"x has shape {tuple(x.shape)}; it must have {axes} axes: {meaning}, or one fewer "
            "without the batch"
        )


@overridable
def unfold(
    x: Tensor,
    kernel_size: PerAxis,
    dilation: PerAxis = 1,
    padding: PaddingLike = 0,
    stride: PerAxis = 1,
) -> Tensor:
    """Every window of (N, C, H, W) or (C, H, W) as a column (im2col).

    Args:
        x: As for :func:`fastconv.torch.conv2d`.
        kernel_size: Elements of the window, an int or (kh, kw).
        dilation: Distance between the elements of a window.
        padding: Zeros around the input; pairs are taken.
        stride: Step of the window.

    Returns:
        (N, C*kh*kw, L) for L window positions.

    Raises:
        FastconvError: As :func:`fastconv.unfold`, and for other devices and layouts.
    """
    _check(x, 4, "(N, C, H, W)")
    options = _options(kernel_size, dilation, padding, stride)
    y: Tensor = (ops.unfold if is_plain(x) else ops.unfold_op)(x, *options)
    return y


@overridable
def fold(
    x: Tensor,
    output_size: PerAxis,
    kernel_size: PerAxis,
    dilation: PerAxis = 1,
    padding: PaddingLike = 0,
    stride: PerAxis = 1,
) -> Tensor:
    """Sum of columns into an image (col2im): the adjoint of :func:`unfold`.

    Args:
        x: Columns (N, C*kh*kw, L) or (C*kh*kw, L).
        output_size: (H, W) of the image, or an int for both.
        kernel_size: Elements of the window, an int or (kh, kw).
        dilation: Distance between the elements of a window.
        padding: Padding of the image that was unfolded; pairs are taken.
        stride: Step of the window.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        FastconvError: As :func:`fastconv.fold`, and for other devices and layouts.
    """
    _check(x, 3, "(N, C*kh*kw, L)")
    size = per_axis("output_size", output_size, 2, minimum=1)
    options = _options(kernel_size, dilation, padding, stride)
    y: Tensor = (ops.fold if is_plain(x) else ops.fold_op)(x, size, *options)
    return y
