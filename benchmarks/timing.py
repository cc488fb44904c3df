"""Time several contestants against each other so that the machine's moods hit all alike."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Calls shorter than this are timed in batches, so that the clock's own cost stays below 0.2 %.
_BATCH_BELOW = 50e-6
# Runtimes leave their worker threads spinning for a while after a call (libgomp 7 ms, ONNX Runtime
# 50 ms); on a machine with few cores those would take time from the next contestant.
_PAUSE, _LONGEST_PAUSE = 0.003, 0.5
_THREADS = Path("/proc/self/task")


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        seconds: Time that each contestant should be measured for.
        rounds: Rounds into which that time is divided.
        limit: Time after which a slow contestant is not called again; every contestant is called
            at least twice.
    """

    seconds: float = 0.15
    rounds: int = 10
    limit: float = 1.0


@dataclass(frozen=True)
class Timing:
    """Seconds per call: median, and the fastest, over all samples of all rounds."""

    median: float
    best: float
    calls: int


class _Sampler:
    def __init__(self, run: Callable[[], Any], effort: Effort) -> None:
        self._run, self._effort = run, effort
        self.samples: list[float] = []
        self.calls = 0
        self._spent = 0.0
        started = time.perf_counter()
        run()
        first = time.perf_counter() - started
        if first < 0.01:
            # The first call is often several times slower than the next.
            first = min(self._timed(1) for _ in range(3))
        self._batch = 1 if first >= _BATCH_BELOW else max(1, round(_BATCH_BELOW * 4 / first))
        self._per_round = effort.seconds / effort.rounds
        self._short = first < self._per_round / 3

    @property
    def done(self) -> bool:
        return self._spent >= self._effort.limit and len(self.samples) >= 2

    def _timed(self, count: int) -> float:
        run = self._run
        started = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - started) / count

    def sample_round(self) -> None:
        if self._short:
            self._run()  # wakes the worker threads that the pause has put to sleep
        end = time.perf_counter() + self._per_round
        while True:
            seconds = self._timed(self._batch)
            self.samples.append(seconds)
            self.calls += self._batch
            self._spent += seconds * self._batch
            if time.perf_counter() >= end:
                break

    def result(self) -> Timing:
        return Timing(statistics.median(self.samples), min(self.samples), self.calls)


def _others_run() -> bool:
    """Return whether a thread of this process besides the calling one is running."""
    own = str(threading.get_native_id())
    for thread in _THREADS.iterdir():
        if thread.name != own:
            try:
                state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:  # it has ended
                continue
            if state == "R":
                return True
    return False


def wait_until_quiet() -> None:
    """Pause until the worker threads of whoever ran last have stopped spinning."""
    end = time.perf_counter() + _LONGEST_PAUSE
    time.sleep(_PAUSE)
    if _THREADS.exists():
        while _others_run() and time.perf_counter() < end:
            time.sleep(_PAUSE)


def race(contestants: Mapping[str, Callable[[], Any]], effort: Effort) -> dict[str, Timing]:
    """Time every contestant in turn, round after round.

    Args:
        contestants: Calls to be timed.
        effort: How long to measure.

    Returns:
        The timing of each contestant.
    """
    samplers = {key: _Sampler(run, effort) for key, run in contestants.items()}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(effort.rounds):
            for sampler in samplers.values():
                if not sampler.done:
                    wait_until_quiet()
                    sampler.sample_round()
    finally:
        if collecting:
            gc.enable()
    return {key: sampler.result() for key, sampler in samplers.items()}
