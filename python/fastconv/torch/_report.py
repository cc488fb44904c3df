"""What :func:`fastconv.torch.accelerate` did, and how to undo it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from torch import nn

from fastconv.torch.modules import PLANS


@dataclass(frozen=True)
class Decision:
    """What became of one layer.

    Attributes:
        name: The layer's name in the model; empty for the model itself.
        kind: Its class in ``torch.nn``.
        swapped: Whether fastconv computes it now.
        reason: Why, or why not.
        torch_seconds: What torch took, where it was measured.
        fastconv_seconds: What fastconv took, where it was measured.
    """

    name: str
    kind: str
    swapped: bool
    reason: str
    torch_seconds: float | None = None
    fastconv_seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """The decisions on all convolution and pooling layers of a model; printing it gives a table.

    Attributes:
        decisions: One for each layer, in the model's order.
    """

    decisions: tuple[Decision, ...]
    _undo: list[tuple[nn.Module, type[nn.Module]]] = field(repr=False)

    @property
    def swapped(self) -> tuple[Decision, ...]:
        """Layers that fastconv computes."""
        return tuple(one for one in self.decisions if one.swapped)

    @property
    def skipped(self) -> tuple[Decision, ...]:
        """Layers that were left as they are."""
        return tuple(one for one in self.decisions if not one.swapped)

    def restore(self) -> None:
        """Give every layer its own class back; a second call does nothing.

        A layer whose class somebody else has changed since is left as it is.
        """
        while self._undo:
            layer, own = self._undo.pop()
            layer.__dict__.pop(PLANS, None)
            if type(layer).__bases__[-1] is own:
                layer.__class__ = own

    def __str__(self) -> str:
        table = Table(title=f"{len(self.swapped)} of {len(self.decisions)} layers swapped")
        for title in ("layer", "class", "computed by", "reason"):
            table.add_column(title)
        for one in self.decisions:
            by = "fastconv" if one.swapped else "torch"
            table.add_row(one.name or "(model)", one.kind, by, one.reason)
        text = io.StringIO()
        Console(file=text, width=110, color_system=None).print(table)
        return text.getvalue().rstrip()
