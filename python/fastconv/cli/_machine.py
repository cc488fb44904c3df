"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

import fastconv
from fastconv import _core


def machine_isas() -> tuple[str, ...]:
    """Instruction sets that this build has and this machine runs, the simplest first."""
    return tuple(reversed(fastconv.show_config().runnable_isas))


def active_isa() -> str:
    """Return the instruction set in force."""
    return fastconv.show_config().isa


@contextmanager
def forced_isa(name: str | None) -> Iterator[None]:
    """Force an instruction set inside the block; None leaves the choice."""
    if name is None:
        yield
        return
    if name not in machine_isas():
        raise click.BadParameter(
            f"got {name!r}; this machine runs {', '.join(machine_isas())}", param_hint="--isa"
        )
    _core.force_isa(name)
    try:
        yield
    finally:
        _core.force_isa(None)
