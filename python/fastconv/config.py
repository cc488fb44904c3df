"""Settings: threads and precision, and what this build and machine offer."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import cast

from fastconv import _core
from fastconv._arguments import choice
from fastconv._conv import Precision
from fastconv._device import cuda_status

_PRECISIONS: tuple[Precision, ...] = ("highest", "high", "medium")


def get_num_threads() -> int:
    """Threads that the next call may use.

    By default OpenMP's maximum, which ``OMP_NUM_THREADS`` and ``threadpoolctl`` limit;
    ``FASTCONV_NUM_THREADS`` or :func:`set_num_threads` replace it. Small calls use one thread
    whatever the setting. Results do not depend on it.
    """
    return _core.get_num_threads()


def set_num_threads(count: int | None) -> None:
    """Set the number of threads for the calls to come, in all Python threads.

    Args:
        count: From 1 to 4096; None returns to the default.

    Raises:
        OptionError: A number outside the range.
        ArgumentTypeError: Not an int.
    """
    _core.set_num_threads(count)


def free_result_memory() -> int:
    """Give back the memory of freed results that is kept for results to come.

    Results of 1 MiB and more take the memory of earlier ones of about their size that nothing
    refers to any more, because fresh pages of the operating system cost time. Results and what is
    kept together take no more than results have taken at once before, so that a training step finds
    the memory of the last one; 128 MiB are kept in any case, a quarter of the machine's memory at
    most, and what nothing has taken for some thousand results is given back. Where
    ``FASTCONV_RESULT_POOL`` is set, as many MiB are kept as it says; 0 turns it off.

    Returns:
        Bytes that were given back.
    """
    return _core.free_result_memory()


def get_precision() -> Precision:
    """Return the accuracy that calls ask for unless they say otherwise."""
    return _PRECISIONS[_core.get_precision()]


def set_precision(level: Precision) -> None:
    """Set the accuracy that calls ask for, in all Python threads.

    Inside a ``with fastconv.precision(...)`` block that block's level counts. Before the first
    call the level is that of the environment variable ``FASTCONV_PRECISION``, or "highest".

    Args:
        level: "highest" (the accuracy of float32 arithmetic, on whatever unit gives it fastest),
            "high" (about 16 bits of each product) or "medium" (8 bits, as bfloat16 arrays have).
            The levels concern float32 arrays; docs/numerics.md states their error bounds.

    Raises:
        OptionError: An unknown level.
    """
    _core.set_precision(_level_number(level))


@contextlib.contextmanager
def precision(level: Precision) -> Iterator[None]:
    """Ask for an accuracy inside a ``with`` block, in the calling thread or task alone.

    Args:
        level: As for :func:`set_precision`.

    Raises:
        OptionError: An unknown level.
    """
    token = _core.precision_context.set(_level_number(level))
    try:
        yield
    finally:
        _core.precision_context.reset(token)


def _level_number(level: Precision) -> int:
    return _PRECISIONS.index(cast(Precision, choice("level", level, _PRECISIONS)))


@dataclass(frozen=True)
class Config:
    """What :func:`show_config` reports; printing it gives a table.

    Attributes:
        version: Of fastconv.
        cpu: The processor's name.
        isa: The instruction set whose kernels run.
        runnable_isas: Those that this build and machine have, best first.
        threads: Threads that a call may use.
        precision: The accuracy asked for.
        algorithms: Names that ``algorithm=`` takes.
        cuda: Whether the GPU side works, and if not why.
        compiler: What the kernels were compiled with.
        second_level_cache: Bytes of cache that blocks are sized for.
    """

    version: str
    cpu: str
    isa: str
    runnable_isas: tuple[str, ...]
    threads: int
    precision: str
    algorithms: tuple[str, ...]
    cuda: str
    compiler: str
    second_level_cache: int

    def __str__(self) -> str:
        rows = ((f.name, getattr(self, f.name)) for f in fields(self))
        return "\n".join(
            f"{name:18s} {', '.join(value) if isinstance(value, tuple) else value}"
            for name, value in rows
        )


def show_config() -> Config:
    """Report what this build and this machine offer."""
    facts = _core.info()
    return Config(
        version=importlib.metadata.version("fastconv"),
        cpu=facts["cpu"],
        isa=facts["isa"],
        runnable_isas=tuple(facts["runnable_isas"]),
        threads=facts["threads"],
        precision=get_precision(),
        algorithms=tuple(facts["algorithms"]),
        cuda=cuda_status(),
        compiler=facts["compiler"],
        second_level_cache=facts["second_level_cache"],
    )
