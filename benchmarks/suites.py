"""The suites: every distinct layer of a network, as TOML files next to this module.

A file holds a ``title``, a ``source`` and an array ``layers`` of tables. A layer has ``name``,
``op``, ``x`` and, where the operator takes one, ``weight`` (shapes), optionally ``bias``,
``repeat`` (how often the layer occurs in the network), ``quick`` (part of a short run) and
``gradient`` ("x" or "weight", where that is computed instead of the operator); every other key is
a keyword argument of the operator.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from .problem import Problem

_RESERVED = frozenset({"name", "op", "x", "weight", "bias", "repeat", "quick", "gradient"})
# Order of the report: classifiers, dense prediction, other ranks, then classes of operators.
_ORDER = (
    *("lenet", "alexnet", "vgg16", "resnet18", "resnet34", "resnet50", "googlenet"),
    *("mobilenet_v1", "mobilenet_v2", "deeplab", "wavenet", "video3d"),
    *("transposed", "depthwise", "pooling", "filters", "batch16", "gradients", "micro"),
)


@dataclass(frozen=True)
class Layer:
    """A problem of a suite and how often the network contains it."""

    suite: str
    problem: Problem
    repeat: int = 1
    quick: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for layers that are the same computation, whatever they are called."""
        return self.problem.key


@dataclass(frozen=True)
class Suite:
    """A named list of layers."""

    name: str
    title: str
    source: str
    layers: tuple[Layer, ...]


class SelectionError(ValueError):
    """A suite or layer was asked for that does not exist."""


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _layer(suite: str, entry: dict[str, Any]) -> Layer:
    weight = entry.get("weight")
    problem = Problem(
        name=entry["name"],
        op=entry["op"],
        x_shape=tuple(entry["x"]),
        weight_shape=None if weight is None else tuple(weight),
        bias=entry.get("bias", False),
        options={k: _frozen(v) for k, v in entry.items() if k not in _RESERVED},
        gradient=entry.get("gradient", ""),
    )
    return Layer(suite, problem, entry.get("repeat", 1), entry.get("quick", False))


@cache
def load_suite(name: str) -> Suite:
    """Read one suite; raises SelectionError for an unknown name."""
    if name not in suite_names():
        allowed = ", ".join(("all", *suite_names()))
        raise SelectionError(f"suite: got {name!r}; allowed: {allowed}")
    data = _read(f"suites/{name}.toml")
    layers = tuple(_layer(name, entry) for entry in data["layers"])
    return Suite(name, data["title"], data["source"], layers)


def read_layers(path: str) -> tuple[Layer, ...]:
    """Read a list of layers that is not a suite; the path is relative to this package."""
    return tuple(_layer(path, entry) for entry in _read(path)["layers"])


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath(path).read_text(encoding="utf-8"))


@cache
def suite_names() -> tuple[str, ...]:
    """Names of all suites, in the order of reports."""
    entries = (files(__package__) / "suites").iterdir()
    found = {e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml")}
    return (*(n for n in _ORDER if n in found), *sorted(found.difference(_ORDER)))


def select(
    suites: Sequence[str] = ("all",), patterns: Sequence[str] = (), *, quick: bool = False
) -> tuple[Layer, ...]:
    """Layers of the named suites whose name, or ``suite/name``, matches a shell pattern.

    Args:
        suites: Names, or ``"all"``.
        patterns: Shell patterns; none selects every layer.
        quick: Only the few layers that stand for the whole; ignored when patterns are given.
    """
    names = suite_names() if "all" in suites else tuple(dict.fromkeys(suites))
    return matching([layer for name in names for layer in load_suite(name).layers], patterns, quick)


def matching(layers: Sequence[Layer], patterns: Sequence[str], quick: bool) -> tuple[Layer, ...]:
    """Those of the layers that a shell pattern matches; all, or the quick ones, without patterns.

    Raises:
        SelectionError: A pattern matches none.
    """
    if patterns:
        for pattern in patterns:
            if not any(_matches(layer, pattern) for layer in layers):
                names = ", ".join(dict.fromkeys(layer.suite for layer in layers))
                known = ", ".join(layer.problem.name for layer in layers[:12])
                more = f" and {len(layers) - 12} more" if len(layers) > 12 else ""
                raise SelectionError(
                    f"layer: no layer of {names} matches {pattern!r}; "
                    f"there are {known}{more}; `fastconv bench --list` prints all"
                )
        return tuple(layer for layer in layers if any(_matches(layer, p) for p in patterns))
    if quick:
        return tuple(layer for layer in layers if layer.quick)
    return tuple(layers)


def _matches(layer: Layer, pattern: str) -> bool:
    name = layer.problem.name
    return fnmatchcase(name, pattern) or fnmatchcase(f"{layer.suite}/{name}", pattern)
