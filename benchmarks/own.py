"""fastconv itself as a contestant: a plain call as a user writes it, and a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastconv
from fastconv._layout import channels_last

from .contestant import DeclinedError, Prepared, Settings
from .problem import Arrays, Problem, call
from .results import OWN, OWN_PLAN


def _options(problem: Problem, settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = dict(problem.options)
    if problem.is_convolution:
        options["precision"] = settings.precision
    if problem.has_plan and settings.algorithm != "auto":
        options["algorithm"] = settings.algorithm
    return options


def _laid_out(problem: Problem, arrays: Arrays, settings: Settings) -> Arrays:
    """Input and gradient in the run's layout; columns and images have but one."""
    columns = problem.is_filter or problem.op in ("fold", "unfold")
    if settings.memory_format == "contiguous" or columns:
        return arrays
    axis = arrays.x.ndim - problem.rank - 1
    grad = None if arrays.grad is None else channels_last(arrays.grad, axis)
    return arrays._replace(x=channels_last(arrays.x, axis), grad=grad)


def _gradient(problem: Problem, arrays: Arrays, options: dict[str, Any]) -> Callable[[], Any]:
    """Bind a gradient; that of max pooling gets the positions which the forward pass found."""
    if "max_pool" in problem.op:
        pool = getattr(fastconv, problem.op)
        _, indices = pool(arrays.x, **options, return_indices=True)
        options = {**options, "indices": indices}
    return lambda: call(fastconv, problem, arrays, **options)


class Fastconv:
    """A call of the operator on NumPy arrays; weights are packed in every call."""

    key = OWN
    title = "fastconv"
    distributions = ("fastconv", "numpy")

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind the arguments; a forced algorithm that cannot do the problem declines."""
        fastconv.set_num_threads(settings.threads)
        options = _options(problem, settings)
        arrays = _laid_out(problem, arrays, settings)
        if problem.gradient:
            return Prepared(_gradient(problem, arrays, options))
        function = getattr(fastconv, problem.op)
        given = [a for a in arrays if a is not None]

        def run() -> Any:
            return function(*given, **options)

        if settings.algorithm != "auto":
            try:
                run()
            except fastconv.UnsupportedError as error:
                raise DeclinedError(str(error)) from error
        return Prepared(run)


class FastconvPlan:
    """A plan: weights packed once, the result written to the same array each time."""

    key = OWN_PLAN
    title = "fastconv, plan"
    distributions = ("fastconv", "numpy")

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Plan for the input's shape; only convolutions have weights to plan for."""
        if not problem.has_plan:
            raise DeclinedError("only a convolution's forward pass has weights to pack")
        assert arrays.weight is not None
        fastconv.set_num_threads(settings.threads)
        try:
            planned = fastconv.plan(
                problem.op,
                problem.x_shape,
                arrays.weight,
                arrays.bias,
                memory_format=settings.memory_format,
                **_options(problem, settings),
            )
        except fastconv.UnsupportedError as error:
            raise DeclinedError(str(error)) from error
        x = _laid_out(problem, arrays, settings).x
        out = planned(x)  # large results begin at a cache line
        return Prepared(lambda: planned(x, out))
