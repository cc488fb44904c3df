"""Arguments that may be given in several forms, brought into one form with clear errors."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastconv.errors import ArgumentTypeError, OptionError, ShapeError

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def given(value: Any) -> str:
    """How a message shows what an argument was: arrays by their shape, other values cut short."""
    sizes = getattr(value, "shape", ())
    if isinstance(sizes, tuple) and sizes:
        return f"an array of shape {sizes}"
    longest = 100
    text = repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def integer(name: str, value: Any, *, minimum: int | None = None) -> int:
    """``value`` as a Python int; bools, floats and strings are not integers."""
    if isinstance(value, bool | np.bool_):
        raise ArgumentTypeError(f"{name} must be an integer, got the bool {value}; pass a number")
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentTypeError(
            f"{name} must be an integer, got {given(value)} of type {type(value).__name__}; "
            "convert it with int() if that is what you mean"
        ) from None
    if minimum is not None and number < minimum:
        raise OptionError(
            f"{name} must be at least {minimum}, got {number}; pass {minimum} or more"
        )
    return number


def flag(name: str, value: Any) -> bool:
    """``value`` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ArgumentTypeError(
            f"{name} must be True or False, got {given(value)} of type {type(value).__name__}; "
            "convert it with bool() if that is what you mean"
        )
    return bool(value)


def choice(name: str, value: Any, allowed: Sequence[str | None]) -> Any:
    """``value`` if it is one of ``allowed``."""
    if value is not None and not isinstance(value, str):
        raise ArgumentTypeError(
            f"{name} must be one of {_listed(allowed)}, got {given(value)} of type "
            f"{type(value).__name__}; pass one of these names"
        )
    if value not in allowed:
        raise OptionError(
            f"{name} must be one of {_listed(allowed)}, got {given(value)}; pass one of these names"
        )
    return value


def _listed(allowed: Sequence[str | None]) -> str:
    return ", ".join(repr(item) for item in allowed)


def elements(name: str, value: Any) -> tuple[Any, ...]:
    """Return the items of a sequence argument; strings and mappings are not sequences here."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | dict | set):
        raise ArgumentTypeError(
            f"{name} must be a sequence of integers, got {given(value)} of type "
            f"{type(value).__name__}; pass a tuple"
        )
    try:
        return tuple(value)
    except TypeError:  # an array without axes says that it can be iterated, and then cannot
        raise ArgumentTypeError(
            f"{name} must be a sequence of integers, got {given(value)}; pass a tuple"
        ) from None


def is_sequence(value: Any) -> bool:
    """Whether an argument that may be one value or one per axis was given per axis."""
    is_scalar_array = getattr(value, "ndim", 1) == 0
    return isinstance(value, Iterable) and not isinstance(value, str) and not is_scalar_array


def shape(name: str, value: Any) -> Ints:
    """Return a shape, sizes of at least zero."""
    if getattr(value, "ndim", 1) > 1:
        raise ArgumentTypeError(
            f"{name} must be a shape, got {given(value)}; pass the array's shape attribute"
        )
    return tuple(
        integer(f"{name}[{axis}]", size, minimum=0)
        for axis, size in enumerate(elements(name, value))
    )


def per_axis(name: str, value: Any, rank: int, *, minimum: int) -> Ints:
    """Return an int for all spatial axes, or one int per axis, as a tuple of ``rank`` ints."""
    if not is_sequence(value):
        return (integer(name, value, minimum=minimum),) * rank
    items = elements(name, value)
    if len(items) == 1:
        items *= rank
    _one_per_axis(name, items, rank)
    return tuple(
        integer(f"{name}[{axis}]", item, minimum=minimum) for axis, item in enumerate(items)
    )


def padding_pairs(name: str, value: Any, rank: int) -> Pairs:
    """Return padding, given as an int, one int or one (lo, hi) pair per axis, as pairs."""
    if isinstance(value, str):
        raise OptionError(
            f"{name} must be an int, one int per axis or one (lo, hi) pair per axis, got "
            f"{given(value)}; pass numbers"
        )
    if not is_sequence(value):
        both = integer(name, value, minimum=0)
        return ((both, both),) * rank
    items = elements(name, value)
    if len(items) == 1:
        items *= rank
    _one_per_axis(name, items, rank)
    return tuple(_pair(f"{name}[{axis}]", item) for axis, item in enumerate(items))


def _pair(name: str, value: Any) -> tuple[int, int]:
    if not is_sequence(value):
        both = integer(name, value, minimum=0)
        return (both, both)
    items = elements(name, value)
    if len(items) != 2:
        raise ShapeError(
            f"{name} must be an int or a (lo, hi) pair, got {given(value)} with "
            f"{len(items)} entries; give the padding before and after the axis"
        )
    return (
        integer(f"{name}[0]", items[0], minimum=0),
        integer(f"{name}[1]", items[1], minimum=0),
    )


def _one_per_axis(name: str, items: tuple[Any, ...], rank: int) -> None:
    if len(items) != rank:
        raise ShapeError(
            f"{name} must have one entry per spatial axis ({rank}), got {given(items)} with "
            f"{len(items)}; pass a single int or a tuple of {rank}"
        )
