"""The window that convolution, pooling and unfolding slide over an input.

All arithmetic of sizes, padding and dilation that the Python side needs stands here once. Notation
per spatial axis: input size n, kernel size k, stride s, dilation d, padding lo before and hi after.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastconv import _arguments
from fastconv._arguments import Ints, Pairs
from fastconv.errors import OptionError, ShapeError

# Ints or slices. NumPy's annotations do not accept a tuple of these after an ellipsis.
Positions = tuple[Any, ...]


class Tap(NamedTuple):
    """One element of the kernel, and where it meets the input.

    ``inputs[i]`` are the input elements that this tap multiplies for the outputs ``outputs[i]``;
    outputs whose input would lie in the padding are left out.
    """

    kernel: Positions
    outputs: Positions
    inputs: Positions


@dataclass(frozen=True)
class Window:
    """Kernel size, stride, dilation and padding, one entry per spatial axis."""

    kernel: Ints
    stride: Ints
    dilation: Ints
    padding: Pairs

    @property
    def extent(self) -> Ints:
        """Input elements that the dilated kernel covers: d*(k-1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def room(self, sizes: Ints) -> Ints:
        """Count the steps that the window can move: n + lo + hi - extent; negative: no fit."""
        return tuple(
            n + lo + hi - extent
            for n, (lo, hi), extent in zip(sizes, self.padding, self.extent, strict=True)
        )

    def output_sizes(self, sizes: Ints) -> Ints:
        """Sizes of a convolution: floor((n + lo + hi - d*(k-1) - 1) / s) + 1."""
        for axis, (n, extent) in enumerate(zip(sizes, self.extent, strict=True)):
            padded = n + sum(self.padding[axis])
            if n == 0 or padded < extent:
                raise ShapeError(
                    f"the kernel does not fit the input on spatial axis {axis}: input size {n}, "
                    f"padding {self.padding[axis]}, kernel size {self.kernel[axis]} that covers "
                    f"{extent} with dilation {self.dilation[axis]}; the input must not be empty "
                    "and the padded input not smaller than the kernel: add padding, or make the "
                    "kernel or its dilation smaller"
                )
        return tuple(room // s + 1 for room, s in zip(self.room(sizes), self.stride, strict=True))

    def transposed_sizes(self, sizes: Ints, output_padding: Ints) -> Ints:
        """Sizes of a transposed convolution: (n-1)*s - lo - hi + d*(k-1) + output_padding + 1."""
        out = tuple(
            (n - 1) * s - lo - hi + extent + extra
            for n, s, (lo, hi), extent, extra in zip(
                sizes, self.stride, self.padding, self.extent, output_padding, strict=True
            )
        )
        for axis, (n, size) in enumerate(zip(sizes, out, strict=True)):
            if n == 0 or size < 1:
                raise ShapeError(
                    f"the output is empty on spatial axis {axis}: input size {n} gives size "
                    f"{size} with padding {self.padding[axis]} and kernel size "
                    f"{self.kernel[axis]}; input and output must have at least 1 element: use "
                    "less padding or a larger kernel"
                )
        return out

    def pooled_sizes(self, sizes: Ints, ceil_mode: bool) -> Ints:
        """Sizes of a pooling: as a convolution, or rounded up with ``ceil_mode``.

        A window that would start in the padding after the input is dropped, as in torch.
        """
        if not ceil_mode:
            return self.output_sizes(sizes)
        # Rounding up may admit a kernel that is larger than the padded input.
        out = tuple(
            -(-room // s) + 1 for room, s in zip(self.room(sizes), self.stride, strict=True)
        )
        out = tuple(
            size - 1 if (size - 1) * s >= n + lo else size
            for size, s, n, (lo, _) in zip(out, self.stride, sizes, self.padding, strict=True)
        )
        if 0 in sizes or min(out) < 1:
            return self.output_sizes(sizes)
        return out

    def taps(self, input_sizes: Ints, output_sizes: Ints) -> Iterator[Tap]:
        """Every tap that meets the input at least once, in row-major order.

        Output o of tap t reads input o*s + t*d - lo, so o lies between ceil((lo - t*d) / s) and
        floor((n - 1 + lo - t*d) / s).
        """
        per_axis = [
            list(_axis_taps(n, out, self.kernel[axis], self.stride[axis], self.dilation[axis], lo))
            for axis, (n, out, (lo, _)) in enumerate(
                zip(input_sizes, output_sizes, self.padding, strict=True)
            )
        ]
        for combination in itertools.product(*per_axis):
            yield Tap(*zip(*combination, strict=True))


def _axis_taps(
    size: int, out: int, kernel: int, stride: int, dilation: int, lo: int
) -> Iterator[tuple[int, slice, slice]]:
    for tap in range(kernel):
        offset = tap * dilation - lo
        first = max(0, -(offset // stride))
        count = min(out, (size - 1 - offset) // stride + 1) - first
        if count > 0:
            start = first * stride + offset
            stop = start + (count - 1) * stride + 1
            yield tap, slice(first, first + count), slice(start, stop, stride)


def same_pairs(kernel: Ints, dilation: Ints) -> Pairs:
    """Pad to keep the sizes at stride 1; the odd element goes to the end, as in torch."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def conv_window(kernel: Ints, stride: Any, padding: Any, dilation: Any) -> Window:
    """Make the window of a convolution; padding may be numbers, "same" or "valid"."""
    rank = len(kernel)
    strides = _arguments.per_axis("stride", stride, rank, minimum=1)
    dilations = _arguments.per_axis("dilation", dilation, rank, minimum=1)
    if not isinstance(padding, str):
        pairs = _arguments.padding_pairs("padding", padding, rank)
    elif padding == "valid":
        pairs = ((0, 0),) * rank
    elif padding == "same":
        if max(strides) > 1:
            raise OptionError(
                f"padding 'same' needs stride 1, got stride {strides}; pass the padding in numbers"
            )
        pairs = same_pairs(kernel, dilations)
    else:
        raise OptionError(
            f"padding must be an int, a tuple, (lo, hi) pairs, 'same' or 'valid', got "
            f"{_arguments.given(padding)}; pass one of these"
        )
    return Window(kernel, strides, dilations, pairs)


def pool_window(
    rank: int, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Window:
    """Make the window of a pooling; a stride of None or () means the kernel size.

    Padding is at most half of the dilated kernel, as in torch, so that windows meet the input.
    """
    kernel = _arguments.per_axis("kernel_size", kernel_size, rank, minimum=1)
    if stride is None or (_arguments.is_sequence(stride) and len(stride) == 0):
        stride = kernel
    window = conv_window(kernel, stride, padding, dilation)
    for axis, (pair, extent) in enumerate(zip(window.padding, window.extent, strict=True)):
        if max(pair) > extent // 2:
            raise OptionError(
                f"padding must be at most half of the dilated kernel, got {pair} on spatial axis "
                f"{axis} where the kernel covers {extent}; use at most {extent // 2}, or pad the "
                "input before pooling"
            )
    return window


def unfold_window(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Window:
    """Make the two-dimensional window of unfold and fold."""
    kernel = _arguments.per_axis("kernel_size", kernel_size, 2, minimum=1)
    return conv_window(kernel, stride, padding, dilation)


def transposed_window(kernel: Ints, stride: Any, padding: Any, dilation: Any) -> Window:
    """Make the window of a transposed convolution; padding is given in numbers."""
    rank = len(kernel)
    return Window(
        kernel,
        _arguments.per_axis("stride", stride, rank, minimum=1),
        _arguments.per_axis("dilation", dilation, rank, minimum=1),
        _arguments.padding_pairs("padding", padding, rank),
    )


def output_padding_sizes(value: Any, window: Window) -> Ints:
    """Elements added at the end of each axis of a transposed convolution's output."""
    extra = _arguments.per_axis("output_padding", value, len(window.kernel), minimum=0)
    for axis, (e, s, d) in enumerate(zip(extra, window.stride, window.dilation, strict=True)):
        if e >= max(s, d):
            raise OptionError(
                f"output_padding must be smaller than the stride or the dilation, got {e} on "
                f"spatial axis {axis} with stride {s} and dilation {d}; pass at most "
                f"{max(s, d) - 1}"
            )
    return extra
