"""The machine that a run was made on: names, versions and measured ceilings."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

# Larger than the last-level cache of any machine in use, so that a copy runs at memory speed.
_COPY_BYTES = 256 << 20


@dataclass(frozen=True)
class Ceilings:
    """What the machine can do at most with the threads of the run.

    Attributes:
        fma_gflops: Fused multiply-adds from registers, GFLOP/s (two operations each).
        copy_gbs: Memory traffic of a large copy, GB/s, read and written bytes both counted.
        matrix_gflops: bfloat16 multiply-adds of the matrix unit, GFLOP/s; None without one.
    """

    fma_gflops: float
    copy_gbs: float
    matrix_gflops: float | None = None

    def better(self, other: Ceilings) -> Ceilings:
        """Return the higher of two measurements of each ceiling."""
        matrix = [m for m in (self.matrix_gflops, other.matrix_gflops) if m is not None]
        return Ceilings(
            max(self.fma_gflops, other.fma_gflops),
            max(self.copy_gbs, other.copy_gbs),
            max(matrix, default=None),
        )


def measure_ceilings(core: Any, isa: str, dtype: str, threads: int) -> Ceilings:
    """Measure the ceilings with the functions of the compiled module.

    16-bit arrays are computed with in float32, so that is their ceiling, beside the matrix unit's.
    """
    wide = "float64" if dtype == "float64" else "float32"
    return Ceilings(
        matrix_gflops=core.measure_matrix(isa, threads),
        fma_gflops=float(core.measure_fma(isa, wide, threads)),
        copy_gbs=float(core.measure_copy(_COPY_BYTES, threads)),
    )


def load_before() -> float | None:
    """Return how many processes wanted to run in the last minute; None where it is not known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Installed version of each distribution, leaving out what is not installed."""
    found = {}
    for name in dict.fromkeys(distributions):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
