"""A run as text: one table per suite, and the geometric means."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .problem import Problem, output_shape
from .results import (
    LOST_BELOW,
    OWN,
    OWN_KEYS,
    OWN_PLAN,
    LayerResult,
    Run,
    Summary,
    mean_speedup,
    scopes,
    speedup_over,
    speedup_over_best,
    summary,
)

# Below this width the peers' columns show ratios only.
_WIDE = 150
# Load average from which other programs are likely to have disturbed the run.
_BUSY = 1.0


def shape_text(problem: Problem) -> str:
    """Sizes of a problem in the usual short form, such as ``64x56x56 3x3 -> 64x56x56``."""
    batch = len(problem.x_shape) == problem.rank + 2 and not problem.is_filter
    lead = f"{problem.x_shape[0]}*" if batch and problem.x_shape[0] != 1 else ""

    def join(sizes: Iterable[int]) -> str:
        return "x".join(map(str, sizes))

    skip = 1 if batch else 0
    if problem.weight_shape is not None:
        window = join(problem.weight_shape[-problem.rank :])
    else:
        size = problem.options.get("kernel_size")
        window = "" if size is None else join((size,) if isinstance(size, int) else size)
    notes = [window] if window else []
    for option, mark in (("stride", "/"), ("dilation", "d"), ("groups", "g")):
        value = problem.options.get(option, 1)
        if value != 1:
            notes.append(mark + (str(value) if isinstance(value, int) else join(value)))
    source, result = problem.x_shape[skip:], output_shape(problem)[skip:]
    return f"{lead}{join(source)} {' '.join(notes)} > {join(result)}"


def short_time(seconds: float) -> str:
    """Microseconds with three digits at least."""
    micros = seconds * 1e6
    return f"{micros:.2f}" if micros < 100 else f"{micros:,.0f}".replace(",", " ")


def _ratio_text(ratio: float | None) -> Text:
    if ratio is None:
        return Text("-", style="dim")
    style = "green" if ratio >= 1.05 else "red" if ratio < 0.95 else ""
    return Text(f"{ratio:.2f}x", style=style)


def _peer_cell(result: LayerResult, key: str, wide: bool) -> Text:
    measurement = result.measurements.get(key)
    if measurement is None or measurement.declined:
        return Text("-", style="dim")
    if measurement.wrong:
        return Text("wrong", style="bold red")
    ratio = _ratio_text(result.speedup(key))
    if wide and measurement.seconds is not None:
        return Text.assemble(short_time(measurement.seconds), " ", ratio)
    return ratio


def _plan_cell(result: LayerResult) -> Text:
    measurement = result.measurements.get(OWN_PLAN)
    if measurement is not None and measurement.wrong:
        return Text("wrong", style="bold red")
    if measurement is None or measurement.seconds is None:
        return Text("-", style="dim")
    return Text(short_time(measurement.seconds))


def _suite_table(run: Run, suite: str, results: list[LayerResult], wide: bool) -> Table:
    peers = [k for k in run.peers if any(r.seconds(k) is not None for r in results)]
    table = Table(title=suite, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("layer", no_wrap=True, overflow="ellipsis", max_width=24)
    if wide:
        table.add_column("shape", no_wrap=True, overflow="ellipsis", max_width=46)
    table.add_column("us", justify="right", no_wrap=True, style="bold")
    planned = any(r.seconds(OWN_PLAN) is not None for r in results)
    if planned:
        table.add_column("plan us", justify="right", no_wrap=True, style="bold")
    table.add_column("GFLOP/s", justify="right", no_wrap=True)
    table.add_column("% FMA", justify="right", no_wrap=True)
    for key in peers:
        table.add_column(key, justify="right", overflow="fold")
    table.add_column("best peer", no_wrap=True)
    for result in results:
        problem = result.layer.problem
        name = problem.name + (f" *{result.layer.repeat}" if result.layer.repeat > 1 else "")
        cells: list[Text | str] = [name]
        if wide:
            cells.append(shape_text(problem))
        own, gflops = result.own, result.gflops()
        if own.seconds is None or gflops is None:
            cells.append(Text("wrong" if own.wrong else "declined", style="bold red"))
            rates = ["-", "-"]
        else:
            share = 100 * gflops / run.ceilings.fma_gflops
            cells.append(short_time(own.seconds))
            rates = [f"{gflops:.1f}", f"{share:.0f}"]
        if planned:
            cells.append(_plan_cell(result))
        cells += rates
        cells += [_peer_cell(result, key, wide) for key in peers]
        cells.append(result.best_peer() or "-")
        table.add_row(*cells)
    return table


def _means_table(run: Run) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("suite", no_wrap=True)
    peers = [k for k in run.peers if any(r.seconds(k) is not None for r in run.layers)]
    for key in (*peers, "best peer"):
        table.add_column(key, justify="right")
    everything, *suites = scopes(run)
    for scope, results in (*suites, everything):
        if scope == "all":
            table.add_section()
        means = [mean_speedup(results, speedup_over(key)) for key in peers]
        best = mean_speedup(results, speedup_over_best())
        table.add_row(scope, *map(_ratio_text, (*means, best)))
    return table


def _summary_table(run: Run) -> Table:
    """How each way of calling fastconv did, per suite."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("suite", "called as"):
        table.add_column(name, no_wrap=True)
    for name in ("GFLOP/s", "over torch", "over best peer", f"below {LOST_BELOW:g}", "worst"):
        table.add_column(name, justify="right")
    everything, *suites = scopes(run)
    for scope, results in (*suites, everything):
        if scope == "all":
            table.add_section()
        for own in run.own_keys:
            if own == OWN or any(r.seconds(own) is not None for r in results):
                name = scope if own == OWN else ""
                table.add_row(name, run.titles[own], *_summary_cells(summary(results, own)))
    return table


def _summary_cells(figures: Summary) -> list[Text | str]:
    lost = "-" if figures.lost is None else f"{100 * figures.lost:.0f} % of {figures.layers}"
    rate = "-" if figures.gflops is None else f"{figures.gflops:.1f}"
    ratios = map(_ratio_text, (figures.over_torch, figures.over_best))
    return [rate, *ratios, lost, _ratio_text(figures.worst)]


def _ceilings_text(run: Run) -> str:
    ceilings = run.ceilings
    matrix = ""
    if ceilings.matrix_gflops is not None:
        matrix = f"{ceilings.matrix_gflops:.0f} GFLOP/s (matrix unit, bfloat16), "
    return f"{ceilings.fma_gflops:.0f} GFLOP/s (FMA), {matrix}{ceilings.copy_gbs:.1f} GB/s (copy)"


def print_run(run: Run, console: Console) -> None:
    """Print the tables, what was left out, and what was wrong."""
    wide = console.width >= _WIDE
    for suite in run.suites:
        results = [r for r in run.layers if r.layer.suite == suite]
        console.print(_suite_table(run, suite, results, wide))
    if run.peers:
        console.print(
            "Speed of fastconv over each peer, geometric mean (above 1: fastconv is faster)",
            style="bold",
        )
        console.print(_means_table(run))
        console.print("Summary; each distinct layer counts once, means are geometric", style="bold")
        console.print(_summary_table(run))
    threads = "thread" if run.threads == 1 else "threads"
    console.print(
        f"{run.cpu}, {run.threads} {threads}, {run.dtype}, precision {run.precision}, {run.isa}, "
        f"fastconv's arrays {run.memory_format}; "
        f"measured ceilings: {_ceilings_text(run)}. "
        "Times are medians; a ratio is the peer's time over fastconv's.",
        highlight=False,
    )
    if run.load_before is not None and run.load_before > _BUSY:
        console.print(
            f"The machine was busy before the run (load {run.load_before:.1f}): libraries that "
            "wait at barriers suffer most from that, so these figures are not a fair comparison.",
            style="yellow",
        )
    if run.held:
        held = " ".join(f"{name}={value}" for name, value in run.held.items())
        console.print(f"Peers are held to {run.isa} by {held}.", highlight=False)
    for key, reason in run.missing.items():
        console.print(f"not compared: {key}: {reason}", style="yellow", highlight=False)
    for result in run.layers:
        for key, measurement in result.measurements.items():
            name = f"{result.layer.suite}/{result.layer.problem.name}"
            if measurement.wrong:
                style = "bold red" if key in OWN_KEYS else "yellow"
                console.print(f"wrong: {name}: {key}: {measurement.wrong}", style=style)
            elif key == OWN and measurement.declined:
                console.print(f"declined: {name}: {measurement.declined}", style="yellow")
    if run.interrupted:
        console.print("Interrupted: the layers that were not reached are missing.", style="yellow")
