"""Compare an answer with ``fastconv.reference``, whole or, for large problems, in parts.

A sum of products is accepted within ``factor * eps * sum |x||w|``, the scale of the rounding error
of any summation order; averages accordingly. Products in fewer bits, and results that are stored in
16 bits, are allowed what that costs. Maxima and minima must be exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contestant import Settings, as_convolution
from .problem import (
    Arrays,
    Problem,
    call,
    element_type,
    geometry,
    multiply_adds,
    output_shape,
    result_shape,
)

# fastconv's own answers. Direct summation in float32 stays near 2.
OWN_FACTOR = 16.0
# Peers may use transforms (Winograd, Fourier) that lose a few digits and are still right.
PEER_FACTOR = 256.0
# What float32 products may leave out at each level of precision, relative to |x||w|; see
# docs/numerics.md.
LEFT_OUT = {"highest": 0.0, "high": 3 * 2.0**-16, "medium": 2.0**-7}
# Multiply-adds up to which the reference computes everything, and those of each of the parts that
# it computes beyond: about a quarter of a second either way.
_WHOLE = 300_000_000
_PART = 60_000_000

# Types whose sums are kept in float32.
_NARROW = ("float16", "bfloat16")

Index = tuple[slice, ...]


@dataclass(frozen=True)
class Tolerance:
    """How far an answer may be off.

    Attributes:
        factor: Times ``eps * sum |x||w|``, with the eps of the type that sums are kept in.
        left_out: Times ``sum |x||w|``: what products leave out.
        rounding: Times the result: what storing it leaves out.
    """

    factor: float
    left_out: float = 0.0
    rounding: float = 0.0


def tolerance(settings: Settings, *, own: bool) -> Tolerance:
    """Return what is allowed of an answer: fastconv's own, or a peer's."""
    computed = settings.dtype if own else settings.peer_dtype
    stored = _epsilon(computed) if computed in _NARROW else 0.0
    left_out = 0.0
    if settings.dtype == "float32":
        left_out = LEFT_OUT[settings.precision] * (1 + 2.0**-7)
        if not own:
            left_out = 2 * stored
    elif stored and not own:
        # Some kernels of other libraries keep partial sums in the type of the arrays.
        left_out = 4 * stored
    return Tolerance(OWN_FACTOR if own else PEER_FACTOR, left_out, stored)


def _epsilon(dtype: str) -> float:
    if dtype == "bfloat16":
        return 2.0**-7
    return float(np.finfo(dtype).eps)


@dataclass(frozen=True)
class Outcome:
    """Result of a comparison.

    Attributes:
        ok: Whether shape, type and every value that was looked at are right.
        error: Largest deviation in units of ``eps * sum |x||w|``.
        message: What is wrong, or an empty string.
    """

    ok: bool
    error: float
    message: str = ""


@dataclass(frozen=True)
class _Part:
    index: Index
    expected: NDArray[np.float64]
    scale: NDArray[np.float64]


class Verifier:
    """The right answer of one problem, computed once and compared with any number of answers.

    Args:
        reference: Namespace that holds the reference operators.
        problem: The problem.
        arrays: Its arguments.
        dtype: Element type that answers must have.
    """

    def __init__(self, reference: Any, problem: Problem, arrays: Arrays, dtype: str) -> None:
        self._shape = result_shape(problem)
        self._dtype = element_type(dtype)
        self._eps = _epsilon("float32" if dtype in _NARROW else dtype)
        # A gradient's sums have no parts that are smaller problems of the same kind.
        whole = bool(problem.gradient) or multiply_adds(problem) <= _WHOLE
        self._as_convolution = problem.is_filter and not whole
        if self._as_convolution:
            problem, arrays = as_convolution(problem, arrays)
        everything = tuple(slice(0, size) for size in result_shape(problem))
        calls: Iterable[tuple[Index, Problem, Arrays]]
        calls = [(everything, problem, arrays)] if whole else _parts(problem, arrays)
        # An infinite weight times a zero input is NaN, and is compared as such.
        with np.errstate(invalid="ignore"):
            self._parts = [
                _Part(
                    index,
                    call(reference, part, given),
                    _scale(reference, part, given),
                )
                for index, part, given in calls
            ]

    @property
    def outputs_checked(self) -> int:
        """Number of outputs that a comparison looks at."""
        return sum(part.expected.size for part in self._parts)

    def judge(self, answer: NDArray[Any], settings: Settings, *, own: bool) -> Outcome:
        """Judge fastconv's own answer, or a peer's, by what the settings allow."""
        return self.compare(answer, tolerance(settings, own=own))

    def compare(self, answer: NDArray[Any], allowed: Tolerance | float) -> Outcome:
        """Judge an answer; a number is a tolerance's factor."""
        tolerance = allowed if isinstance(allowed, Tolerance) else Tolerance(allowed)
        if answer.shape != self._shape or answer.dtype != self._dtype:
            return Outcome(
                False,
                math.inf,
                f"returned {answer.dtype} {answer.shape}, expected {self._dtype} {self._shape}",
            )
        if self._as_convolution:
            image = answer if answer.ndim == 3 else answer[:, :, None]
            answer = image.transpose(2, 0, 1)[None]
        worst = 0.0
        for part in self._parts:
            got = answer[part.index].astype(np.float64)
            # Where the scale is 0 the result is exact in any order. NaN agrees with NaN, infinity
            # with the same infinity, and neither with anything else.
            unit = self._eps * part.scale
            same = (got == part.expected) | (np.isnan(got) & np.isnan(part.expected))
            with np.errstate(divide="ignore", invalid="ignore"):
                error = np.where(same, 0.0, np.abs(got - part.expected) / unit)
                stored = tolerance.rounding * np.abs(part.expected) / unit
            error = np.where(np.isnan(error), math.inf, error)
            if not error.size:
                continue
            worst = max(worst, float(error.max()))
            limit = tolerance.factor + tolerance.left_out / self._eps
            limits = limit + np.where(np.isfinite(stored), stored, 0.0)
            if np.any(error > limits):
                where = np.unravel_index(int((error - limits).argmax()), error.shape)
                at = tuple(int(i) + s.start for i, s in zip(where, part.index, strict=True))
                return Outcome(
                    False,
                    worst,
                    f"at {at}: got {got[where]:.9g}, expected {part.expected[where]:.9g}, "
                    f"off by {error[where]:.3g} eps*sum|x||w| (allowed {limits[where]:.3g})",
                )
        return Outcome(True, worst)


def _scale(reference: Any, problem: Problem, arrays: Arrays) -> NDArray[np.float64]:
    """Size of what is summed for each output."""
    if problem.gradient:
        return _gradient_scale(reference, problem, arrays)
    if problem.op.startswith(("max_", "min_", "adaptive_max")):
        return np.zeros(output_shape(problem))
    if problem.op.startswith("lp_pool"):
        norm: NDArray[np.float64] = call(reference, problem, arrays)
        return norm
    given = [a for a in arrays if a is not None]
    sums: NDArray[np.float64] = reference.magnitude(problem.op, *given, **problem.options)
    return sums


def _gradient_scale(reference: Any, problem: Problem, arrays: Arrays) -> NDArray[np.float64]:
    """Return the gradient of absolute values; which elements win a window stays as it is."""
    assert arrays.grad is not None
    grad = np.abs(arrays.grad)
    if arrays.weight is None:
        absolute = arrays._replace(grad=grad)
    else:
        absolute = Arrays(np.abs(arrays.x), np.abs(arrays.weight), None, grad)
    sums: NDArray[np.float64] = call(reference, problem, absolute)
    return sums


def _parts(problem: Problem, arrays: Arrays) -> Iterator[tuple[Index, Problem, Arrays]]:
    """Three pieces of the output: at its beginning, at its end, and in the middle."""
    cut = _cut_convolution if _has_windows(problem) else _cut_channels
    for position in (0.0, 1.0, 0.5):
        yield cut(problem, arrays, position)


def _has_windows(problem: Problem) -> bool:
    return problem.is_convolution and not problem.is_transposed


def _span(size: int, length: int, position: float) -> slice:
    start = round((size - length) * position)
    return slice(start, start + length)


def _cut_convolution(
    problem: Problem, arrays: Arrays, position: float
) -> tuple[Index, Problem, Arrays]:
    """Cut images, channels and window positions out, as a smaller convolution."""
    assert arrays.weight is not None
    g = geometry(problem)
    batch, out_channels, *sizes = output_shape(problem)
    group_out, group_in = out_channels // problem.groups, arrays.weight.shape[1]
    lengths = [out_channels, *sizes]
    budget = _PART // (group_in * math.prod(g.kernel))
    while math.prod(lengths) > budget and max(lengths) > 1:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    image = _span(batch, 1, position)
    if problem.groups == 1:
        outputs, inputs, groups = _span(out_channels, lengths[0], position), slice(None), 1
    else:
        groups = -(-lengths[0] // group_out)
        taken = _span(problem.groups, groups, position)
        outputs = slice(taken.start * group_out, taken.stop * group_out)
        inputs = slice(taken.start * group_in, taken.stop * group_in)
    windows, region, padding = [], [], []
    for size, out, length, k, s, d, lo in zip(
        arrays.x.shape[2:], sizes, lengths[1:], *g[:4], strict=True
    ):
        window = _span(out, length, position)
        first = window.start * s - lo
        last = (window.stop - 1) * s - lo + d * (k - 1) + 1
        windows.append(window)
        region.append(slice(max(0, first), min(size, last)))
        padding.append((max(0, -first), max(0, last - size)))
    x = arrays.x[(image, inputs, *region)]
    weight = arrays.weight[outputs]
    options = {
        "stride": g.stride,
        "dilation": g.dilation,
        "padding": tuple(padding),
        "groups": groups,
    }
    bias = None if arrays.bias is None else arrays.bias[outputs]
    part = Problem(problem.name, problem.op, x.shape, weight.shape, problem.bias, options)
    return (image, outputs, *windows), part, Arrays(x, weight, bias)


def _cut_channels(
    problem: Problem, arrays: Arrays, position: float
) -> tuple[Index, Problem, Arrays]:
    """Cut one image and some channels of a pooling or transposed convolution out."""
    batch, channels, *sizes = output_shape(problem)
    image = _span(batch, 1, position)
    per_channel = multiply_adds(problem) // (batch * channels)
    count = max(1, min(channels, _PART // max(1, per_channel)))
    whole = tuple(slice(0, n) for n in sizes)
    if arrays.weight is None:
        outputs = _span(channels, count, position)
        x = arrays.x[image, outputs]
        part = Problem(problem.name, problem.op, x.shape, options=problem.options)
        return (image, outputs, *whole), part, Arrays(x, None, None)
    # The channels of one group: weights are (in, out/groups, *kernel).
    group_in, group_out = arrays.x.shape[1] // problem.groups, arrays.weight.shape[1]
    group = round((problem.groups - 1) * position)
    inner = _span(group_out, min(count, group_out), position)
    inputs = slice(group * group_in, (group + 1) * group_in)
    outputs = slice(group * group_out + inner.start, group * group_out + inner.stop)
    x, weight = arrays.x[image, inputs], arrays.weight[inputs, inner]
    bias = None if arrays.bias is None else arrays.bias[outputs]
    options = {**problem.options, "groups": 1}
    part = Problem(problem.name, problem.op, x.shape, weight.shape, problem.bias, options)
    return (image, outputs, *whole), part, Arrays(x, weight, bias)
