"""Convolutions of tensors, with the arguments of ``torch.nn.functional``."""

from __future__ import annotations

import functools
from typing import Any, Literal, TypeAlias

import torch

from fastconv._arguments import Ints, integer
from fastconv._window import conv_window, output_padding_sizes, transposed_window
from fastconv.errors import ShapeError
from fastconv.torch._conv_ops import conv, conv_op
from fastconv.torch._dispatch import is_plain, overridable
from fastconv.torch._tensors import COMPUTES_ON, check_like, check_tensor

Tensor: TypeAlias = torch.Tensor
PerAxis = int | tuple[int, ...]
PaddingLike = int | tuple[int, ...] | tuple[tuple[int, int], ...] | Literal["same", "valid"]


def _options(
    transposed: bool, kernel: Ints, stride: Any, padding: Any, output_padding: Any, dilation: Any
) -> tuple[Ints, Ints, Ints, Ints]:
    """Stride, flat padding, output padding and dilation, one entry per axis, checked."""
    if transposed:
        window = transposed_window(kernel, stride, padding, dilation)
        extra = output_padding_sizes(output_padding, window)
    else:
        window = conv_window(kernel, stride, padding, dilation)
        extra = (0,) * len(kernel)
    flat = tuple(side for pair in window.padding for side in pair)
    return window.stride, flat, extra, window.dilation


# Options are mostly those of the last calls; True must not pass for a remembered 1.
_remembered_options = functools.lru_cache(maxsize=1024, typed=True)(_options)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _convolve(
    rank: int,
    transposed: bool,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
) -> Tensor:
    check_tensor("x", x)
    if x.device.type in COMPUTES_ON and torch.is_autocast_enabled(x.device.type):
        x, weight, bias = _autocast(x), _autocast(weight), _autocast(bias)
    check_like("weight", weight, x)
    if bias is not None:
        check_like("bias", bias, x)
    if weight.dim() != rank + 2:
        raise ShapeError(
            f"weight has shape {tuple(weight.shape)}; a {rank}-D convolution needs {rank + 2} "
            f"axes: {'(in, out/groups' if transposed else '(out, in/groups'}, *kernel)"
        )
    given = (
        transposed, tuple(weight.shape[2:]), _plain(stride), _plain(padding),
        _plain(output_padding), _plain(dilation),
    )  # fmt: skip
    if is_plain(x, weight, bias):
        try:
            options = _remembered_options(*given)
        except TypeError:  # an argument that cannot be remembered, such as an array
            options = _options(*given)
        return conv(x, weight, bias, *options, groups, transposed)
    groups = integer("groups", groups, minimum=1)
    y: Tensor = conv_op(x, weight, bias, *_options(*given), groups, transposed)
    return y


def _autocast(tensor: Any) -> Any:
    """Cast as ``torch.autocast`` does for the convolutions of torch."""
    if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32:
        return tensor.to(torch.get_autocast_dtype(tensor.device.type))
    return tensor


@overridable
def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate signals (N, C, L) or (C, L) with filters; see :func:`conv2d`."""
    return _convolve(1, False, x, weight, bias, stride, padding, 0, dilation, groups)


@overridable
def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate images with filters, as ``torch.nn.functional.conv2d`` does.

    Args:
        x: (N, C_in, H, W), or (C_in, H, W); a tensor on the CPU or a CUDA GPU, of float32,
            float64, float16 or bfloat16, any strides. One whose channels lie side by side in memory
            (``torch.channels_last``) is computed as it is and gives such a result.
        weight: (C_out, C_in/groups, K_h, K_w), of x's dtype.
        bias: (C_out,) or None.
        stride: Step between outputs, an int or one per axis.
        padding: Zeros around the input: an int, one per axis, a (before, after) pair per axis,
            "valid" or "same" (stride 1 only).
        dilation: Step between kernel elements.
        groups: Parts into which channels are split.

    Returns:
        (N, C_out, H_out, W_out), differentiable with respect to x, weight and bias.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError: As :func:`fastconv.conv2d`.
        BackendUnavailableError: A tensor on another device, or on a GPU where CUDA is off.
    """
    return _convolve(2, False, x, weight, bias, stride, padding, 0, dilation, groups)


@overridable
def conv3d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate volumes (N, C, D, H, W) or (C, D, H, W); see :func:`conv2d`."""
    return _convolve(3, False, x, weight, bias, stride, padding, 0, dilation, groups)


@overridable
def conv_transpose1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """Transposed convolution of (N, C, L) or (C, L); see :func:`conv_transpose2d`."""
    return _convolve(1, True, x, weight, bias, stride, padding, output_padding, dilation, groups)


@overridable
def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """Transposed convolution, as ``torch.nn.functional.conv_transpose2d`` does.

    Args:
        x: (N, C_in, H, W), or (C_in, H, W), as for :func:`conv2d`.
        weight: (C_in, C_out/groups, K_h, K_w), of x's dtype.
        bias: (C_out,) or None.
        stride: Distance that neighbouring inputs keep in the output.
        padding: Elements cut off the output's edges: an int, one per axis, or pairs.
        output_padding: Elements added at the end of each axis, below stride or dilation.
        groups: Parts into which channels are split.
        dilation: Step between kernel elements.

    Returns:
        (N, C_out, H_out, W_out), differentiable with respect to x, weight and bias.

    Raises:
        FastconvError: As :func:`conv2d`.
    """
    return _convolve(2, True, x, weight, bias, stride, padding, output_padding, dilation, groups)


@overridable
def conv_transpose3d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """Transposed convolution of (N, C, D, H, W) or (C, D, H, W); see :func:`conv_transpose2d`."""
    return _convolve(3, True, x, weight, bias, stride, padding, output_padding, dilation, groups)
