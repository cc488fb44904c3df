"""Compare what a network gives with the same network in float64.

fastconv's own layers, one by one in float64, are the standard of all contestants; that other
libraries agree with it is what confirms it. Deviations are relative to the largest magnitude of an
array: rounding errors of a deep network mix across its outputs.
"""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastconv import nn

from ..contestant import Settings
from ..verify import LEFT_OUT, Outcome
from .problem import LEARNING_RATE, MOMENTUM, NetworkArrays, NetworkProblem

Arrays = NDArray[Any]

# Of the largest magnitude: 64 layers of rounding in float32 stay near 1e-6; peers that use
# transforms (Winograd) lose two digits.
_OUTPUT = {True: 2e-5, False: 2e-3}
# Gradients pass through decisions of rectifiers and maxima, a few of which rounding turns round: in
# ResNet-50's first layer PyTorch's two layouts are off by 0.02 and 0.04 in float32. A gradient that
# misses a term is off by the order of 1.
_GRADIENT = 5e-2


class StepResult(NamedTuple):
    """What a training step gave: the loss, and two gradients before the weights changed."""

    loss: float
    first: Arrays
    last: Arrays


class TrainingStep:
    """A training step with fastconv's layers, for any dtype."""

    def __init__(self, arrays: NetworkArrays) -> None:
        self._net = copy.deepcopy(arrays.net).train()
        self._x, self._classes = arrays.x, arrays.classes
        self._loss = nn.CrossEntropyLoss()
        self._optimizer = nn.SGD(self._net.parameters(), LEARNING_RATE, MOMENTUM)

    def run(self) -> float:
        """Make one step; returns the loss before it."""
        self._optimizer.zero_grad()
        value = self._loss(self._net(self._x), self._classes)
        self._net.backward(self._loss.backward())
        self._optimizer.step()
        return value

    def result(self, loss: float) -> StepResult:
        """What the latest step gave."""
        parameters = [p for p in self._net.parameters() if p.data.ndim > 1]
        first, last = parameters[0].grad, parameters[-1].grad
        assert first is not None
        assert last is not None
        return StepResult(loss, first, last)


class NetworkVerifier:
    """The right answer of one pass, computed once and compared with any number of answers."""

    def __init__(self, problem: NetworkProblem, arrays: NetworkArrays) -> None:
        wide = copy.deepcopy(arrays.net).astype(np.float64)
        given = NetworkArrays(wide, arrays.x.astype(np.float64), arrays.classes)
        if problem.training:
            step = TrainingStep(given)
            self._expected: StepResult | Arrays = step.result(step.run())
        else:
            with nn.no_grad():
                self._expected = wide(given.x)
        self._eps = float(np.finfo(arrays.x.dtype).eps)

    def judge(self, answer: Any, settings: Settings, *, own: bool) -> Outcome:
        """Judge an output, or the result of a training step."""
        if isinstance(self._expected, StepResult):
            pairs = [*zip(map(np.asarray, answer), map(np.asarray, self._expected), strict=True)]
            limit = _GRADIENT
        else:
            pairs = [(np.asarray(answer), self._expected)]
            limit = _OUTPUT[own] + 4 * LEFT_OUT[settings.precision]
        worst = 0.0
        for got, expected in pairs:
            if got.shape != expected.shape:
                text = f"returned shape {got.shape}, expected {expected.shape}"
                return Outcome(False, math.inf, text)
            error = float(np.abs(got - expected).max() / np.abs(expected).max())
            worst = max(worst, math.inf if math.isnan(error) else error)
        text = "" if worst <= limit else f"off by {worst:.2g} of the largest (allowed {limit:.2g})"
        return Outcome(not text, worst / self._eps, text)
