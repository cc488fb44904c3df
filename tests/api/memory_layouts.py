"""The same values in different places of memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _unaligned(array: Any) -> Any:
    raw = np.empty(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def _half_aligned(array: Any) -> Any:
    """Steps that are no multiple of the element."""
    record = np.dtype([("pad", "u2"), ("value", array.dtype)])
    rows = np.zeros(array.shape, record)
    rows["value"] = array
    return rows["value"]


def _inside(array: Any) -> Any:
    """A block inside a larger array."""
    larger = np.full([n + 3 for n in array.shape], 77, array.dtype)
    block = larger[tuple(slice(1, 1 + n) for n in array.shape)]
    block[...] = array
    return block


def _sliced(array: Any) -> Any:
    wide = np.full([2 * n for n in array.shape], 77, array.dtype)
    part = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    part[...] = array
    return part


def _reversed(array: Any) -> Any:
    turn = tuple(slice(None, None, -1) for _ in array.shape)
    return array[turn].copy()[turn]


def _last_reversed(array: Any) -> Any:
    return array[..., ::-1].copy()[..., ::-1]


def _channels_reversed(array: Any) -> Any:
    """Rows as they are, planes from the last to the first."""
    axis = min(1, array.ndim - 1)
    return np.flip(np.flip(array, axis).copy(), axis)


def _permuted(array: Any) -> Any:
    """Axes stored in another order."""
    order = np.roll(np.arange(array.ndim), 1)
    return array.transpose(order).copy().transpose(np.argsort(order))


def _channels_last(array: Any) -> Any:
    axis = min(1, array.ndim - 1)
    return np.moveaxis(np.moveaxis(array, axis, -1).copy(), -1, axis)


def _channels_last_with_gaps(array: Any) -> Any:
    axis = min(1, array.ndim - 1)
    last = np.moveaxis(array, axis, -1)
    return np.moveaxis(_inside(last), -1, axis)


def _read_only(array: Any) -> Any:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _frozen_bytes(array: Any) -> Any:
    return np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "sliced": _sliced,
    "reversed": _reversed,
    "last axis reversed": _last_reversed,
    "channels reversed": _channels_reversed,
    "permuted": _permuted,
    "fortran": np.asfortranarray,
    "channels last": _channels_last,
    "channels last with gaps": _channels_last_with_gaps,
    "inside": _inside,
    "read-only": _read_only,
    "frozen bytes": _frozen_bytes,
    "unaligned": _unaligned,
    "half aligned": _half_aligned,
}
WRITABLE = {
    name: layout
    for name, layout in LAYOUTS.items()
    if name not in ("read-only", "frozen bytes", "unaligned", "half aligned")
}
