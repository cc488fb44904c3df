"""Gradients of convolutions and transposed convolutions, 1-D to 3-D."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np

from fastconv import _core
from fastconv._conv import Array, PaddingLike, PerAxis, Precision
from fastconv.errors import ArgumentTypeError, OptionError

Argument = Literal["x", "weight", "bias"]
Wanted = Collection[Argument]
Gradients = tuple[Array | None, Array | None, Array | None]
ALL: tuple[Argument, ...] = ("x", "weight", "bias")


def _flags(wanted: Wanted, bias: bool) -> tuple[bool, bool, bool]:
    """Which of the gradients of x, weight and bias are asked for."""
    if isinstance(wanted, str) or not isinstance(wanted, Collection):
        raise ArgumentTypeError(
            f"wanted must be a tuple of names out of {ALL}, got {wanted!r}; pass for example "
            '("weight", "bias")'
        )
    for name in wanted:
        if name not in ALL:
            raise OptionError(
                f"wanted must hold names out of {ALL}, got {name!r}; leave out what is not needed"
            )
    if not isinstance(bias, bool | np.bool_):
        raise ArgumentTypeError(
            f"bias must be True or False, got {bias!r}; say whether there is one"
        )
    return "x" in wanted, "weight" in wanted, bool(bias) and "bias" in wanted


def conv1d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    bias: bool = True,
    wanted: Wanted = ALL,
    precision: Precision | None = None,
) -> Gradients:
    """Gradients of :func:`conv1d` (signals); see :func:`conv2d_backward`.

    Args:
        grad_output: (N, C_out, L_out), the shape of the result, without N if x is.
        x: (N, C_in, L), or without N.
        weight: (C_out, C_in/groups, K).
        stride: As given to :func:`conv1d`, like the following.
        padding: See :func:`conv1d`.
        dilation: Step between kernel elements.
        groups: Parts into which channels are split.
        bias: Whether there is a bias, and a gradient of it is wanted.
        wanted: Which gradients to compute.
        precision: Level of accuracy of grad_x.

    Returns:
        (grad_x, grad_weight, grad_bias); see :func:`conv2d_backward`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, OutOfMemoryError: As
        :func:`conv2d_backward`.
    """
    return _core.conv_backward(
        1, False, grad_output, x, weight, stride, padding, 0,
        dilation, groups, precision, *_flags(wanted, bias),
    )  # fmt: skip


def conv2d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    bias: bool = True,
    wanted: Wanted = ALL,
    precision: Precision | None = None,
) -> Gradients:
    """Gradients of a loss with respect to the arguments of :func:`conv2d`.

    With g = grad_output, the derivative of the loss with respect to the convolution's result y:
    grad_x[n,c,h] = sum over k, r, i with S*i + D*r - P = h of g[n,k,i] * w[k,c,r] (a transposed
    convolution), grad_weight[k,c,r] = sum over n, i of g[n,k,i] * x[n,c,S*i + D*r - P], and
    grad_bias[k] = sum over n, i of g[n,k,i]; per spatial axis, elements outside x left out
    (V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016).

    Args:
        grad_output: (N, C_out, H_out, W_out), the shape of the convolution's result, without N if x
            is; of x's dtype, any memory layout.
        x: The convolution's input; see :func:`conv2d`. 16-bit values are computed with in float32,
            and results rounded once.
        weight: The convolution's weight.
        stride: As given to the convolution, like the following.
        padding: In every form that :func:`conv2d` takes.
        dilation: Step between kernel elements.
        groups: Parts into which channels are split.
        bias: Whether the convolution has a bias, and a gradient of it is wanted.
        wanted: Which gradients to compute, a collection of "x", "weight" and "bias"; None takes the
            place of the others. The first layer of a network needs none of x.
        precision: Level of accuracy of grad_x, as in :func:`conv2d`; grad_weight and grad_bias
            always have full accuracy.

    Returns:
        (grad_x, grad_weight, grad_bias), arrays of the shapes of x, weight and (C_out,), or None
        where not wanted. grad_x is channels-last if x is. The bits do not depend on the number of
        threads.

    Raises:
        ShapeError: Sizes that do not fit together, such as a grad_output that is not of the shape
            of the convolution's result (a ValueError).
        OptionError: An option outside its range (a ValueError).
        DTypeError: Another dtype, or dtypes that differ (a TypeError).
        ArgumentTypeError: A list, a scalar, None or a masked array instead of an array.
        OutOfMemoryError: No memory for the results or the workspace (a MemoryError).
    """
    return _core.conv_backward(
        2, False, grad_output, x, weight, stride, padding, 0,
        dilation, groups, precision, *_flags(wanted, bias),
    )  # fmt: skip


def conv3d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    bias: bool = True,
    wanted: Wanted = ALL,
    precision: Precision | None = None,
) -> Gradients:
    """Gradients of :func:`conv3d` (volumes); see :func:`conv2d_backward`.

    Args:
        grad_output: (N, C_out, D_out, H_out, W_out), the shape of the result, without N if x is.
        x: (N, C_in, D, H, W), or without N.
        weight: (C_out, C_in/groups, K_d, K_h, K_w).
        stride: As given to :func:`conv3d`, like the following.
        padding: See :func:`conv3d`.
        dilation: Step between kernel elements.
        groups: Parts into which channels are split.
        bias: Whether there is a bias, and a gradient of it is wanted.
        wanted: Which gradients to compute.
        precision: Level of accuracy of grad_x.

    Returns:
        (grad_x, grad_weight, grad_bias); see :func:`conv2d_backward`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, OutOfMemoryError: As
        :func:`conv2d_backward`.
    """
    return _core.conv_backward(
        3, False, grad_output, x, weight, stride, padding, 0,
        dilation, groups, precision, *_flags(wanted, bias),
    )  # fmt: skip


def conv_transpose1d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
    *,
    bias: bool = True,
    wanted: Wanted = ALL,
    precision: Precision | None = None,
) -> Gradients:
    """Gradients of :func:`conv_transpose1d` (signals); see :func:`conv_transpose2d_backward`.

    Args:
        grad_output: (N, C_out, L_out), the shape of the result, without N if x is.
        x: (N, C_in, L), or without N.
        weight: (C_in, C_out/groups, K).
        stride: As given to :func:`conv_transpose1d`, like the following.
        padding: See :func:`conv_transpose1d`.
        output_padding: See :func:`conv_transpose1d`.
        groups: Parts into which channels are split.
        dilation: Step between kernel elements.
        bias: Whether there is a bias, and a gradient of it is wanted.
        wanted: Which gradients to compute.
        precision: Level of accuracy of grad_x.

    Returns:
        (grad_x, grad_weight, grad_bias); see :func:`conv_transpose2d_backward`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, OutOfMemoryError: As
        :func:`conv2d_backward`.
    """
    return _core.conv_backward(
        1, True, grad_output, x, weight, stride, padding, output_padding,
        dilation, groups, precision, *_flags(wanted, bias),
    )  # fmt: skip


def conv_transpose2d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
    *,
    bias: bool = True,
    wanted: Wanted = ALL,
    precision: Precision | None = None,
) -> Gradients:
    """Gradients of a loss with respect to the arguments of :func:`conv_transpose2d`.

    grad_x is the convolution of grad_output with the same weight, stride, padding and dilation;
    grad_weight[c,k,r] = sum over n, i of x[n,c,i] * grad_output[n,k,S*i + D*r - P].

    Args:
        grad_output: (N, C_out, H_out, W_out), the shape of the result; see :func:`conv2d_backward`.
        x: The transposed convolution's input.
        weight: (C_in, C_out/groups, K_h, K_w).
        stride: As given to the transposed convolution, like the following.
        padding: Elements cut off the output's edges.
        output_padding: Elements added at the end of each axis.
        groups: Parts into which channels are split.
        dilation: Step between kernel elements.
        bias: Whether there is a bias, and a gradient of it is wanted.
        wanted: Which gradients to compute; see :func:`conv2d_backward`.
        precision: Level of accuracy of grad_x.

    Returns:
        (grad_x, grad_weight, grad_bias); see :func:`conv2d_backward`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, OutOfMemoryError: As
        :func:`conv2d_backward`.
    """
    return _core.conv_backward(
        2, True, grad_output, x, weight, stride, padding, output_padding,
        dilation, groups, precision, *_flags(wanted, bias),
    )  # fmt: skip


def conv_transpose3d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
    *,
    bias: bool = True,
    wanted: Wanted = ALL,
    precision: Precision | None = None,
) -> Gradients:
    """Gradients of :func:`conv_transpose3d` (volumes); see :func:`conv_transpose2d_backward`.

    Args:
        grad_output: (N, C_out, D_out, H_out, W_out), the shape of the result, without N if x is.
        x: (N, C_in, D, H, W), or without N.
        weight: (C_in, C_out/groups, K_d, K_h, K_w).
        stride: As given to :func:`conv_transpose3d`, like the following.
        padding: See :func:`conv_transpose3d`.
        output_padding: See :func:`conv_transpose3d`.
        groups: Parts into which channels are split.
        dilation: Step between kernel elements.
        bias: Whether there is a bias, and a gradient of it is wanted.
        wanted: Which gradients to compute.
        precision: Level of accuracy of grad_x.

    Returns:
        (grad_x, grad_weight, grad_bias); see :func:`conv_transpose2d_backward`.

    Raises:
        ShapeError, OptionError, DTypeError, ArgumentTypeError, OutOfMemoryError: As
        :func:`conv2d_backward`.
    """
    return _core.conv_backward(
        3, True, grad_output, x, weight, stride, padding, output_padding,
        dilation, groups, precision, *_flags(wanted, bias),
    )  # fmt: skip
