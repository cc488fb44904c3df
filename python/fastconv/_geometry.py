"""Shapes, padding, receptive fields and matrices of convolutions, without computing one."""

from __future__ import annotations

from typing import Any

from fastconv import _arguments
from fastconv._conv_matrix import conv_matrix
from fastconv._output_shape import output_shape
from fastconv._receptive_field import Layer, ReceptiveField, receptive_field
from fastconv._window import same_pairs
from fastconv.errors import ShapeError

__all__ = [
    "Layer",
    "ReceptiveField",
    "conv_matrix",
    "output_shape",
    "receptive_field",
    "same_padding",
]


def same_padding(kernel_size: Any, dilation: Any = 1) -> tuple[tuple[int, int], ...]:
    """Compute the padding with which a convolution of stride 1 keeps the size of its input.

    Each axis needs d*(k-1) elements; half of them go before the input, and the odd one, for an
    even kernel with odd dilation, goes to the end, as ``padding="same"`` does in torch.

    Args:
        kernel_size: An int (one axis) or one int per spatial axis.
        dilation: An int or one int per spatial axis.

    Returns:
        One (lo, hi) pair per axis, a form that every ``padding`` argument takes.

    Raises:
        OptionError: A number below 1.
        ShapeError: kernel_size and dilation have different lengths.
        ArgumentTypeError: Something other than integers.

    Example:
        >>> same_padding((3, 4))
        ((1, 1), (1, 2))
        >>> same_padding((3, 3), dilation=6)
        ((6, 6), (6, 6))
    """
    sequences = [v for v in (kernel_size, dilation) if _arguments.is_sequence(v)]
    rank = max((len(_arguments.elements("kernel_size", v)) for v in sequences), default=1)
    if rank == 0:
        raise ShapeError("kernel_size must have at least one entry, got (); pass one per axis")
    kernel = _arguments.per_axis("kernel_size", kernel_size, rank, minimum=1)
    return same_pairs(kernel, _arguments.per_axis("dilation", dilation, rank, minimum=1))
