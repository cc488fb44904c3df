"""What the lists of problems share: names and difficult widths."""

from __future__ import annotations

from typing import Any

from fastconv.benchmarks.problem import Problem

# One, and one less, equal and one more than the vectors and register tiles of the kernels.
WIDTHS = (1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 64, 65, 100)

Shape = tuple[int, ...]


def named_case(
    op: str, x: Shape, weight: Shape | None = None, bias: bool = False, **options: Any
) -> Problem:
    """Return a problem whose name says operator, sizes and options."""
    parts = [op, "x".join(map(str, x))]
    if weight is not None:
        parts.append("w" + "x".join(map(str, weight)))
    if bias:
        parts.append("bias")
    parts += [f"{key}={value}".replace(" ", "") for key, value in options.items()]
    return Problem("-".join(parts), op, x, weight, bias, options)
