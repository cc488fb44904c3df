"""``fastconv tune``: measure which kernel computes a problem fastest, and keep the answer."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

import fastconv
from fastconv.cli._machine import forced_isa
from fastconv.cli._problem import problem_options

_HELP = """Measure the kernels that can compute the convolution OP, and use the fastest from now on.

\b
fastconv tune conv2d --x 1,64,56,56 --weight 64,64,3,3 --padding 1

Use an idle machine. The choice is a file, whose name is printed; deleting it undoes the choice.
"""


@click.command(help=_HELP)
@problem_options
@click.option("--seconds", type=float, help="How long to measure, calls and plans each. [0.5]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads to tune for. [all cores]")
def tune(
    op: str,
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    isa: str | None,
    bias: bool,
    threads: int | None,
    dtype: str | None,
    **options: Any,
) -> None:
    """Measure the kernels that can compute the convolution OP, and use the fastest from now on."""
    given = {name: value for name, value in options.items() if value is not None}
    with forced_isa(isa):
        element = dtype or "float32"
        facts = {name: value for name, value in given.items() if name != "seconds"}
        explanation = fastconv.explain(op, x_shape, weight_shape, bias=bias, dtype=element, **facts)
        random = np.random.default_rng(0)
        weight = random.standard_normal(weight_shape).astype(element)
        channels = explanation.output_shape[-(len(weight_shape) - 1)]
        values = random.standard_normal(channels).astype(weight.dtype) if bias else None
        if threads is not None:
            fastconv.set_num_threads(threads)
        try:
            tuning = fastconv.tune(op, x_shape, weight, values, **given)
        finally:
            if threads is not None:
                fastconv.set_num_threads(None)
    click.echo(str(tuning))
    for path in tuning.files:
        click.echo(f"kept: {path}")
