"""``fastconv explain``: how a problem would be computed, and why."""

from __future__ import annotations

from typing import Any

import click

import fastconv
from fastconv.cli._machine import forced_isa
from fastconv.cli._shapes import PerAxis, Shape

_NUMBERS = PerAxis()


_HELP = """Show how the convolution OP would be computed, and why the other kernels declined.

\b
fastconv explain conv2d --x 1,64,56,56 --weight 64,64,3,3 --padding 1
fastconv explain conv_transpose2d --x 1,512,32,32 --weight 512,256,2,2 --stride 2
"""


@click.command(help=_HELP)
@click.argument("op")
@click.option("--x", "x_shape", type=Shape(), required=True, help="Input: 1,64,56,56.")
@click.option("--weight", "weight_shape", type=Shape(), required=True, help="Weights: 64,64,3,3.")
@click.option("--bias", is_flag=True, help="With a bias.")
@click.option("--stride", type=_NUMBERS)
@click.option("--padding", type=PerAxis(("same", "valid"), pairs=True))
@click.option("--dilation", type=_NUMBERS)
@click.option("--groups", type=int)
@click.option("--output-padding", type=_NUMBERS)
@click.option("--activation")
@click.option("--algorithm", help="Forced algorithm: auto, direct or im2col.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="[float32]")
@click.option("--memory-format", type=click.Choice(["contiguous", "channels_last"]))
@click.option("--isa", help="Forced instruction set.")
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
