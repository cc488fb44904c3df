"""What a benchmark run measured, and how it is summarised."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .machine import Ceilings
from .problem import bytes_moved, multiply_adds, operations, output_shape
from .suites import Layer

OWN = "fastconv"


@dataclass(frozen=True)
class Measurement:
    """One contestant on one layer.

    Attributes:
        seconds: Median seconds per call; None when it was not timed.
        best: Fastest call, seconds.
        calls: Timed calls.
        error: Largest deviation from the reference in units of ``eps * sum |x||w|``.
        wrong: What is wrong with its answer, or an empty string.
        declined: Why it cannot run the layer, or an empty string.
    """

    seconds: float | None = None
    best: float | None = None
    calls: int = 0
    error: float | None = None
    wrong: str = ""
    declined: str = ""


@dataclass(frozen=True)
class LayerResult:
    """All contestants on one layer. ``plan`` says how fastconv computed it."""

    layer: Layer
    measurements: dict[str, Measurement]
    plan: str = ""

    @property
    def own(self) -> Measurement:
        """The measurement of fastconv."""
        return self.measurements[OWN]

    def seconds(self, key: str) -> float | None:
        """Median seconds of a contestant; None where it was not timed."""
        measurement = self.measurements.get(key)
        return None if measurement is None else measurement.seconds

    def best_peer(self) -> str | None:
        """Return the fastest peer."""
        timed = {
            key: m.seconds
            for key, m in self.measurements.items()
            if key != OWN and m.seconds is not None
        }
        return min(timed, key=timed.__getitem__) if timed else None

    def speedup(self, key: str) -> float | None:
        """How many times faster fastconv is than a peer."""
        own, peer = self.seconds(OWN), self.seconds(key)
        return None if own is None or peer is None else peer / own

    def speedup_over_best(self) -> float | None:
        """How many times faster fastconv is than the fastest peer; below 1 where it loses."""
        best = self.best_peer()
        return None if best is None else self.speedup(best)

    def gflops(self, key: str = OWN) -> float | None:
        """Textbook operations per nanosecond."""
        seconds = self.seconds(key)
        return None if seconds is None else 1e-9 * operations(self.layer.problem) / seconds


@dataclass
class Run:
    """A benchmark run: what was measured where, with what.

    ``load_before`` is the number of processes that wanted to run in the minute before.
    """

    threads: int
    dtype: str
    algorithm: str
    isa: str
    cpu: str
    date: str
    ceilings: Ceilings
    versions: dict[str, str]
    titles: dict[str, str]
    missing: dict[str, str]
    load_before: float | None = None
    layers: list[LayerResult] = field(default_factory=list)
    interrupted: bool = False

    @property
    def peers(self) -> list[str]:
        """Keys of the peers that took part."""
        return [key for key in self.titles if key != OWN]

    @property
    def suites(self) -> list[str]:
        """Names of the suites, in the order of the run."""
        return list(dict.fromkeys(r.layer.suite for r in self.layers))

    @property
    def failures(self) -> list[LayerResult]:
        """Layers that fastconv answered wrongly."""
        return [r for r in self.layers if r.own.wrong]

    def intensity(self, result: LayerResult) -> float:
        """Operations per byte of inputs and output."""
        problem = result.layer.problem
        return operations(problem) / bytes_moved(problem, self.dtype)


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Geometric mean of the numbers among ``values``; None without any."""
    numbers = [v for v in values if v is not None]
    return math.exp(math.fsum(map(math.log, numbers)) / len(numbers)) if numbers else None


def speedup_over(key: str) -> Callable[[LayerResult], float | None]:
    """Return the function that gives the speedup over a peer."""
    return lambda result: result.speedup(key)


def mean_speedup(
    results: Iterable[LayerResult], speedup: Callable[[LayerResult], float | None]
) -> float | None:
    """Geometric mean over distinct layers: one that several networks share counts once."""
    distinct = {r.layer.key: r for r in results}
    return geometric_mean(map(speedup, distinct.values()))


def as_json(run: Run) -> dict[str, Any]:
    """Return the whole run as JSON values; times in seconds, rates in GFLOP/s and GB/s."""
    data = {
        name: value
        for name, value in vars(run).items()
        if name not in ("layers", "ceilings", "interrupted")
    }
    data |= {"interrupted": run.interrupted, "ceilings": asdict(run.ceilings)}
    data["geometric_means"] = {
        scope: {
            **{k: mean_speedup(results, speedup_over(k)) for k in run.peers},
            "best peer": mean_speedup(results, LayerResult.speedup_over_best),
        }
        for scope, results in [
            ("all", run.layers),
            *((s, [r for r in run.layers if r.layer.suite == s]) for s in run.suites),
        ]
    }
    data["layers"] = [_layer_json(run, result) for result in run.layers]
    return data


def _layer_json(run: Run, result: LayerResult) -> dict[str, Any]:
    problem = result.layer.problem
    return {
        "suite": result.layer.suite,
        "name": problem.name,
        "op": problem.op,
        "x": problem.x_shape,
        "weight": problem.weight_shape,
        "bias": problem.bias,
        "options": dict(problem.options),
        "output": output_shape(problem),
        "repeat": result.layer.repeat,
        "multiply_adds": multiply_adds(problem),
        "bytes": bytes_moved(problem, run.dtype),
        "plan": result.plan,
        "gflops": result.gflops(),
        "best_peer": result.best_peer(),
        "speedup_over_best": result.speedup_over_best(),
        "measurements": {key: asdict(m) for key, m in result.measurements.items()},
    }


def write_json(run: Run, path: Path) -> None:
    """Write every figure of the run."""
    text = json.dumps(as_json(run), indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
