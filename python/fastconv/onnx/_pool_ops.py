"""Pooling. Element types and ranks that fastconv lacks go to ONNX's reference implementation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops import _op_list as reference_ops

import fastconv
from fastconv._window import Window as OutputWindow
from fastconv.onnx._attributes import (
    Window,
    has_known_rank,
    is_float,
    plane_offsets,
    rank_of,
    window,
)


def _window(x: Any, attributes: dict[str, Any]) -> Window:
    names = ("auto_pad", "dilations", "pads", "strides")
    given = {name: attributes.get(name) for name in names}
    return window(x.shape[2:], tuple(attributes["kernel_shape"]), **given)


def _ceil(attributes: dict[str, Any]) -> bool:
    """Whether sizes are rounded up; the padding of SAME makes that meaningless."""
    mode = attributes.get("auto_pad") or "NOTSET"
    return bool(attributes.get("ceil_mode")) and not mode.startswith("SAME")


def _within_half(made: Window) -> bool:
    """Whether padding covers half of the window at most, as fastconv's pooling wants it."""
    pairs = zip(made.padding, made.reach, strict=True)
    return all(max(pair) <= reach // 2 for pair, reach in pairs)


def _sizes(x: Any, made: Window, ceil_mode: bool) -> tuple[int, ...]:
    shared = OutputWindow(made.kernel, made.stride, made.dilation, made.padding)
    return shared.pooled_sizes(x.shape[2:], ceil_mode)


def _padded(x: Any, made: Window, value: float) -> Any:
    return np.pad(x, ((0, 0), (0, 0), *made.padding), constant_values=value)


class MaxPool(reference_ops.MaxPool):
    """ONNX MaxPool, with Indices where the node has a second output."""

    op_domain = ""

    def _run(self, x: Any, **attributes: Any) -> tuple[Any, ...]:
        if not is_float(x) or not has_known_rank(x):
            result: tuple[Any, ...] = super()._run(x, **attributes)
            return result
        made, ceil_mode = _window(x, attributes), _ceil(attributes)
        wants_indices = len(self.output) > 1
        pool = _max_pool if _within_half(made) else _max_pool_of_padded
        values, indices = pool(x, made, ceil_mode, wants_indices)
        if not wants_indices:
            return (values,)
        return values, _in_tensor(indices, x.shape, bool(attributes.get("storage_order")))


def _max_pool(x: Any, made: Window, ceil_mode: bool, wants_indices: bool) -> tuple[Any, Any]:
    result = getattr(fastconv, f"max_pool{x.ndim - 2}d")(
        x, made.kernel, made.stride, made.padding, made.dilation, ceil_mode,
        return_indices=wants_indices,
    )  # fmt: skip
    return result if wants_indices else (result, None)


def _max_pool_of_padded(
    x: Any, made: Window, ceil_mode: bool, wants_indices: bool
) -> tuple[Any, Any]:
    """Pool an input padded by more than half of the window; such windows may see padding alone."""
    whole = _padded(x, made, -math.inf)
    inner = made._replace(padding=((0, 0),) * len(made.kernel))
    values, indices = _max_pool(whole, inner, ceil_mode, wants_indices)
    keep = (..., *(slice(size) for size in _sizes(x, made, ceil_mode)))
    if not wants_indices:
        return values[keep], None
    found = np.unravel_index(indices[keep], whole.shape[2:])
    limits = zip(found, made.padding, x.shape[2:], strict=True)
    place = [np.clip(at - lo, 0, n - 1) for at, (lo, _), n in limits]
    return values[keep], np.ravel_multi_index(tuple(place), x.shape[2:])


def _in_tensor(indices: Any, shape: tuple[int, ...], column_major: bool) -> Any:
    """Positions in a plane as ONNX counts them: in the whole tensor."""
    plane = shape[2:]
    if column_major:
        indices = np.ravel_multi_index(np.unravel_index(indices, plane), plane, order="F")
    return indices + plane_offsets(shape, math.prod(plane))


class AveragePool(reference_ops.AveragePool_19):
    """ONNX AveragePool."""

    op_domain = ""

    def _run(self, x: Any, **attributes: Any) -> tuple[Any, ...]:
        if not is_float(x) or not has_known_rank(x):
            result: tuple[Any, ...] = super()._run(x, **attributes)
            return result
        made, ceil_mode = _window(x, attributes), _ceil(attributes)
        include = bool(attributes.get("count_include_pad"))
        if max(made.dilation) > 1 or not _within_half(made):
            return (_average_by_sums(x, made, ceil_mode, include),)
        operator = getattr(fastconv, f"avg_pool{x.ndim - 2}d")
        return (operator(x, made.kernel, made.stride, made.padding, ceil_mode, include),)


def _average_by_sums(x: Any, made: Window, ceil_mode: bool, include: bool) -> Any:
    """Mean over dilated windows, or windows in wide padding: sums over counts of elements."""
    sizes = _sizes(x, made, ceil_mode)
    total = _window_sums(x, made, sizes)
    count = np.ones(())
    for axis, size in enumerate(sizes):
        lo, hi = made.padding[axis]
        first = np.arange(size) * made.stride[axis] - lo
        taps = first[:, None] + np.arange(made.kernel[axis]) * made.dilation[axis]
        n = x.shape[2 + axis]
        counted = taps < n + hi if include else (taps >= 0) & (taps < n)
        count = count[..., None] * counted.sum(axis=1)
    return (total / np.maximum(count, 1).astype(total.dtype)).astype(x.dtype)


def _window_sums(x: Any, made: Window, sizes: Sequence[int]) -> Any:
    """Sum of each window: a convolution of each channel with ones."""
    wide = x if x.dtype.itemsize > 2 else x.astype(np.float32)
    channels = x.shape[1]
    ones = np.broadcast_to(np.ones((), wide.dtype), (channels, 1, *made.kernel))
    # Rounding sizes up may let the last window end behind the padding.
    ends = [
        max(hi, (size - 1) * s + reach - n - lo)
        for size, s, reach, n, (lo, hi) in zip(
            sizes, made.stride, made.reach, x.shape[2:], made.padding, strict=True
        )
    ]
    pairs = tuple((lo, end) for (lo, _), end in zip(made.padding, ends, strict=True))
    sums = getattr(fastconv, f"conv{x.ndim - 2}d")(
        wide, ones, None, made.stride, pairs, made.dilation, channels
    )
    return sums[(..., *(slice(size) for size in sizes))]


class LpPool(reference_ops.LpPool):
    """ONNX LpPool: (sum |x|^p)^(1/p) over each window."""

    op_domain = ""

    def _run(self, x: Any, p: int = 2, **attributes: Any) -> tuple[Any, ...]:
        if not is_float(x) or not has_known_rank(x):
            result: tuple[Any, ...] = super()._run(x, p=p, **attributes)
            return result
        made, ceil_mode = _window(x, attributes), _ceil(attributes)
        sizes = _sizes(x, made, ceil_mode)
        magnitude = np.abs(x)
        if max(made.dilation) > 1:
            sums = _window_sums(np.power(magnitude, p, dtype=_wide(x)), made, sizes)
            return (np.power(sums, 1.0 / p).astype(x.dtype),)
        operator = getattr(fastconv, f"lp_pool{x.ndim - 2}d")
        padded = _padded(magnitude, made, 0.0)
        y = operator(padded, p, made.kernel, made.stride, ceil_mode)
        return (y[(..., *(slice(size) for size in sizes))],)


def _wide(x: Any) -> Any:
    return x.dtype if x.dtype.itemsize > 2 else np.dtype(np.float32)


class GlobalMaxPool(reference_ops.GlobalMaxPool):
    """ONNX GlobalMaxPool."""

    op_domain = ""

    def _run(self, x: Any, **attributes: Any) -> tuple[Any, ...]:
        if not is_float(x) or not has_known_rank(x):
            result: tuple[Any, ...] = super()._run(x, **attributes)
            return result
        return (getattr(fastconv, f"adaptive_max_pool{x.ndim - 2}d")(x, 1),)


class GlobalAveragePool(reference_ops.GlobalAveragePool):
    """ONNX GlobalAveragePool."""

    op_domain = ""

    def _run(self, x: Any, **attributes: Any) -> tuple[Any, ...]:
        if not is_float(x) or not has_known_rank(x):
            result: tuple[Any, ...] = super()._run(x, **attributes)
            return result
        return (getattr(fastconv, f"adaptive_avg_pool{x.ndim - 2}d")(x, 1),)


class GlobalLpPool(OpRun):
    """ONNX GlobalLpPool, which its reference implementation lacks."""

    op_domain = ""

    def _run(self, x: Any, p: int = 2) -> tuple[Any, ...]:
        rank = rank_of("GlobalLpPool", x)
        return (getattr(fastconv, f"lp_pool{rank}d")(np.abs(x), p, x.shape[2:]),)
