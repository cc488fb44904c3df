"""Every operator and gradient over the one list of problems, for any kind of array on a GPU."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import cases
import fastconv as fc
from fastconv import reference
from fastconv.benchmarks.problem import Problem

To = Callable[[Any], Any]

CONVOLUTIONS = [*cases.CONV_CASES, *cases.TRANSPOSED_CASES]
GRADIENTS = [p for p in cases.POOL_CASES if hasattr(fc, p.op + "_backward")]
# Options of a pooling that its gradient does not have.
_NOT_OF_GRADIENTS = ("return_indices", "output")


def sample(problems: list[Problem], every: int) -> list[Problem]:
    """One in `every` problems, chosen by name so that the list may grow; all where it is 1."""
    return [p for p in problems if zlib.crc32(p.name.encode()) % every == 0]


def channels_last(array: Any, rank: int) -> Any:
    """The same values, channels innermost in memory."""
    axis = array.ndim - rank - 1
    return np.moveaxis(np.moveaxis(array, axis, -1).copy(), -1, axis)


def assert_close(got: Any, expected: Any, problem: Problem) -> None:
    """Exact where whole numbers stay whole, else to a few of the last digits."""
    for mine, theirs in zip(_parts(got), _parts(expected), strict=True):
        assert mine.shape == theirs.shape
        # The reference computes in float64, and gives positions as int64.
        assert (mine.dtype.kind == "i") == (theirs.dtype.kind == "i")
        if _is_exact(problem) or mine.dtype.kind == "i":
            np.testing.assert_array_equal(mine, theirs)
        else:
            scale = max(1.0, float(np.abs(theirs).max(initial=0)))
            np.testing.assert_allclose(
                mine, theirs, rtol=1e-5, atol=16 * np.finfo(mine.dtype).eps * scale
            )


def _is_exact(problem: Problem) -> bool:
    averages = "avg" in problem.op or "lp" in problem.op
    return not averages and problem.options.get("activation") in (None, "relu")


def _parts(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def check_operator(problem: Problem, to: To, back: To, dtype: Any = np.float32) -> None:
    """The operator on a GPU against the reference."""
    operands = cases.exact_integers(problem, dtype)
    moved = cases.Operands(*(None if a is None else to(a) for a in operands))
    got = back(cases.call(fc, problem, moved))
    assert_close(got, cases.call(reference, problem, operands), problem)


def check_channels_last(problem: Problem, to: To, back: To) -> None:
    """Channels-last input gives the same values, laid out like it."""
    operands = cases.exact_integers(problem)
    x = channels_last(operands.x, problem.rank)
    moved = cases.Operands(*(None if a is None else to(a) for a in operands._replace(x=x)))
    got = back(cases.call(fc, problem, moved))
    assert_close(got, cases.call(reference, problem, operands), problem)


def check_convolution_gradients(problem: Problem, to: To, back: To) -> None:
    """Gradients of input, weight and bias."""
    options = {k: v for k, v in problem.options.items() if k != "activation"}
    problem = replace(problem, options=options)
    operands = cases.exact_integers(problem)
    grad = cases.output_gradient(problem, operands, whole=True)
    moved = cases.Operands(*(None if a is None else to(a) for a in operands))
    got = back(cases.convolution_gradients(fc, problem, moved, to(grad)))
    expected = cases.convolution_gradients(reference, problem, operands, grad)
    assert_close(got, expected, problem)


def check_pooling_gradient(problem: Problem, to: To, back: To) -> None:
    """The gradient of a pooling; of maxima also from the positions that were kept."""
    x = cases.exact_integers(problem).x
    values = cases.call(reference, problem, cases.Operands(x))
    shape = _parts(values)[0].shape
    grad = np.random.default_rng(3).integers(-2, 3, shape).astype(x.dtype)
    options = {k: v for k, v in problem.options.items() if k not in _NOT_OF_GRADIENTS}
    name = problem.op + "_backward"
    expected = getattr(reference, name)(grad, x, **options)
    assert_close(back(getattr(fc, name)(to(grad), to(x), **options)), expected, problem)
    if problem.op.startswith("max"):
        _, kept = getattr(fc, problem.op)(to(x), **options, return_indices=True)
        got = back(getattr(fc, name)(to(grad), to(x), **options, indices=kept))
        assert_close(got, expected, problem)


def check_unpooling_gradient(problem: Problem, to: To, back: To) -> None:
    """The gradient of max unpooling gathers."""
    operands = cases.exact_integers(problem)
    grad = cases.output_gradient(problem, operands, whole=True)
    name = problem.op + "_backward"
    expected = getattr(reference, name)(grad, operands.x, operands.indices, **problem.options)
    got = getattr(fc, name)(to(grad), to(operands.x), to(operands.indices), **problem.options)
    assert_close(back(got), expected, problem)
