"""Arrays that have a shape, a dtype and a device but no memory, for explanations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastconv._device._library import View, dtype_number
from fastconv.errors import ArgumentTypeError, OptionError


@dataclass(frozen=True)
class Described:
    """An array of a GPU that nobody can compute with."""

    shape: tuple[int, ...]
    dtype: str
    device: int


class DescribedArrays:
    """The library of these. It views them, and makes none."""

    def holds(self, array: Any) -> bool:
        """Whether an object is one of these."""
        return isinstance(array, Described)

    def device(self, array: Any) -> int:
        """Return the number of the device."""
        number: int = array.device
        return number

    def stream(self, device: int) -> int:
        """Return the default stream: nothing is computed."""
        return 0

    def view(self, array: Any, name: str, stream: int) -> View:
        """View shape and dtype."""
        number = dtype_number(name, array.dtype)
        return View(0, array.shape, None, number, False, array.device)

    def empty(self, shape: tuple[int, ...], dtype: int, device: int, channel_axis: int) -> Any:
        """Refuse: there is no memory."""
        raise ArgumentTypeError("an array that is only described cannot be computed with")

    def moved(self, name: str) -> str:
        """Nothing moves here."""
        return name


def on_device(device: str) -> Callable[[Any], Any]:
    """Return what turns a NumPy array into what explanations for a device take.

    Raises:
        OptionError: Another name than "cpu", "cuda" or "cuda:N".
    """
    if device == "cpu":
        return lambda array: array
    match = re.fullmatch(r"cuda(?::(\d+))?", device) if isinstance(device, str) else None
    if match is None:
        raise OptionError(f"device is {device!r}; it must be 'cpu', 'cuda' or 'cuda:N'")
    number = int(match[1] or 0)
    return lambda array: Described(array.shape, array.dtype.name, number)
