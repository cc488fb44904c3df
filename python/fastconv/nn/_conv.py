"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from fastconv import _arguments, _shape_rules, functional
from fastconv._window import (
    Window,
    conv_window,
    output_padding_sizes,
    transposed_window,
)
from fastconv.errors import OptionError
from fastconv.nn import _gradients, _random
from fastconv.nn._module import Array, Module, Parameter, Shape, require_array

_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_CONV_TRANSPOSE = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


class Convolution(Module):
    """What convolutions and transposed convolutions of every rank have in common."""

    rank: ClassVar[int]
    weight: Parameter
    bias: Parameter | None
    window: Window

    def _make(
        self, window: Window, channels: tuple[int, int], groups: Any, bias: Any, transposed: bool
    ) -> None:
        """Check channels and groups, and make weight and bias."""
        self.window = window
        self.in_channels = _arguments.integer("in_channels", channels[0], minimum=1)
        self.out_channels = _arguments.integer("out_channels", channels[1], minimum=1)
        self.groups = _arguments.integer("groups", groups, minimum=1)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise OptionError(
                f"groups must divide in_channels={self.in_channels} and out_channels="
                f"{self.out_channels}, got {self.groups}; change one of them"
            )
        first, second = self.out_channels, self.in_channels
        if transposed:
            first, second = second, first
        shape = (first, second // self.groups, *window.kernel)
        self.weight = Parameter(_random.kaiming_uniform(shape))
        has_bias = _arguments.flag("bias", bias)
        made = _random.bias_like_kaiming(self.out_channels, shape) if has_bias else None
        self.bias = None if made is None else Parameter(made)

    @property
    def _bias(self) -> Array | None:
        return None if self.bias is None else self.bias.data

    def _accumulate(self, gradients: tuple[Array, Array, Array | None]) -> Array:
        grad_x, grad_weight, grad_bias = gradients
        self.weight.accumulate(grad_weight, keeps=True)
        if self.bias is not None and grad_bias is not None:
            self.bias.accumulate(grad_bias, keeps=True)
        return grad_x

    def multiply_adds(self, x_shape: Shape) -> int:
        """Count products of an input and a weight, those with padding included."""
        outputs = self.output_shape(x_shape)
        return math.prod(outputs) * math.prod(self.weight.shape[1:])

    def describe(self) -> str:
        """Channels, kernel, and every option that is not its default."""
        return ", ".join(
            [f"{self.in_channels}, {self.out_channels}, {self.options()}"]
            + ([] if self.bias is not None else ["bias=False"])
        )

    def options(self) -> str:
        """Kernel, and every option of the window that is not its default."""
        window = self.window
        parts = [f"kernel {by_axis(window.kernel)}"]
        parts += [f"stride {by_axis(window.stride)}"] if max(window.stride) > 1 else []
        parts += [f"padding {padding_text(window)}"] if any(map(any, window.padding)) else []
        parts += [f"dilation {by_axis(window.dilation)}"] if max(window.dilation) > 1 else []
        parts += [f"groups {self.groups}"] if self.groups > 1 else []
        return ", ".join(parts)


def by_axis(values: Any) -> str:
    """``3x3`` for (3, 3)."""
    return "x".join(map(str, values))


def padding_text(window: Window) -> str:
    """Padding per axis; before and after only where they differ."""
    if all(lo == hi for lo, hi in window.padding):
        return by_axis(lo for lo, _ in window.padding)
    return by_axis(f"({lo}, {hi})" for lo, hi in window.padding)


class _Conv(Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        kernel = _arguments.per_axis("kernel_size", kernel_size, self.rank, minimum=1)
        window = conv_window(kernel, stride, padding, dilation)
        self._make(window, (in_channels, out_channels), groups, bias, transposed=False)

    def _geometry(self) -> tuple[Any, ...]:
        return self.window.stride, self.window.padding, self.window.dilation, self.groups

    def forward(self, x: Array) -> Array:
        """Cross-correlate x with the weight."""
        require_array("x", x)
        y = _CONV[self.rank](x, self.weight.data, self._bias, *self._geometry())
        return self.keep(y, x)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (x,) = self.take(grad_output)
        return self._accumulate(
            _gradients.conv_backward(
                self.rank,
                grad_output,
                x,
                self.weight.data,
                *self._geometry(),
                bias=self._bias is not None,
            )
        )

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        return _shape_rules.conv_shape(self.rank, x_shape, self.weight.shape, *self._geometry())


class Conv1d(_Conv):
    """:class:`Conv2d` for signals (N, C, L) or (C, L)."""

    rank = 1


class Conv2d(_Conv):
    """Cross-correlation of images (N, C, H, W) or (C, H, W) with learned filters.

    Arguments, weights and initial values as in ``torch.nn.Conv2d`` with zero padding.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output: the number of filters.
        kernel_size: Elements of a filter, an int or one per axis.
        stride: Step between outputs, an int or one per axis.
        padding: Zeros around the input: an int, one per axis, (before, after) pairs, "same" or
            "valid".
        dilation: Step between kernel elements, an int or one per axis.
        groups: Parts into which channels are split.
        bias: Whether there is a bias.

    Attributes:
        weight: Parameter (out_channels, in_channels/groups, *kernel).
        bias: Parameter (out_channels,), or None.

    Raises:
        OptionError, ShapeError, ArgumentTypeError: An argument is out of range, has the wrong
            number of entries or the wrong type.
    """

    rank = 2


class Conv3d(_Conv):
    """:class:`Conv2d` for volumes (N, C, D, H, W) or (C, D, H, W)."""

    rank = 3


class _ConvTranspose(Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
    ) -> None:
        kernel = _arguments.per_axis("kernel_size", kernel_size, self.rank, minimum=1)
        window = transposed_window(kernel, stride, padding, dilation)
        self.output_padding = output_padding_sizes(output_padding, window)
        self._make(window, (in_channels, out_channels), groups, bias, transposed=True)

    def _geometry(self) -> tuple[Any, ...]:
        window = self.window
        return window.stride, window.padding, self.output_padding, self.groups, window.dilation

    def forward(self, x: Array) -> Array:
        """Spread the weight over the output, once for each element of x."""
        require_array("x", x)
        y = _CONV_TRANSPOSE[self.rank](x, self.weight.data, self._bias, *self._geometry())
        return self.keep(y, x)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (x,) = self.take(grad_output)
        return self._accumulate(
            _gradients.conv_transpose_backward(
                self.rank,
                grad_output,
                x,
                self.weight.data,
                *self._geometry(),
                bias=self._bias is not None,
            )
        )

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        return _shape_rules.conv_transpose_shape(
            self.rank, x_shape, self.weight.shape, *self._geometry()
        )

    def multiply_adds(self, x_shape: Shape) -> int:
        """Count products of an input and a weight, those that padding cuts off included."""
        self.output_shape(x_shape)  # rejects what does not fit
        return math.prod(x_shape) * math.prod(self.weight.shape[1:])


class ConvTranspose1d(_ConvTranspose):
    """:class:`ConvTranspose2d` for signals (N, C, L) or (C, L)."""

    rank = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images: each input spreads a weighted kernel over the output.

    Arguments, their order, weights and initial values as in ``torch.nn.ConvTranspose2d``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Elements of the kernel, an int or one per axis.
        stride: Distance that neighbouring inputs keep in the output.
        padding: Elements cut off the output's edges: an int, one per axis, or pairs.
        output_padding: Elements added at the end of each axis, smaller than stride or dilation.
        groups: Parts into which channels are split.
        bias: Whether there is a bias.
        dilation: Step between kernel elements.

    Attributes:
        weight: Parameter (in_channels, out_channels/groups, *kernel).
        bias: Parameter (out_channels,), or None.

    Raises:
        OptionError, ShapeError, ArgumentTypeError: As in :class:`Conv2d`.
    """

    rank = 2


class ConvTranspose3d(_ConvTranspose):
    """:class:`ConvTranspose2d` for volumes (N, C, D, H, W) or (C, D, H, W)."""

    rank = 3
