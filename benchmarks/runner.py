"""Run a benchmark: for each layer verify every contestant, then time those that are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from .contestant import Contestant, DeclinedError, Prepared, Settings
from .problem import Arrays, Problem, make_arrays
from .results import OWN, OWN_KEYS, LayerResult, Measurement
from .suites import Layer
from .timing import Effort, race
from .verify import Verifier, tolerance


class Observer(Protocol):
    """Told about progress; asked whether to go on."""

    def starting(self, layer: Layer) -> None:
        """Note that a layer is about to be measured."""

    def finished(self, result: LayerResult) -> None:
        """Note what was measured."""

    def stopped(self) -> bool:
        """Tell whether to end before the next layer."""


def measure_layers(
    layers: Sequence[Layer],
    contestants: Sequence[Contestant],
    settings: Settings,
    effort: Effort,
    observer: Observer,
    *,
    reference: Any,
    explain: Callable[[Problem, Settings], str] = lambda problem, settings: "",
) -> list[LayerResult]:
    """Measure layers in order, each distinct computation once.

    Args:
        layers: What to measure.
        contestants: Who takes part; one of them has the key ``"fastconv"``.
        settings: Threads, element type and forced algorithm.
        effort: How long to time.
        observer: Told about progress.
        reference: Namespace that holds the reference operators.
        explain: How fastconv computes a problem, in a few words.

    Returns:
        One result for each layer, up to where the observer ended the run.
    """
    results: list[LayerResult] = []
    known: dict[Any, LayerResult] = {}
    for layer in layers:
        if observer.stopped():
            break
        observer.starting(layer)
        result = known.get(layer.key)
        if result is None:
            result = _measure(layer, contestants, settings, effort, reference, explain)
            known[layer.key] = result
        else:
            result = replace(result, layer=layer)
        results.append(result)
        observer.finished(result)
    return results


def _measure(
    layer: Layer,
    contestants: Sequence[Contestant],
    settings: Settings,
    effort: Effort,
    reference: Any,
    explain: Callable[[Problem, Settings], str],
) -> LayerResult:
    problem = layer.problem
    settings = settings.of(problem)
    arrays = make_arrays(problem, settings.dtype)
    verifier = Verifier(reference, problem, arrays, settings.dtype)
    measurements: dict[str, Measurement] = {}
    ready: dict[str, Prepared] = {}
    for contestant in contestants:
        outcome = _verify(contestant, problem, arrays, settings, verifier)
        if isinstance(outcome, Measurement):
            measurements[contestant.key] = outcome
        else:
            ready[contestant.key], measurements[contestant.key] = outcome
    timings = race({key: prepared.run for key, prepared in ready.items()}, effort)
    for key, timing in timings.items():
        calls = ready[key].calls
        measurements[key] = replace(
            measurements[key],
            seconds=timing.median / calls,
            best=timing.best / calls,
            calls=timing.calls * calls,
        )
    answered = measurements[OWN].seconds is not None
    return LayerResult(layer, measurements, explain(problem, settings) if answered else "")


def _verify(
    contestant: Contestant,
    problem: Problem,
    arrays: Arrays,
    settings: Settings,
    verifier: Verifier,
) -> Measurement | tuple[Prepared, Measurement]:
    """Return the prepared call of a contestant that is right, or why there is none."""
    own = contestant.key in OWN_KEYS
    try:
        prepared = contestant.prepare(problem, arrays, settings)
        answer = prepared.fetch(prepared.run())
    except DeclinedError as declined:
        return Measurement(declined=str(declined))
    except Exception as error:  # a library that fails on one layer must not end the run
        text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        return Measurement(wrong=text) if own else Measurement(declined=text)
    outcome = verifier.compare(answer, tolerance(settings, own=own))
    if not outcome.ok:
        return Measurement(wrong=outcome.message)
    return prepared, Measurement(error=outcome.error)
