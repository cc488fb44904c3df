"""fastconv itself as a contestant: one plain call per problem, as a user writes it."""

from __future__ import annotations

from typing import Any

import fastconv

from .contestant import DeclinedError, Prepared, Settings
from .problem import Arrays, Problem
from .results import OWN


class Fastconv:
    """A call of the operator on NumPy arrays; weights are packed in every call."""

    key = OWN
    title = "fastconv"
    distributions = ("fastconv", "numpy")

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Bind the arguments; a forced algorithm that cannot do the problem declines."""
        fastconv.set_num_threads(settings.threads)
        function = getattr(fastconv, problem.op)
        options: dict[str, Any] = dict(problem.options)
        if problem.is_convolution and settings.algorithm != "auto":
            options["algorithm"] = settings.algorithm
        given = [a for a in arrays if a is not None]

        def run() -> Any:
            return function(*given, **options)

        if settings.algorithm != "auto":
            try:
                run()
            except fastconv.UnsupportedError as error:
                raise DeclinedError(str(error)) from error
        return Prepared(run)
