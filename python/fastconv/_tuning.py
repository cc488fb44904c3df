"""Measuring which kernel computes a problem fastest on this machine."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv import _core, _tuned_files
from fastconv._conv import Activation, Algorithm, PaddingLike, PerAxis, Precision
from fastconv._device._registry import library_of
from fastconv._layout import channels_last
from fastconv._plan import MemoryFormat, _arguments
from fastconv.errors import OptionError, UnsupportedError

Array = NDArray[Any]

_SECONDS = 0.5


@dataclass(frozen=True)
class Candidate:
    """One way of computing the problem.

    Attributes:
        kernel: The kernel family.
        threads: Threads that took part.
        cache: Bytes of second-level cache that its blocks are sized for.
        seconds: Shortest of several calls.
        by_rule: Whether it is what fastconv chooses without tuning.
    """

    kernel: str
    threads: int
    cache: int
    seconds: float
    by_rule: bool


@dataclass(frozen=True)
class Tuning:
    """What :func:`tune` measured; printing it gives a table.

    Attributes:
        called: Candidates for a plain call, which packs weights every time; the chosen one first.
        planned: Candidates for a plan, the chosen one first.
        files: Where the choices are kept; empty where that failed.
    """

    called: tuple[Candidate, ...]
    planned: tuple[Candidate, ...]
    files: tuple[Path, ...]

    def __str__(self) -> str:
        lines = []
        for name, candidates in (("call", self.called), ("plan", self.planned)):
            for place, one in enumerate(candidates):
                mark = "chosen" if place == 0 else ""
                rule = "by rule" if one.by_rule else ""
                lines.append(
                    f"{name}  {one.kernel:32s} {one.threads:3d} threads {one.cache >> 10:6d} KiB "
                    f"{one.seconds * 1e6:10.1f} us  {mark:6s} {rule}".rstrip()
                )
        return "\n".join(lines)


def tune(
    op: str,
    x_shape: tuple[int, ...],
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    output_padding: PerAxis = 0,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    memory_format: MemoryFormat = "contiguous",
    seconds: float = _SECONDS,
) -> Tuning:
    """Measure the kernels that can compute a problem, and use the fastest from now on.

    Calls and plans of this problem, in this process and in later ones on the same machine, follow
    the choice. It is kept in a file, in the folder ``FASTCONV_CACHE_DIR`` or the platform's cache;
    deleting the file undoes it. The choice holds for any number of threads, so that results do not
    depend on their number; tune with the number that matters.

    Args:
        op: As for :func:`plan`.
        x_shape: As for :func:`plan`.
        weight: As for :func:`plan`.
        bias: As for :func:`plan`.
        stride: As for :func:`plan`.
        padding: As for :func:`plan`.
        dilation: As for :func:`plan`.
        groups: As for :func:`plan`.
        output_padding: As for :func:`plan`.
        algorithm: As for :func:`plan`; the choice counts where the same algorithm is asked for.
        activation: As for :func:`plan`; not part of what the choice is made for.
        precision: As for :func:`plan`.
        memory_format: As for :func:`plan`.
        seconds: How long to measure, for calls and for plans each.

    Returns:
        A :class:`Tuning`.

    Raises:
        OptionError: An unknown op or memory_format, or seconds outside 0 to 3600.
        UnsupportedError: 16-bit arrays that are computed in float32.
        FastconvError: Whatever the operator raises for such arguments.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
        raise OptionError(f"seconds is {seconds!r}; it must be above 0 and at most 3600")
    arguments = _arguments(
        op,
        x_shape,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        algorithm,
        activation,
        precision,
        memory_format,
    )
    return tune_arguments(arguments, x_shape, weight, memory_format, float(seconds))


def tune_arguments(
    arguments: tuple[Any, ...],
    x_shape: tuple[int, ...],
    weight: Array,
    memory_format: MemoryFormat,
    seconds: float = _SECONDS,
) -> Tuning:
    """Tune for the arguments of ``_core.prepare_conv``."""
    if library_of(weight) is not None:
        raise UnsupportedError(
            "weight lies on a GPU, where calls and plans follow fixed rules: there is nothing to "
            "tune; leave tune out"
        )
    _core.explain_conv(*arguments)  # says what is wrong before an input is made
    x = np.random.default_rng(0).standard_normal(x_shape, np.float32).astype(weight.dtype)
    if memory_format == "channels_last":
        x = channels_last(x, 0 if len(x_shape) == len(weight.shape) - 1 else 1)
    files: list[Path] = []
    ranked = []
    for planned in (False, True):
        key, measured = _core.tune_conv(*arguments, x, planned, seconds)
        ranked.append(tuple(Candidate(**_public(one)) for one in measured))
        _keep(key, measured, files)
    return Tuning(ranked[0], ranked[1], tuple(files))


def _public(measured: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in measured.items() if name != "limit"}


def _keep(key: str, measured: list[dict[str, Any]], files: list[Path]) -> None:
    best = measured[0]
    choice = {name: best[name] for name in ("kernel", "limit", "threads", "cache", "seconds")}
    choice["rule_seconds"] = next(one["seconds"] for one in measured if one["by_rule"])
    _core.keep_tuned(key, best["kernel"], best["limit"], best["threads"], best["cache"])
    try:
        files.append(_tuned_files.save(key, choice))
    except OSError as error:
        warnings.warn(
            f"the tuned choice counts for this process only: {error}; set FASTCONV_CACHE_DIR to a "
            "folder that can be written",
            stacklevel=3,
        )
