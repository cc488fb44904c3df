"""``fastconv explain``: how a problem would be computed, and why."""

from __future__ import annotations

from typing import Any

import click

import fastconv
from fastconv.cli._machine import forced_isa
from fastconv.cli._problem import problem_options

_HELP = """Show how the convolution OP would be computed, and why the other kernels declined.

\b
fastconv explain conv2d --x 1,64,56,56 --weight 64,64,3,3 --padding 1
fastconv explain conv_transpose2d --x 1,512,32,32 --weight 512,256,2,2 --stride 2
"""


@click.command(help=_HELP)
@problem_options
def explain(
    op: str,
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    isa: str | None,
    bias: bool,
    **options: Any,
) -> None:
    """Show how the convolution OP would be computed, and why the other kernels declined."""
    given = {name: value for name, value in options.items() if value is not None}
    with forced_isa(isa):
        click.echo(str(fastconv.explain(op, x_shape, weight_shape, bias=bias, **given)).rstrip())
