"""Attributes of ONNX nodes, as the arguments that fastconv takes.

The formulas are those of the ONNX operator specification (Conv, ConvTranspose, MaxPool).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.errors import OptionError, ShapeError, UnsupportedError

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

_AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
_FLOATS = ("float32", "float64", "float16", "bfloat16")
_MOST_AXES = 3


class Window(NamedTuple):
    """Kernel size, stride, dilation and padding of each spatial axis."""

    kernel: Ints
    stride: Ints
    dilation: Ints
    padding: Pairs

    @property
    def reach(self) -> Ints:
        """Elements that the dilated kernel covers."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


def is_float(x: Any) -> bool:
    """Whether fastconv computes with arrays of this type."""
    return x.dtype.name in _FLOATS


def rank_of(op: str, x: Any) -> int:
    """Return the number of spatial axes, which must be 1 to 3."""
    rank: int = x.ndim - 2
    if not 1 <= rank <= _MOST_AXES:
        raise UnsupportedError(
            f"{op} got an input of shape {x.shape}; fastconv has 1 to 3 spatial axes after batch "
            "and channels"
        )
    return rank


def has_known_rank(x: Any) -> bool:
    """Whether there are 1 to 3 spatial axes."""
    return 1 <= x.ndim - 2 <= _MOST_AXES


def per_axis(name: str, values: Sequence[int] | None, rank: int, default: int) -> Ints:
    """Return one value per spatial axis."""
    if values is None or len(values) == 0:
        return (default,) * rank
    if len(values) != rank:
        raise ShapeError(
            f"{name} must have {rank} entries, one per spatial axis, got {list(values)}"
        )
    return tuple(int(value) for value in values)


def window(
    sizes: Ints,
    kernel: Ints,
    auto_pad: str | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Window:
    """Make the window that slides over an input of spatial ``sizes``."""
    rank = len(sizes)
    stride = per_axis("strides", strides, rank, 1)
    dilation = per_axis("dilations", dilations, rank, 1)
    made = Window(kernel, stride, dilation, explicit_padding(pads, rank))
    return made._replace(padding=_auto_padding(sizes, made, checked_auto_pad(auto_pad)))


def checked_auto_pad(auto_pad: str | None) -> str:
    """Return the mode of padding."""
    mode = auto_pad or "NOTSET"
    if mode not in _AUTO_PADS:
        raise OptionError(f"auto_pad is {auto_pad!r}; it must be one of {', '.join(_AUTO_PADS)}")
    return mode


def explicit_padding(pads: Sequence[int] | None, rank: int) -> Pairs:
    """Return the pairs of a list that has all beginnings first."""
    flat = per_axis("pads", pads, 2 * rank, 0)
    return tuple(zip(flat[:rank], flat[rank:], strict=True))


def split_padding(total: int, mode: str) -> tuple[int, int]:
    """Share padding between the two ends; the odd element goes where the mode says."""
    small, large = total // 2, total - total // 2
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def _auto_padding(sizes: Ints, made: Window, mode: str) -> Pairs:
    if mode == "NOTSET":
        return made.padding
    if mode == "VALID":
        return ((0, 0),) * len(sizes)
    pairs = []
    for n, stride, reach in zip(sizes, made.stride, made.reach, strict=True):
        out = -(-n // stride)
        pairs.append(split_padding(max((out - 1) * stride + reach - n, 0), mode))
    return tuple(pairs)


def plane_offsets(shape: Sequence[int], plane: int) -> Any:
    """Position of the first element of each plane (n, c) in the whole tensor."""
    batch, channels, *rest = shape
    return (np.arange(batch * channels) * plane).reshape(batch, channels, *[1] * len(rest))
