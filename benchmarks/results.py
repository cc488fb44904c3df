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

OWN = "fastconv"  # a plain call
OWN_PLAN = "fastconv-plan"  # weights packed once, result given
OWN_KEYS = (OWN, OWN_PLAN)
# Speed relative to the best peer below which a layer counts as lost.
LOST_BELOW = 0.95


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
            if key not in OWN_KEYS and m.seconds is not None
        }
        return min(timed, key=timed.__getitem__) if timed else None

    def speedup(self, key: str, own: str = OWN) -> float | None:
        """How many times faster fastconv is than a peer.

        ``own`` says which way of calling it; where there are no weights to plan for, the plain call
        stands for the plan.
        """
        mine, peer = self.seconds(own), self.seconds(key)
        if mine is None and own == OWN_PLAN and not self.layer.problem.has_plan:
            mine = self.seconds(OWN)
        return None if mine is None or peer is None else peer / mine

    def speedup_over_best(self, own: str = OWN) -> float | None:
        """How many times faster fastconv is than the fastest peer; below 1 where it loses."""
        best = self.best_peer()
        return None if best is None else self.speedup(best, own)

    def gflops(self, key: str = OWN) -> float | None:
        """Textbook operations per nanosecond."""
        seconds = self.seconds(key)
        return None if seconds is None else 1e-9 * operations(self.layer.problem) / seconds


@dataclass
class Run:
    """A benchmark run: what was measured where, with what.

    ``load_before`` is the number of processes that wanted to run in the minute before, ``held`` the
    environment that holds peers to fastconv's instruction set.
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
    precision: str = "highest"
    held: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    memory_format: str = "contiguous"
    layers: list[LayerResult] = field(default_factory=list)
    interrupted: bool = False

    @property
    def peers(self) -> list[str]:
        """Keys of the peers that took part."""
        return [key for key in self.titles if key not in OWN_KEYS]

    @property
    def own_keys(self) -> list[str]:
        """The ways of calling fastconv that took part."""
        return [key for key in OWN_KEYS if key in self.titles]

    @property
    def suites(self) -> list[str]:
        """Names of the suites, in the order of the run."""
        return list(dict.fromkeys(r.layer.suite for r in self.layers))

    @property
    def failures(self) -> list[LayerResult]:
        """Layers that fastconv answered wrongly."""
        return [
            r
            for r in self.layers
            if any(m.wrong for k, m in r.measurements.items() if k in OWN_KEYS)
        ]

    def intensity(self, result: LayerResult) -> float:
        """Operations per byte of inputs and output."""
        problem = result.layer.problem
        return operations(problem) / bytes_moved(problem, self.dtype)


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Geometric mean of the numbers among ``values``; None without any."""
    numbers = [v for v in values if v is not None]
    return math.exp(math.fsum(map(math.log, numbers)) / len(numbers)) if numbers else None


def speedup_over(key: str, own: str = OWN) -> Callable[[LayerResult], float | None]:
    """Return the function that gives the speedup over a peer."""
    return lambda result: result.speedup(key, own)


def speedup_over_best(own: str = OWN) -> Callable[[LayerResult], float | None]:
    """Return the function that gives the speedup over the fastest peer of each layer."""
    return lambda result: result.speedup_over_best(own)


def mean_speedup(
    results: Iterable[LayerResult], speedup: Callable[[LayerResult], float | None]
) -> float | None:
    """Geometric mean over distinct layers: one that several networks share counts once."""
    distinct = {r.layer.key: r for r in results}
    return geometric_mean(map(speedup, distinct.values()))


@dataclass(frozen=True)
class Summary:
    """One way of calling fastconv over a set of distinct layers.

    Attributes:
        layers: Layers that were compared with some peer.
        over_torch: Geometric mean of the speed relative to PyTorch eager, NCHW.
        over_best: The same relative to the fastest peer of each layer.
        lost: Share of layers below 0.95 of their fastest peer.
        worst: Lowest speed relative to the fastest peer.
        gflops: Geometric mean of the textbook operations per nanosecond of all layers.
    """

    layers: int
    over_torch: float | None
    over_best: float | None
    lost: float | None
    worst: float | None
    gflops: float | None


def summary(results: Iterable[LayerResult], own: str = OWN) -> Summary:
    """Summarise; a layer that several networks share counts once."""
    distinct = list({r.layer.key: r for r in results}.values())
    speeds = [s for r in distinct if (s := r.speedup_over_best(own)) is not None]
    return Summary(
        layers=len(speeds),
        over_torch=mean_speedup(distinct, speedup_over("torch", own)),
        over_best=geometric_mean(speeds),
        lost=sum(s < LOST_BELOW for s in speeds) / len(speeds) if speeds else None,
        worst=min(speeds, default=None),
        gflops=geometric_mean(r.gflops(own) for r in distinct),
    )


def scopes(run: Run) -> list[tuple[str, list[LayerResult]]]:
    """All layers under the name "all", then those of each suite."""
    return [
        ("all", run.layers),
        *((s, [r for r in run.layers if r.layer.suite == s]) for s in run.suites),
    ]


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
            "best peer": mean_speedup(results, speedup_over_best()),
        }
        for scope, results in scopes(run)
    }
    data["summary"] = {
        scope: {own: asdict(summary(results, own)) for own in run.own_keys}
        for scope, results in scopes(run)
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
        "gradient": problem.gradient,
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
