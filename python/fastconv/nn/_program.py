"""A compiled network for inputs of one shape: calls in their order, on memory that is used again.

Recording a network's steps gives calls between values whose memory is not chosen yet. A value's
memory is free for others after the last call that reads it; all of it is one allocation, which a
program keeps from run to run, so that no run touches fresh pages. The result is a new array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.nn._module import Array, Shape

# Elements to which blocks are rounded: a cache line of float32, so that vectors do not straddle.
_LINE = 16

View = Callable[[Array], Array]


class CannotRecordError(Exception):
    """A step's result has a shape that is known only once it is computed."""


class Storage:
    """Memory of one or several values: ``size`` elements, used by calls ``first`` to ``last``."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.first = self.last = -1
        self.offset = 0

    def used(self, call: int) -> None:
        """Note a call that reads or writes it."""
        self.first = call if self.first < 0 else self.first
        self.last = call


class Value:
    """An array to be: ``view`` of the flat memory of a storage.

    Attributes:
        shape: Its shape.
        storage: Where it lies; None for the network's input.
        view: From the storage's flat array to this value's array (for the input: from itself).
        whole: The value is all of its storage, in the recorder's memory layout.
    """

    def __init__(
        self, shape: Shape, storage: Storage | None, view: View, whole: bool = False
    ) -> None:
        self.whole = whole
        self.shape = shape
        self.storage = storage
        self.view = view

    def seen(self, through: View, shape: Shape) -> Value:
        """Another view of the same memory."""
        view = self.view
        return Value(shape, self.storage, lambda base: through(view(base)))


class Recorder:
    """Collects the calls of a network.

    Args:
        x_shape: Shape of the input.
        channels_last: Whether values of more than two axes have their channels innermost.
    """

    def __init__(self, x_shape: Shape, channels_last: bool) -> None:
        self.channels_last = channels_last
        self.x = Value(x_shape, None, lambda x: x)
        self.calls: list[tuple[Callable[..., Any], tuple[Value, ...]]] = []

    def new(self, shape: Shape, channels_last: bool | None = None) -> Value:
        """Return a value with memory of its own."""
        last = self.channels_last if channels_last is None else channels_last
        if not last or len(shape) < 3:
            return Value(shape, Storage(math.prod(shape)), lambda base: base.reshape(shape), True)
        turned = (shape[0], *shape[2:], shape[1])
        return Value(
            shape,
            Storage(math.prod(shape)),
            lambda base: np.moveaxis(base.reshape(turned), -1, 1),
            True,
        )

    def call(self, function: Callable[..., Any], *values: Value) -> None:
        """Record a call; its last argument is the array for its result."""
        for value in values:
            if value.storage is not None:
                value.storage.used(len(self.calls))
        self.calls.append((function, values))


class Program:
    """The recorded calls, ready to run; for one thread at a time."""

    def __init__(self, recorder: Recorder, result: Value, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._result = result
        kept = result.storage
        storages = list(
            dict.fromkeys(
                v.storage
                for _, values in recorder.calls
                for v in values
                if v.storage is not None and v.storage is not kept
            )
        )
        arena = _aligned(_place(storages), dtype)
        self._calls: list[tuple[Callable[..., Any], list[Any]]] = []
        # Arguments that every run sets anew: views of the input, and of the result's memory.
        self._inputs: list[tuple[list[Any], int, View]] = []
        self._outputs: list[tuple[list[Any], int, View]] = []
        for function, values in recorder.calls:
            arguments: list[Any] = [None] * len(values)
            for position, value in enumerate(values):
                place = (arguments, position, value.view)
                if value.storage is None:
                    self._inputs.append(place)
                elif value.storage is kept:
                    self._outputs.append(place)
                else:
                    start = value.storage.offset
                    arguments[position] = value.view(arena[start : start + value.storage.size])
            self._calls.append((function, arguments))

    def run(self, x: Array) -> Array:
        """Compute the result for x."""
        for arguments, position, view in self._inputs:
            arguments[position] = view(x)
        storage = self._result.storage
        if storage is not None:
            base = np.empty(storage.size, self._dtype)
            for arguments, position, view in self._outputs:
                arguments[position] = view(base)
            result = self._result.view(base)
        for function, arguments in self._calls:
            function(*arguments)
        # Nobody else's arrays stay alive, or could be changed through the program.
        for arguments, position, _ in (*self._inputs, *self._outputs):
            arguments[position] = None
        return self._result.view(x).copy() if storage is None else result


def _aligned(size: int, dtype: np.dtype[Any]) -> Array:
    block = np.empty(size + _LINE, dtype)
    start = -block.ctypes.data % (_LINE * dtype.itemsize) // dtype.itemsize
    return block[start : start + size]


def _place(storages: list[Storage]) -> int:
    """Give every storage an offset, apart from all that are in use with it; return the whole size.

    Storages are placed by size, the largest first, each at the lowest place that is free as long
    as it is needed.
    """
    placed: list[tuple[int, int, Storage]] = []
    whole = 0
    for storage in sorted(storages, key=lambda s: -s.size):
        size = -(-storage.size // _LINE) * _LINE
        start = 0
        for lo, hi, other in placed:
            if other.last < storage.first or other.first > storage.last:
                continue
            if start + size <= lo:
                break
            start = max(start, hi)
        storage.offset = start
        placed.append((start, start + size, storage))
        placed.sort(key=lambda place: place[0])
        whole = max(whole, start + size)
    return whole
