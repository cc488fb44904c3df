"""Receptive field of a stack of convolution and pooling layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastconv import _arguments
from fastconv._arguments import Ints
from fastconv._window import Window, conv_window
from fastconv.errors import ArgumentTypeError, OptionError, ShapeError

_FIELDS = ("kernel_size", "stride", "padding", "dilation")
# Without any tuple to tell the rank, layers are taken to be those of an image network.
_DEFAULT_RANK = 2


@dataclass(frozen=True)
class Layer:
    """Geometry of one convolution or pooling layer; each entry an int or one per spatial axis.

    Attributes:
        kernel_size: Kernel or pooling window.
        stride: Step of the window; None means the kernel size, as in pooling.
        padding: An int, a tuple, (lo, hi) pairs, ``"same"`` or ``"valid"``.
        dilation: Distance between kernel elements.
    """

    kernel_size: Any
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1


@dataclass(frozen=True)
class ReceptiveField:
    """What one output element sees of the input; one entry per spatial axis, in input elements.

    Attributes:
        size: Number of input elements between the first and the last that an output depends on,
            both included.
        stride: Distance between the fields of neighbouring outputs ("jump").
        start: First input element that output 0 sees; negative where it lies in the padding.
    """

    size: Ints
    stride: Ints
    start: Ints

    @property
    def center(self) -> tuple[float, ...]:
        """Centre of the field of output 0: start + (size - 1)/2."""
        return tuple(
            first + (size - 1) / 2 for first, size in zip(self.start, self.size, strict=True)
        )


def receptive_field(layers: Iterable[Any]) -> ReceptiveField:
    """Receptive field of a sequence of layers, the first layer being nearest to the input.

    With j the product of the strides of the layers before, each layer adds d*(k-1)*j to the size,
    moves the start by -lo*j and multiplies the stride by s (A. Araujo, W. Norris, J. Sim,
    "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019). Pooling counts
    like a convolution; element-wise layers change nothing and are left out.

    Args:
        layers: Each a :class:`Layer`, a mapping with its field names, a tuple (kernel_size,
            stride, padding, dilation) cut off anywhere after its first entry, or a lone int, the
            kernel size. An entry given per axis sets the number of axes; 2 if there is none.

    Returns:
        Size, stride, start and centre per axis. No layers see one element.

    Raises:
        ArgumentTypeError: A layer or an entry has the wrong type.
        OptionError: An entry lies outside its range.
        ShapeError: Entries disagree about the number of axes.

    Example:
        >>> receptive_field([3, 3]).size
        (5, 5)
        >>> receptive_field([{"kernel_size": 7, "stride": 2, "padding": 3}, (3, 2, 1)]).size
        (11, 11)
    """
    if isinstance(layers, bytes | Mapping) or not _arguments.is_sequence(layers):
        raise ArgumentTypeError(
            f"layers must be a sequence of layers, got {layers!r}; put a single layer into a list"
        )
    stack = [_layer(index, layer) for index, layer in enumerate(layers)]
    rank = _rank(stack)
    size, stride, start = [1] * rank, [1] * rank, [0] * rank
    for index, layer in enumerate(stack):
        window = _window(index, layer, rank)
        for axis in range(rank):
            size[axis] += window.dilation[axis] * (window.kernel[axis] - 1) * stride[axis]
            start[axis] -= window.padding[axis][0] * stride[axis]
            stride[axis] *= window.stride[axis]
    return ReceptiveField(tuple(size), tuple(stride), tuple(start))


def _layer(index: int, layer: Any) -> Layer:
    if isinstance(layer, Layer):
        return layer
    if isinstance(layer, Mapping):
        unknown = [name for name in layer if name not in _FIELDS]
        if unknown or "kernel_size" not in layer:
            raise OptionError(
                f"layers[{index}] must have kernel_size and may have stride, padding and "
                f"dilation, got {sorted(map(str, layer))}; leave out anything else"
            )
        return Layer(**layer)
    if _arguments.is_sequence(layer):
        entries = _arguments.elements(f"layers[{index}]", layer)
        if not 1 <= len(entries) <= len(_FIELDS):
            raise ShapeError(
                f"layers[{index}] must be (kernel_size, stride, padding, dilation) or its "
                f"beginning, got {layer!r}; use Layer or a dict to name the entries"
            )
        return Layer(*entries)
    return Layer(_arguments.integer(f"layers[{index}]", layer, minimum=1))


def _rank(stack: list[Layer]) -> int:
    lengths = {
        len(entry)
        for layer in stack
        for entry in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        if _arguments.is_sequence(entry)
    }
    if len(lengths) > 1:
        raise ShapeError(
            f"layers disagree about the number of spatial axes: entries of lengths "
            f"{sorted(lengths)}; give each entry as an int or once per axis"
        )
    return lengths.pop() if lengths else _DEFAULT_RANK


def _window(index: int, layer: Layer, rank: int) -> Window:
    kernel = _arguments.per_axis(f"layers[{index}].kernel_size", layer.kernel_size, rank, minimum=1)
    stride = kernel if layer.stride is None else layer.stride
    try:
        return conv_window(kernel, stride, layer.padding, layer.dilation)
    except (ArgumentTypeError, OptionError, ShapeError) as error:
        raise type(error)(f"layers[{index}]: {error}") from None
