"""What one element of a layer's output sees of the network's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastconv.nn._conv import Convolution, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.nn._linear import Flatten, Linear
from fastconv.nn._module import Module, Shape
from fastconv.nn._norm import LayerNorm
from fastconv.nn._pool import AdaptivePooling, Pooling

Floats = tuple[float, ...]


@dataclass(frozen=True)
class Field:
    """Receptive field, per spatial axis of the input and in its elements; padding counts.

    Attributes:
        size: Extent of what an output element sees.
        stride: Distance between the fields of neighbouring outputs; 0 where there is one output.
        centre: Middle of the field of the first output element.
    """

    size: Floats
    stride: Floats
    centre: Floats


def first_field(rank: int) -> Field:
    """Field of the input: each element sees itself."""
    return Field((1.0,) * rank, (1.0,) * rank, (0.0,) * rank)


def field_after(module: Module, field: Field | None, x_shape: Shape) -> Field | None:
    """Field of a layer's output, from that of its input of shape ``x_shape``; None: unknown."""
    rank = len(x_shape) - 2
    if field is None or rank != len(field.size):
        # After flattening every element already sees the whole input.
        return field
    if isinstance(module, Pooling | Convolution):
        transposed = isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d)
        return (_spread if transposed else _slide)(field, module.window)
    if isinstance(module, AdaptivePooling):
        return _adapt(field, x_shape[2:], module.output_shape(x_shape)[2:])
    if isinstance(module, Flatten | Linear | LayerNorm):
        return _adapt(field, x_shape[2:], (1,) * rank)
    return field


def _slide(field: Field, window: Any) -> Field:
    """Each tap adds a step of the input's fields (A. Araujo et al., Distill, 2019)."""
    reach = [extent - 1 for extent in window.extent]
    per_axis = zip(field.size, field.stride, field.centre, reach, window.padding, strict=True)
    values = [(s + r * j, c + (r / 2 - lo) * j) for s, j, c, r, (lo, _) in per_axis]
    strides = tuple(j * s for j, s in zip(field.stride, window.stride, strict=True))
    return Field(tuple(v[0] for v in values), strides, tuple(v[1] for v in values))


def _spread(field: Field, window: Any) -> Field:
    """Output o of a transposed convolution sees the inputs i with o = i*s - lo + t*d."""
    size, stride, centre = [], [], []
    for axis, j in enumerate(field.stride):
        s, reach = window.stride[axis], window.extent[axis] - 1
        size.append(field.size[axis] + (reach // s) * j)
        stride.append(j / s)
        centre.append(field.centre[axis] + j * (window.padding[axis][0] - reach / 2) / s)
    return Field(tuple(size), tuple(stride), tuple(centre))


def _adapt(field: Field, sizes: Shape, outputs: Shape) -> Field:
    """Windows from floor(o*n/m) to ceil((o+1)*n/m); of these the largest."""
    size, stride, centre = [], [], []
    for axis, (n, m) in enumerate(zip(sizes, outputs, strict=True)):
        j = field.stride[axis]
        largest = max(-(-(o + 1) * n // m) - o * n // m for o in range(m))
        first = -(-n // m)
        size.append(field.size[axis] + (largest - 1) * j)
        stride.append(n / m * j if m > 1 else 0.0)
        centre.append(field.centre[axis] + (first - 1) / 2 * j)
    return Field(tuple(size), tuple(stride), tuple(centre))


def union(fields: list[Field | None]) -> Field | None:
    """Field of a sum or concatenation: from the first to the last element that a branch sees."""
    known = [field for field in fields if field is not None]
    if len(known) < len(fields) or not known:
        return None
    size, centre = [], []
    for axis in range(len(known[0].size)):
        reach = [(f.centre[axis], (f.size[axis] - 1) / 2) for f in known]
        low, high = min(c - r for c, r in reach), max(c + r for c, r in reach)
        size.append(high - low + 1)
        centre.append((low + high) / 2)
    return Field(tuple(size), known[0].stride, tuple(centre))
