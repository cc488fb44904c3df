"""A run as a picture: speed of every layer relative to PyTorch, and a roofline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .results import OWN, OWN_PLAN, LayerResult, Run, geometric_mean

_BASELINE = "torch"
# Colours that stay apart for the colour-blind (Okabe and Ito 2008), fastconv in the strongest.
_COLOURS = {
    OWN: "#F0A070",
    OWN_PLAN: "#D55E00",
    "torch": "#9A9A9A",
    "torch-channels-last": "#56B4E9",
    "torch-packed": "#0072B2",
    "torch-compile": "#00344F",
    "onnxruntime": "#009E73",
    "openvino": "#CC79A7",
    "ncnn": "#E6B800",
    "opencv": "#000000",
    "scipy-correlate2d": "#8C6D31",
    "scipy-ndimage": "#BD9E39",
    "scipy-fft": "#6B6ECF",
    "scipy-oaconvolve": "#9C9EDE",
}
_SUITE_MARKERS = "osD^v<>pPX*hHd8"
_LAYERS_PER_ROW = 26
_NARROWEST = 3
_ROW_HEIGHT = 2.7
_WIDTH = 20.0
# Ratio of an axis' ends from which only the powers of ten are labelled.
_MANY_DECADES = 500


def draw(run: Run, path: Path) -> None:
    """Write the picture; its format follows from the file's suffix."""
    results = _distinct(run.layers)
    rows = _rows(results)
    height = 6.2 + _ROW_HEIGHT * len(rows)
    figure = Figure(figsize=(_WIDTH, height), dpi=100, layout="constrained")
    head, *bodies = figure.subfigures(
        1 + len(rows), 1, height_ratios=[6.2, *[_ROW_HEIGHT] * len(rows)], squeeze=False
    )[:, 0]
    figure.suptitle(
        f"fastconv {run.versions.get('fastconv', '')} on {run.cpu}, threads: {run.threads}, "
        f"{run.dtype}, precision {run.precision}, {run.isa}, {run.memory_format}, {run.date[:10]}",
        fontsize=13,
    )
    baseline = _baseline(run, results)
    means, roofline = head.subplots(1, 2, width_ratios=[1.25, 1])
    _draw_means(means, run, results)
    _draw_roofline(roofline, run, results)
    for body, row in zip(bodies, rows, strict=True):
        # An empty panel fills a short row, so that bars are about as wide in every row.
        widths: list[float] = [max(_NARROWEST, len(panel)) for panel in row]
        widths.append(max(0.01, _LAYERS_PER_ROW - sum(widths)))
        *axes, rest = body.subplots(
            1, len(widths), sharey=True, squeeze=False, width_ratios=widths
        )[0]
        rest.set_axis_off()
        for axis, panel in zip(axes, row, strict=True):
            _draw_layers(axis, run, panel, baseline)
        axes[0].set_ylabel(_speed_label(run, baseline), fontsize=8)
    figure.savefig(path)


def _distinct(results: Sequence[LayerResult]) -> list[LayerResult]:
    """Timed layers; one that several networks share is shown in the first."""
    first: dict[Any, LayerResult] = {}
    for result in results:
        if result.own.seconds is not None:
            first.setdefault(result.layer.key, result)
    return list(first.values())


def _rows(results: Sequence[LayerResult]) -> list[list[list[LayerResult]]]:
    """Panels of one suite each, in full rows: a suite that does not fit goes on in the next."""
    rows: list[list[list[LayerResult]]] = [[]]
    room = _LAYERS_PER_ROW
    for suite in dict.fromkeys(r.layer.suite for r in results):
        layers = [r for r in results if r.layer.suite == suite]
        while layers:
            if room < _NARROWEST:
                rows.append([])
                room = _LAYERS_PER_ROW
            rows[-1].append(layers[:room])
            layers = layers[room:]
            room -= max(_NARROWEST, len(rows[-1][-1]))
    return rows


def _baseline(run: Run, results: Sequence[LayerResult]) -> str | None:
    """Return the peer that has speed 1: PyTorch, or the first that timed nine layers in ten.

    The others of these layers have no bars: one that a peer gets wrong must not change the unit.
    """
    for key in sorted(run.peers, key=lambda k: k != _BASELINE):
        timed = sum(r.seconds(key) is not None for r in results)
        if timed and 10 * timed >= 9 * len(results):
            return key
    return None


def _speed_label(run: Run, baseline: str | None) -> str:
    return "GFLOP/s" if baseline is None else f"speed, {run.titles[baseline]} = 1"


def _speed(run: Run, result: LayerResult, key: str, baseline: str | None) -> float | None:
    seconds = result.seconds(key)
    if seconds is None:
        return None
    if baseline is None:
        return result.gflops(key)
    reference = result.seconds(baseline)
    return None if reference is None else reference / seconds


def _log_axis(axis: Any) -> None:
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high < _MANY_DECADES * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())


def _bars(axis: Any, groups: Sequence[tuple[str, dict[str, float]]], baseline: str | None) -> None:
    """Draw groups of bars; beside a baseline they start at 1, so what is slower hangs down."""
    start = 0 if baseline is None else 1
    for position, (_, values) in enumerate(groups):
        width = 0.86 / max(1, len(values))
        for slot, (key, value) in enumerate(values.items()):
            left = position - 0.43 + width * slot
            axis.bar(
                left, value - start, width, start, align="edge", color=_COLOURS[key], linewidth=0
            )
    if baseline is not None:
        axis.axhline(1, color=_COLOURS[baseline], linewidth=1.2)
    axis.set_yscale("log")
    _log_axis(axis.yaxis)
    axis.set_xlim(-0.6, len(groups) - 0.4)
    axis.set_xticks(range(len(groups)), [name for name, _ in groups], rotation=40, ha="right")
    axis.tick_params(axis="x", labelsize=8, length=0, pad=1)
    axis.tick_params(axis="y", labelsize=8)
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _shown(run: Run, baseline: str | None) -> list[str]:
    return [*run.own_keys, *(k for k in run.peers if k != baseline)]


def _draw_layers(axis: Any, run: Run, panel: Sequence[LayerResult], baseline: str | None) -> None:
    groups = []
    for result in panel:
        speeds = {k: _speed(run, result, k, baseline) for k in _shown(run, baseline)}
        name = result.layer.problem.name
        groups.append((name, {k: v for k, v in speeds.items() if v is not None}))
    _bars(axis, groups, baseline)
    axis.set_title(panel[0].layer.suite, fontsize=10, loc="left", fontweight="bold")


def _draw_means(axis: Any, run: Run, results: Sequence[LayerResult]) -> None:
    baseline = _baseline(run, results)
    groups = []
    suites = list(dict.fromkeys(r.layer.suite for r in results))
    for scope in ("all", *suites) if len(suites) > 1 else suites:
        members = [r for r in results if scope in ("all", r.layer.suite)]
        speeds = {
            k: geometric_mean(_speed(run, r, k, baseline) for r in members)
            for k in _shown(run, baseline)
            if 2 * sum(r.seconds(k) is not None for r in members) >= len(members)
        }
        groups.append((scope, {k: v for k, v in speeds.items() if v is not None}))
    _bars(axis, groups, baseline)
    axis.set_title(
        "Geometric mean per suite, over the layers that a contestant runs (half of them or more)",
        fontsize=10,
        loc="left",
        fontweight="bold",
    )
    axis.set_ylabel(_speed_label(run, baseline), fontsize=9)
    timed = [
        k for k in (*run.own_keys, *run.peers) if any(r.seconds(k) is not None for r in results)
    ]
    handles = [mpl.patches.Patch(color=_COLOURS[k], label=run.titles[k]) for k in timed]
    axis.legend(handles=handles, fontsize=8, ncols=3, loc="upper left", framealpha=0.9)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high * 2.5)


def _fastest(result: LayerResult) -> str:
    """Return how fastconv computes a layer fastest: by a plan where there is one."""
    return OWN if result.seconds(OWN_PLAN) is None else OWN_PLAN


def _draw_roofline(axis: Any, run: Run, results: Sequence[LayerResult]) -> None:
    ceilings = run.ceilings
    points = [(run.intensity(r), r.gflops(_fastest(r)), r.layer.suite) for r in results]
    finite = [(x, y, s) for x, y, s in points if y is not None]
    lowest = min([x for x, _, _ in finite] + [0.5]) / 2
    highest = max([x for x, _, _ in finite] + [100.0]) * 2
    intensity = np.geomspace(lowest, highest, 200)
    peaks = {"FMA": ceilings.fma_gflops, "matrix unit, bfloat16,": ceilings.matrix_gflops}
    for name, peak in peaks.items():
        if peak is None:
            continue
        axis.plot(
            intensity,
            np.minimum(peak, ceilings.copy_gbs * intensity),
            color="black",
            linewidth=1.3,
        )
        axis.annotate(
            f"{name} peak {peak:.0f} GFLOP/s",
            (highest, peak),
            xytext=(-4, 4),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
    axis.annotate(
        f"copy {ceilings.copy_gbs:.1f} GB/s (caches are faster)",
        (lowest, ceilings.copy_gbs * lowest),
        xytext=(14, -6),
        textcoords="offset points",
        fontsize=8,
    )
    suites = list(dict.fromkeys(s for _, _, s in finite))
    colours = mpl.colormaps["tab20"]
    for number, suite in enumerate(suites):
        mine = [(x, y) for x, y, s in finite if s == suite]
        axis.scatter(
            *zip(*mine, strict=True),
            s=18,
            color=colours(number % 20),
            marker=_SUITE_MARKERS[number % len(_SUITE_MARKERS)],
            label=suite,
            alpha=0.85,
            linewidths=0,
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("operations per byte of inputs and output", fontsize=9)
    axis.set_ylabel("GFLOP/s", fontsize=9)
    axis.set_title(
        "Roofline of fastconv (plans where there are weights to plan for)",
        fontsize=10,
        loc="left",
        fontweight="bold",
    )
    axis.legend(fontsize=7, ncols=2, loc="lower right", framealpha=0.9)
    axis.tick_params(labelsize=8)
    axis.grid(which="major", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
