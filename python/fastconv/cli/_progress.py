"""Progress of a benchmark run, and its end by Ctrl-C between two layers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_STDERR = 2


class Watcher:
    """Shows a bar on a terminal, and a line for each layer elsewhere."""

    def __init__(self, total: int, console: Console) -> None:
        self._total = total
        self._done = 0
        self._console = console
        self._stopped = False
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self.bar.add_task("starting", total=total)

    def starting(self, layer: Any) -> None:
        """Name the layer."""
        self.bar.update(self._task, description=f"{layer.suite}/{layer.problem.name}")

    def finished(self, result: Any) -> None:
        """Count the layer."""
        self._done += 1
        self.bar.update(self._task, advance=1)
        if not self._console.is_terminal:
            name = f"{result.layer.suite}/{result.layer.problem.name}"
            seconds = result.own.seconds
            time = "not timed" if seconds is None else f"{seconds * 1e6:.1f} us"
            print(f"[{self._done}/{self._total}] {name}: {time}", file=sys.stderr, flush=True)

    def stopped(self) -> bool:
        """Tell whether Ctrl-C was pressed."""
        return self._stopped

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """End after this layer; a second Ctrl-C ends at once."""
        if self._stopped:
            raise KeyboardInterrupt
        self._stopped = True
        # The signal may have come while a line is written, and neither streams nor the console can
        # be entered twice.
        os.write(_STDERR, b"\nfinishing this layer; press Ctrl-C again to end at once\n")


@contextmanager
def watch(total: int) -> Iterator[Watcher]:
    """Watch a run of ``total`` layers; Ctrl-C means its end while the block runs."""
    watcher = Watcher(total, Console(stderr=True))
    before = signal.signal(signal.SIGINT, watcher.interrupt)
    try:
        with watcher.bar:
            yield watcher
    finally:
        signal.signal(signal.SIGINT, before)
