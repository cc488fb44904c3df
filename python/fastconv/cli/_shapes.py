"""Sizes on the command line: ``64``, ``1,64,56,56``, ``1:2,0:0``."""

from __future__ import annotations

from typing import Any

import click


class Shape(click.ParamType):  # type: ignore[type-arg]
    """A shape: whole numbers with commas between them."""

    name = "shape"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse ``1,64,56,56``."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"got {value!r}; give whole numbers such as 1,64,56,56", param, ctx)


class PerAxis(click.ParamType):  # type: ignore[type-arg]
    """An option of an operator: one number, one per axis, or a word where words are allowed."""

    name = "sizes"

    def __init__(self, words: tuple[str, ...] = (), *, pairs: bool = False) -> None:
        self.words = words
        self.pairs = pairs

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse ``2``, ``2,1``, and where allowed ``same`` or ``1:2,0:0``."""
        if not isinstance(value, str):
            return value
        if value in self.words:
            return value
        try:
            parts = tuple(self._part(part) for part in value.split(","))
        except ValueError:
            forms = ["a whole number", "one per axis such as 2,1"]
            if self.pairs:
                forms.append("lo:hi pairs such as 1:2,0:0")
            forms += self.words
            self.fail(f"got {value!r}; give {', '.join(forms)}", param, ctx)
        return parts[0] if len(parts) == 1 and isinstance(parts[0], int) else parts

    def _part(self, text: str) -> int | tuple[int, int]:
        lo, colon, hi = text.partition(":")
        if not colon:
            return int(lo)
        if not self.pairs:
            raise ValueError(text)
        return int(lo), int(hi)
