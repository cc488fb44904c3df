"""A whole benchmark run of fastconv: contestants, machine, measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import fastconv
from fastconv import _core
from fastconv._conv import Algorithm, Precision
from fastconv._plan import MemoryFormat

from . import machine
from .contestant import Contestant, Settings
from .own import Fastconv, FastconvPlan
from .peers import Missing
from .problem import Problem
from .results import Run
from .runner import Judge, Observer, measure_layers
from .suites import Layer
from .timing import Effort
from .verify import Verifier

FULL = Effort(seconds=0.12, rounds=10, limit=0.8)
QUICK = Effort(seconds=0.06, rounds=5, limit=0.3)
NETWORKS = Effort(seconds=1.0, rounds=10, limit=3.0)
NETWORKS_QUICK = Effort(seconds=0.3, rounds=5, limit=0.6)


def gpu_text() -> str:
    """The GPUs that fastconv sees, with the driver."""
    return fastconv.show_config().cuda.removeprefix("on: ").partition(";")[0]


def _plan(problem: Problem, settings: Settings, device: str = "cpu") -> str:
    if not problem.has_plan:
        return ""
    assert problem.weight_shape is not None
    return fastconv.explain(
        problem.op,
        problem.x_shape,
        problem.weight_shape,
        bias=problem.bias,
        dtype=settings.dtype,
        algorithm=cast(Algorithm, settings.algorithm),
        precision=cast(Precision, settings.precision),
        memory_format=settings.memory_format,
        device=device,
        **problem.options,
    ).kernel


def _own_networks() -> list[Contestant]:
    from .networks.own import Compiled, Layers

    return [Layers(), Compiled()]


def _judge_networks(reference: Any, problem: Any, arrays: Any, dtype: str) -> Judge:
    from .networks.verify import NetworkVerifier

    return NetworkVerifier(problem, arrays)


def _own_layers() -> list[Contestant]:
    return [Fastconv(), FastconvPlan()]


# Who stands for fastconv, who knows the right answers, and the effort of full and quick runs.
_Field = tuple[Callable[[], list[Contestant]], Callable[..., Judge], tuple[Effort, Effort]]
_LAYERS: _Field = (_own_layers, Verifier, (FULL, QUICK))
_NETWORKS: _Field = (_own_networks, _judge_networks, (NETWORKS, NETWORKS_QUICK))


def measure(
    layers: Sequence[Layer],
    peers: Sequence[Contestant],
    missing: Sequence[Missing],
    *,
    threads: int,
    dtype: str,
    algorithm: str,
    precision: str,
    isa: str,
    held: dict[str, str],
    quick: bool,
    observer: Observer,
    networks: bool = False,
    device: str = "cpu",
    memory_format: MemoryFormat = "contiguous",
) -> Run:
    """Measure the machine's ceilings, then the layers.

    Args:
        layers: What to measure.
        peers: Who is compared.
        missing: Peers that are not installed; reported only.
        threads: Threads for everyone.
        dtype: Element type of all arrays.
        algorithm: Algorithm forced on fastconv, or ``"auto"``.
        precision: Level that fastconv is asked for.
        isa: Instruction set that fastconv uses.
        held: Environment that holds peers to that instruction set.
        quick: Measure for a shorter time.
        observer: Told about progress.
        device: "cpu", or "cuda" for PyTorch's current GPU.
        networks: Whether the layers are whole networks.
        memory_format: Layout of fastconv's arrays.
    """
    own, judge, efforts = _NETWORKS if networks else _LAYERS
    contestants = [*own(), *peers]
    chip = fastconv.show_config().cpu
    measured = partial(machine.measure_ceilings, _core, isa, dtype, threads)
    if device == "cuda":
        from . import gpu

        contestants = [gpu.GpuFastconv(), *peers]
        chip = gpu_text()
        measured = partial(gpu.measure_ceilings, dtype)
    run = Run(
        threads=threads,
        dtype=dtype,
        algorithm=algorithm,
        isa="cuda" if device == "cuda" else isa,
        cpu=chip,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        ceilings=measured(),
        versions=machine.versions(n for c in contestants for n in c.distributions),
        titles={c.key: c.title for c in contestants},
        missing={m.key: m.reason for m in missing},
        load_before=machine.load_before(),
        precision=precision,
        held=held,
        device=device,
        memory_format=memory_format,
    )
    try:
        run.layers += measure_layers(
            layers,
            contestants,
            Settings(threads, dtype, algorithm, precision, isa if held else None, memory_format),
            efforts[quick],
            observer,
            reference=fastconv.reference,
            explain=partial(_plan, device=device),
            judge=judge,
        )
    finally:
        fastconv.set_num_threads(None)
    # What the machine reaches swings with its other load: the better of two measurements counts.
    run.ceilings = run.ceilings.better(measured())
    run.interrupted = observer.stopped()
    return run
