"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fastconv import _shape_rules, functional
from fastconv._arguments import flag, integer, is_sequence
from fastconv._window import Window, pool_window
from fastconv.errors import OptionError, ShapeError
from fastconv.nn import _gradients
from fastconv.nn._conv import by_axis, padding_text
from fastconv.nn._module import Array, Module, Shape, require_array

_MAX: dict[int, Any] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}
_AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_ADAPTIVE_MAX: dict[int, Any] = {
    1: functional.adaptive_max_pool1d,
    2: functional.adaptive_max_pool2d,
    3: functional.adaptive_max_pool3d,
}
_ADAPTIVE_AVERAGE = {
    1: functional.adaptive_avg_pool1d,
    2: functional.adaptive_avg_pool2d,
    3: functional.adaptive_avg_pool3d,
}


class Pooling(Module):
    """What max and average pooling of every rank have in common."""

    rank: ClassVar[int]
    window: Window
    ceil_mode: bool

    def pool(self, x: Array, out: Array) -> None:
        """Write the result for x to ``out``; keeps nothing."""
        raise NotImplementedError

    def describe(self) -> str:
        """Kernel, stride, and every option that is not its default."""
        window = self.window
        parts = [f"kernel {by_axis(window.kernel)}", f"stride {by_axis(window.stride)}"]
        parts += [f"padding {padding_text(window)}"] if any(map(any, window.padding)) else []
        parts += [f"dilation {by_axis(window.dilation)}"] if max(window.dilation) > 1 else []
        return ", ".join(parts + (["ceil_mode"] if self.ceil_mode else []))

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        window = self.window
        return _shape_rules.pool_shape(
            self.rank,
            x_shape,
            window.kernel,
            self.ceil_mode,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
        )


class _MaxPool(Pooling):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.window = pool_window(self.rank, kernel_size, stride, padding, dilation)
        self.ceil_mode = flag("ceil_mode", ceil_mode)

    def _geometry(self) -> tuple[Any, ...]:
        window = self.window
        return window.kernel, window.stride, window.padding, window.dilation, self.ceil_mode

    def pool(self, x: Array, out: Array) -> None:
        """See :meth:`Pooling.pool`."""
        _MAX[self.rank](x, *self._geometry(), out=out)

    def forward(self, x: Array) -> Array:
        """Take the largest element of each window."""
        require_array("x", x)
        if not self.keeps():
            return self.keep(_MAX[self.rank](x, *self._geometry()))
        y, indices = _MAX[self.rank](x, *self._geometry(), return_indices=True)
        return self.keep(y, x, indices)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        x, indices = self.take(grad_output)
        return _gradients.max_pool_backward(
            self.rank, grad_output, x, *self._geometry(), indices=indices
        )


class MaxPool1d(_MaxPool):
    """:class:`MaxPool2d` for signals (N, C, L) or (C, L)."""

    rank = 1


class MaxPool2d(_MaxPool):
    """Largest element of each window of images (N, C, H, W) or (C, H, W).

    Of equal maxima the first one gets the gradient. Arguments as in ``torch.nn.MaxPool2d``.

    Args:
        kernel_size: Elements of the window, an int or one per axis.
        stride: Step of the window; None means kernel_size.
        padding: Elements around the input, at most half of the dilated kernel; they never win.
        dilation: Distance between the elements of a window.
        ceil_mode: Round the output size up.

    Raises:
        OptionError, ShapeError, ArgumentTypeError: An argument is out of range, has the wrong
            number of entries or the wrong type.
    """

    rank = 2


class MaxPool3d(_MaxPool):
    """:class:`MaxPool2d` for volumes (N, C, D, H, W) or (C, D, H, W)."""

    rank = 3


class _AvgPool(Pooling):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.window = pool_window(self.rank, kernel_size, stride, padding)
        self.ceil_mode = flag("ceil_mode", ceil_mode)
        self.count_include_pad = flag("count_include_pad", count_include_pad)
        if divisor_override is not None and integer("divisor_override", divisor_override) == 0:
            raise OptionError(
                "divisor_override must not be 0, got 0; pass None to divide by the window size"
            )
        self.divisor_override = divisor_override

    def _geometry(self) -> tuple[Any, ...]:
        window = self.window
        options = (self.ceil_mode, self.count_include_pad, self.divisor_override)
        return window.kernel, window.stride, window.padding, *options

    def pool(self, x: Array, out: Array) -> None:
        """See :meth:`Pooling.pool`."""
        _AVERAGE[self.rank](x, *self._geometry(), out=out)

    def forward(self, x: Array) -> Array:
        """Take the mean of each window."""
        require_array("x", x)
        return self.keep(_AVERAGE[self.rank](x, *self._geometry()), x)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (x,) = self.take(grad_output)
        return _gradients.avg_pool_backward(self.rank, grad_output, x, *self._geometry())


class AvgPool1d(_AvgPool):
    """:class:`AvgPool2d` for signals (N, C, L) or (C, L)."""

    rank = 1


class AvgPool2d(_AvgPool):
    """Mean of each window of images (N, C, H, W) or (C, H, W).

    Arguments as in ``torch.nn.AvgPool2d``.

    Args:
        kernel_size: Elements of the window, an int or one per axis.
        stride: Step of the window; None means kernel_size.
        padding: Zeros around the input, at most half of the kernel.
        ceil_mode: Round the output size up.
        count_include_pad: Whether padding counts in the divisor.
        divisor_override: Divisor instead of the number of elements.

    Raises:
        OptionError, ShapeError, ArgumentTypeError: As in :class:`MaxPool2d`.
    """

    rank = 2


class AvgPool3d(_AvgPool):
    """:class:`AvgPool2d` for volumes (N, C, D, H, W) or (C, D, H, W)."""

    rank = 3


class AdaptivePooling(Module):
    """What adaptive pooling of every kind and rank has in common."""

    rank: ClassVar[int]
    _pool: ClassVar[dict[int, Callable[..., Array]]]
    _gradient: ClassVar[Callable[..., Array]]

    def __init__(self, output_size: Any) -> None:
        sizes = tuple(output_size) if is_sequence(output_size) else (output_size,) * self.rank
        if len(sizes) != self.rank:
            raise ShapeError(
                f"output_size must have one entry per spatial axis ({self.rank}), got "
                f"{output_size!r}; pass a single int or None, or one per axis"
            )
        self.output_size = tuple(
            None if size is None else integer("output_size", size, minimum=1) for size in sizes
        )

    def pool(self, x: Array, out: Array) -> None:
        """Write the result for x to ``out``; keeps nothing."""
        self._pool[self.rank](x, self.output_size, out=out)

    def forward(self, x: Array) -> Array:
        """Pool windows whose sizes follow from those of the input and the output."""
        require_array("x", x)
        return self.keep(self._pool[self.rank](x, self.output_size), x)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (x,) = self.take(grad_output)
        return type(self)._gradient(self.rank, grad_output, x, self.output_size)

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        return _shape_rules.adaptive_shape(self.rank, x_shape, self.output_size)

    def describe(self) -> str:
        """The output size."""
        return "output " + by_axis(
            "as input" if size is None else size for size in self.output_size
        )


class _AdaptiveAvgPool(AdaptivePooling):
    _pool = _ADAPTIVE_AVERAGE
    _gradient = staticmethod(_gradients.adaptive_avg_pool_backward)


class _AdaptiveMaxPool(AdaptivePooling):
    _pool = _ADAPTIVE_MAX
    _gradient = staticmethod(_gradients.adaptive_max_pool_backward)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """:class:`AdaptiveAvgPool2d` for signals (N, C, L) or (C, L)."""

    rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Mean of as many windows as give ``output_size``, of images (N, C, H, W) or (C, H, W).

    Output o of m covers the elements floor(o*n/m) to ceil((o+1)*n/m) - 1 of an axis of n.

    Args:
        output_size: An int, or one per axis; None keeps the size of an axis.

    Raises:
        OptionError, ShapeError, ArgumentTypeError: As in :class:`MaxPool2d`.
    """

    rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """:class:`AdaptiveAvgPool2d` for volumes (N, C, D, H, W) or (C, D, H, W)."""

    rank = 3


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """:class:`AdaptiveMaxPool2d` for signals (N, C, L) or (C, L)."""

    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest element of the windows of :class:`AdaptiveAvgPool2d`; the same argument."""

    rank = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """:class:`AdaptiveMaxPool2d` for volumes (N, C, D, H, W) or (C, D, H, W)."""

    rank = 3
