"""``fastconv check``: every kernel family on every instruction set, against the reference."""

from __future__ import annotations

import sys
import time
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

import fastconv
from fastconv import _core
from fastconv.cli._console import report_console
from fastconv.cli._machine import machine_isas


def _kernel(row: Any, isa: str, dtype: str) -> str:
    problem = row.problem
    if not problem.is_convolution:
        return ""
    kernel = fastconv.explain(
        problem.op,
        problem.x_shape,
        problem.weight_shape,
        bias=problem.bias,
        dtype=dtype,
        algorithm=row.algorithm,
        memory_format="channels_last" if row.layout == "channels last" else "contiguous",
        **problem.options,
    ).kernel
    return f"{kernel}, then plain" if "infinite" in row.fills else kernel


def _cell(result: Any) -> Text:
    if result is None:
        return Text("-", style="dim")
    if result.message:
        return Text("FAIL", style="bold red")
    return Text(f"{result.error:.2f}")


def _kernels(row: Any) -> str:
    return ", ".join(dict.fromkeys(r.kernel for r in row.results.values() if r and r.kernel))


@click.command()
@click.option("--isa", "isas", multiple=True, help="Only this instruction set; may be repeated.")
@click.option("--failures", is_flag=True, help="Print only what is wrong.")
def check(isas: tuple[str, ...], failures: bool) -> None:
    """Verify every kernel x instruction set x element type of this machine.

    The figures are the largest error in units of eps * sum |x||w|; "-" is a problem that the
    forced algorithm declines. Exits with code 1 when anything is wrong.
    """
    from fastconv.benchmarks.check import DTYPES, check_problems, rows
    from fastconv.benchmarks.check import check as run_check

    available = machine_isas()
    for isa in isas:
        if isa not in available:
            raise click.BadParameter(
                f"got {isa!r}; this machine runs {', '.join(available)}", param_hint="--isa"
            )
    chosen = [isa for isa in available if not isas or isa in isas]
    problems = check_problems()
    total = sum(1 for problem in problems for _ in rows(problem))
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("problem", "values", "algorithm", "memory", "kernel"):
        table.add_column(name)
    for isa in chosen:
        for dtype in DTYPES:
            table.add_column(f"{isa}\n{dtype}", justify="right")
    console = report_console()
    wrong: list[str] = []
    calls = 0
    started = time.perf_counter()
    with click.progressbar(length=total, label="checking", file=sys.stderr) as bar:
        for row in run_check(
            problems, chosen, fastconv, force_isa=_core.force_isa, kernel_of=_kernel
        ):
            bar.update(1)
            calls += sum(result is not None for result in row.results.values())
            for isa, dtype, result in row.failures:
                wrong.append(
                    f"{row.problem.name} ({row.problem.op}, {row.algorithm}, {row.layout}) "
                    f"on {isa} {dtype}: {result.message}"
                )
            if row.failures or not failures:
                cells = [_cell(row.results[isa, dtype]) for isa in chosen for dtype in DTYPES]
                table.add_row(
                    row.problem.name,
                    ", ".join(row.fills),
                    row.algorithm,
                    row.layout,
                    _kernels(row),
                    *cells,
                )
    if table.row_count:
        console.print(table)
    for line in wrong:
        console.print(f"wrong: {line}", style="red", highlight=False, soft_wrap=True)
    seconds = time.perf_counter() - started
    verdict = f"{len(wrong)} of {calls} are wrong" if wrong else f"all {calls} agree"
    click.echo(f"{verdict} with the reference, on {', '.join(chosen)}, in {seconds:.0f} s")
    if wrong:
        raise SystemExit(1)
