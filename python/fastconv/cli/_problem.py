"""The arguments that describe a convolution on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from fastconv.cli._shapes import PerAxis, Shape

_NUMBERS = PerAxis()
_DTYPES = ("float32", "float64", "float16", "bfloat16")

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.argument("op"),
    click.option("--x", "x_shape", type=Shape(), required=True, help="Input: 1,64,56,56."),
    click.option(
        "--weight", "weight_shape", type=Shape(), required=True, help="Weights: 64,64,3,3."
    ),
    click.option("--bias", is_flag=True, help="With a bias."),
    click.option("--stride", type=_NUMBERS),
    click.option("--padding", type=PerAxis(("same", "valid"), pairs=True)),
    click.option("--dilation", type=_NUMBERS),
    click.option("--groups", type=int),
    click.option("--output-padding", type=_NUMBERS),
    click.option("--activation"),
    click.option("--algorithm", help="Forced algorithm; `fastconv info` lists them. [auto]"),
    click.option("--precision", type=click.Choice(["highest", "high", "medium"])),
    click.option("--dtype", type=click.Choice(_DTYPES), help="[float32]"),
    click.option("--memory-format", type=click.Choice(["contiguous", "channels_last"])),
    click.option("--isa", help="Forced instruction set."),
)


def problem_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a convolution."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
