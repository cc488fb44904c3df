"""Run a benchmark: for each layer verify every contestant, then time those that are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from .contestant import Contestant, DeclinedError, Prepared, Settings
from .problem import Problem, make_arrays
from .results import OWN, OWN_KEYS, LayerResult, Measurement
from .suites import Layer
from .timing import Effort, race
from .verify import Outcome, Verifier


class Observer(Protocol):
    """Told about progress; asked whether to go on."""

    def starting(self, layer: Layer) -> None:
        """Note that a layer is about to be measured."""

    def finished(self, result: LayerResult) -> None:
        """Note what was measured."""

    def stopped(self) -> bool:
        """Tell whether to end before the next layer."""


class Judge(Protocol):
    """Knows the right answer of one problem."""

    def judge(self, answer: Any, settings: Settings, *, own: bool) -> Outcome:
        """Compare fastconv's own answer, or a peer's, with it."""


def measure_layers(
    layers: Sequence[Layer],
    contestants: Sequence[Contestant],
    settings: Settings,
    effort: Effort,
    observer: Observer,
    *,
    reference: Any,
    explain: Callable[[Problem, Settings], str] = lambda problem, settings: "",
    judge: Callable[[Any, Problem, Any, str], Judge] = Verifier,
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
        judge: Makes, from the reference, a problem, its arrays and their type, what knows the
            right answer.

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
            arrays = make_arrays(layer.problem, settings.dtype)
            known_answer = judge(reference, layer.problem, arrays, settings.dtype)
            result = _measure(layer, arrays, contestants, settings, effort, known_answer, explain)
            known[layer.key] = result
        else:
            result = replace(result, layer=layer)
        results.append(result)
        observer.finished(result)
    return results


def _measure(
    layer: Layer,
    arrays: Any,
    contestants: Sequence[Contestant],
    settings: Settings,
    effort: Effort,
    judge: Judge,
    explain: Callable[[Problem, Settings], str],
) -> LayerResult:
    problem = layer.problem
    settings = settings.of(problem)
    measurements: dict[str, Measurement] = {}
    ready: dict[str, Prepared] = {}
    for contestant in contestants:
        outcome = _verify(contestant, problem, arrays, settings, judge)
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
    arrays: Any,
    settings: Settings,
    judge: Judge,
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
    outcome = judge.judge(answer, settings, own=own)
    if not outcome.ok:
        return Measurement(wrong=outcome.message)
    return prepared, Measurement(error=outcome.error)
