"""fastconv's networks as contestants: layer by layer, and compiled."""

from __future__ import annotations

from typing import Any

import fastconv
from fastconv import nn

from ..contestant import DeclinedError, Prepared, Settings
from ..results import OWN, OWN_PLAN
from .problem import NetworkArrays, NetworkProblem
from .verify import TrainingStep


class Layers:
    """The network as it is written: each layer is a call; also the way to train."""

    key = OWN
    title = "fastconv, layer by layer"
    distributions = ("fastconv", "numpy")

    def prepare(
        self, problem: NetworkProblem, arrays: NetworkArrays, settings: Settings
    ) -> Prepared:
        """Bind the network to its images."""
        fastconv.set_num_threads(settings.threads)
        if problem.training:
            step = TrainingStep(arrays)
            return Prepared(step.run, step.result)

        def run() -> Any:
            with fastconv.precision(settings.precision), nn.no_grad():
                return arrays.net(arrays.x)

        return Prepared(run)


class Compiled:
    """``nn.compile``: normalisations folded, weights packed."""

    key = OWN_PLAN
    title = "fastconv, compiled"
    distributions = ("fastconv", "numpy")

    def prepare(
        self, problem: NetworkProblem, arrays: NetworkArrays, settings: Settings
    ) -> Prepared:
        """Compile for this shape."""
        if problem.training:
            raise DeclinedError("a compiled network does not train")
        fastconv.set_num_threads(settings.threads)
        with fastconv.precision(settings.precision):
            compiled = nn.compile(arrays.net, problem.x_shape, memory_format=settings.memory_format)
        return Prepared(lambda: compiled(arrays.x))
