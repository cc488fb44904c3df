"""Verify every kernel family on every instruction set and element type of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastconv._layout import channels_last

from .problem import Arrays, Problem, call, geometry, make_arrays
from .suites import read_layers
from .verify import OWN_FACTOR, Verifier

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class CheckResult:
    """One call that was compared with the reference.

    Attributes:
        kernel: Kernel family that computed it, or an empty string for operators without families.
        error: Largest deviation in units of ``eps * sum |x||w|``.
        message: What is wrong, or an empty string.
    """

    kernel: str
    error: float
    message: str


@dataclass
class CheckRow:
    """One problem in one memory layout with one algorithm, on all instruction sets and types.

    ``fills`` names the values that it is tried with, as of ``make_arrays``.
    ``results`` is keyed by (isa, dtype); None where the algorithm declines the problem.
    """

    problem: Problem
    algorithm: str
    layout: str
    fills: tuple[str, ...] = ("normal", "integer")
    results: dict[tuple[str, str], CheckResult | None] = field(default_factory=dict)

    @property
    def failures(self) -> list[tuple[str, str, CheckResult]]:
        """What went wrong, with its instruction set and element type."""
        return [(*key, r) for key, r in self.results.items() if r is not None and r.message]


def check_problems() -> list[Problem]:
    """Return the built-in list of problems."""
    return [layer.problem for layer in read_layers("check.toml")]


def rows(problem: Problem) -> Iterator[CheckRow]:
    """Every way of calling the operator that may take a different kernel."""
    algorithms = ("auto", "direct", "im2col", "winograd") if problem.is_convolution else ("auto",)
    layouts = ("planar",) if problem.is_filter else ("planar", "channels last")
    for algorithm in algorithms:
        for layout in layouts:
            yield CheckRow(problem, algorithm, layout)
    if _repeats_with_plain_kernel(problem):
        yield CheckRow(problem, "auto", "planar", ("infinite",))


def _repeats_with_plain_kernel(problem: Problem) -> bool:
    """Tell whether an infinite weight can meet padding.

    Vector kernels multiply some padding; when that gives NaN, the plain kernel, which leaves every
    padded tap out, computes the problem again. Nothing else reaches it.
    """
    if not problem.is_convolution or problem.is_transposed or "activation" in problem.options:
        return False
    return any(lo > 0 for lo in geometry(problem).pad_lo)


def check(
    problems: Sequence[Problem],
    isas: Sequence[str],
    library: Any,
    *,
    force_isa: Callable[[str | None], None],
    kernel_of: Callable[[CheckRow, str, str], str],
    dtypes: Sequence[str] = DTYPES,
) -> Iterator[CheckRow]:
    """Compare every call with ``library.reference``, on random and on integer values.

    With integer values every intermediate sum is exact, so those must agree to the last bit
    (unless an activation or a division rounds).

    Args:
        problems: What to call.
        isas: Instruction sets to force, one after the other.
        library: The ``fastconv`` package.
        force_isa: Forces an instruction set; None returns to the default.
        kernel_of: Kernel family of a row on an instruction set and element type.
        dtypes: Element types.

    Yields:
        A row as soon as it is complete.
    """
    for problem in problems:
        expected = {
            (dtype, fill): (arrays, Verifier(library.reference, problem, arrays, dtype))
            for dtype in dtypes
            for fill in ("normal", "integer", *(["infinite"] * _repeats_with_plain_kernel(problem)))
            for arrays in [make_arrays(problem, dtype, fill=fill)]
        }
        for row in rows(problem):
            try:
                for isa in isas:
                    force_isa(isa)
                    for dtype in dtypes:
                        cases = [(*expected[dtype, fill], fill) for fill in row.fills]
                        kernel = partial(kernel_of, row, isa, dtype)
                        row.results[isa, dtype] = _compare(row, cases, library, kernel)
            finally:
                force_isa(None)
            yield row


def _is_exact(problem: Problem) -> bool:
    sums_only = problem.weight_shape is not None and "activation" not in problem.options
    return sums_only or problem.op.startswith(("max_", "min_", "adaptive_max"))


def _compare(
    row: CheckRow,
    cases: Sequence[tuple[Arrays, Verifier, str]],
    library: Any,
    kernel_of: Callable[[], str],
) -> CheckResult | None:
    extra = {} if row.algorithm == "auto" else {"algorithm": row.algorithm}
    kernel, worst = "", 0.0
    for arrays, verifier, fill in cases:
        given = arrays
        if row.layout == "channels last":
            given = arrays._replace(x=channels_last(arrays.x))
        try:
            answer = call(library, row.problem, given, **extra)
            kernel = kernel_of()
        except library.UnsupportedError:
            return None
        except Exception as error:
            return CheckResult(kernel, float("inf"), f"{type(error).__name__}: {error}")
        exact = fill == "integer" and _is_exact(row.problem)
        outcome = verifier.compare(answer, 0.0 if exact else OWN_FACTOR)
        worst = max(worst, outcome.error)
        if not outcome.ok:
            return CheckResult(kernel, worst, f"{fill} values: {outcome.message}")
    return CheckResult(kernel, worst, "")
