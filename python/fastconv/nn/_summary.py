"""The table of a network's layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastconv._arguments import shape
from fastconv.errors import ShapeError
from fastconv.nn._blocks import Block, Concat, Residual, Sequential
from fastconv.nn._compile import is_ours
from fastconv.nn._conv import Convolution, by_axis
from fastconv.nn._linear import Linear
from fastconv.nn._module import Module, Shape, require_module
from fastconv.nn._receptive import Field, Floats, field_after, first_field, union


@dataclass(frozen=True)
class LayerRow:
    """One row of a summary.

    Attributes:
        number: Counted from 1, which is the input.
        name: Dotted name of the layer in the network.
        type: Its class; "Add" and "Concat" where branches join.
        parameters: Its options, such as kernel, stride and padding.
        activations: Shape of its output, without the batch.
        learnables: Number of values that training changes.
        multiply_adds: Products in its sums for one sample; convolutions and dense layers only.
        receptive_field: What one output element sees of the input; None where it is unknown.
    """

    number: int
    name: str
    type: str
    parameters: str
    activations: Shape
    learnables: int
    multiply_adds: int
    receptive_field: Field | None


@dataclass(frozen=True, repr=False)
class Summary:
    """The layers of a network; ``str`` gives the table.

    Attributes:
        title: Class of the network.
        rows: One for the input and one for each layer, in the order of computation.
        learnables: Sum over all layers, shared ones once.
        multiply_adds: Sum over all layers, for one sample.
    """

    title: str
    rows: tuple[LayerRow, ...]
    learnables: int
    multiply_adds: int

    def __repr__(self) -> str:
        return f"<Summary of {self.title}: {len(self.rows)} rows, {self.learnables:,} learnables>"

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=200, color_system=None)
        with console.capture() as capture:
            console.print(self.table())
        return capture.get()

    def table(self) -> Any:
        """The table as a ``rich.table.Table``."""
        from rich.table import Table

        table = Table(title=self.title, show_footer=True)
        footers = {
            "learnables": f"{self.learnables:,}",
            "multiply-adds": f"{self.multiply_adds:,}",
            "name": "total",
        }
        for head in ("no.", "name", "type", "parameters", "activations", "learnables",
                     "multiply-adds", "field", "stride", "centre"):  # fmt: skip
            right = head in ("no.", "learnables", "multiply-adds")
            table.add_column(head, footers.get(head, ""), justify="right" if right else "left")
        for row in self.rows:
            field = row.receptive_field or Field((), (), ())
            table.add_row(
                str(row.number), row.name, row.type, row.parameters, by_axis(row.activations),
                f"{row.learnables:,}" if row.learnables else "-",
                f"{row.multiply_adds:,}" if row.multiply_adds else "-",
                _numbers(field.size), _numbers(field.stride) if any(field.stride) else "-",
                _numbers(field.centre),
            )  # fmt: skip
        return table


def summary(net: Module, input_shape: Shape) -> Summary:
    """Print the table of a network's layers: what it computes, learns, costs and sees.

    Nothing is computed: shapes follow from the layers' options.

    Args:
        net: A network.
        input_shape: (N, C, *spatial); the table is that of one sample.

    Returns:
        The rows and totals.

    Raises:
        ShapeError: input_shape does not fit a layer.
        ArgumentTypeError: net is not a module.
    """
    require_module("net", net)
    sizes = shape("input_shape", input_shape)
    if len(sizes) < 2:
        raise ShapeError(
            f"input_shape must be (N, C, ...), got {sizes}; put a batch of 1 before the other axes"
        )
    sizes = (1, *sizes[1:])
    walk = _Walk({id(module): name for name, module in reversed(list(net.named_modules()))})
    field = first_field(len(sizes) - 2)
    walk.rows.append(LayerRow(1, "input", "Input", "", sizes[1:], 0, 0, field))
    walk.visit(net, sizes, field)
    result = Summary(
        type(net).__name__,
        tuple(walk.rows),
        sum(p.data.size for p in net.parameters()),
        sum(row.multiply_adds for row in walk.rows),
    )
    from fastconv.cli._console import report_console

    report_console().print(result.table())
    return result


class _Walk:
    """Goes through a network in the order of computation and writes down rows."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.rows: list[LayerRow] = []

    def visit(
        self, module: Module, x_shape: Shape, field: Field | None, owner: str = ""
    ) -> tuple[Shape, Field | None]:
        """Write the rows of a module; return shape and field of its output."""
        name = self.names.get(id(module), owner)
        if is_ours(module) and isinstance(module, Sequential | Block):
            for child in _chain(module):
                x_shape, field = self.visit(child, x_shape, field, name)
            return x_shape, field
        y_shape = module.output_shape(x_shape)
        if is_ours(module) and isinstance(module, Residual | Concat):
            branches = (
                module.branches if isinstance(module, Concat) else [module.body, module.shortcut]
            )
            field = union([self.visit(b, x_shape, field, name)[1] for b in branches])
            self._row(name, "Concat" if isinstance(module, Concat) else "Add", "", y_shape, field)
            return y_shape, field
        field = field_after(module, field, x_shape) if is_ours(module) else None
        products = module.multiply_adds(x_shape) if isinstance(module, Convolution | Linear) else 0
        learnables = sum(p.data.size for p in module.parameters())
        kind = type(module).__name__
        if kind != "Identity":
            self._row(name, kind, module.describe(), y_shape, field, learnables, products)
        return y_shape, field

    def _row(
        self, name: str, kind: str, parameters: str, y_shape: Shape, field: Field | None,
        learnables: int = 0, products: int = 0,
    ) -> None:  # fmt: skip
        number = len(self.rows) + 1
        self.rows.append(
            LayerRow(number, name, kind, parameters, y_shape[1:], learnables, products, field)
        )


def _chain(module: Sequential | Block) -> Iterator[Module]:
    return iter((module.arrangement,)) if isinstance(module, Block) else iter(module)


def _numbers(values: Floats) -> str:
    """``11`` for (11, 11), ``3x5`` where axes differ."""
    texts = [f"{value:g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)
