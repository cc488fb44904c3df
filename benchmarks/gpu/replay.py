"""Many calls as one: over inputs that no cache holds, replayed as a CUDA graph.

A call on a GPU takes microseconds, and its launch from Python as long. So a contestant is called
once for each of several copies of the input, which together exceed the second-level cache three
times; the calls are captured in a graph; the timed call replays it and waits for its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ..contestant import Prepared

# Copies of the input: enough that waiting for the end is little beside them, and no more than
# device memory has room for.
_FEWEST, _MOST = 8, 64
_ROOM = 8 << 30


def copies(bytes_of_call: int) -> int:
    """How many inputs to go through."""
    cache = torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size
    wanted = math.ceil(3 * cache / max(bytes_of_call, 1))
    return max(2, min(max(wanted, _FEWEST), _MOST, _ROOM // max(bytes_of_call, 1)))


def replayed(
    calls: list[Callable[[], Any]], fetch: Callable[[Any], Any], *, capture: bool = True
) -> Prepared:
    """Make one timed call of many.

    Args:
        calls: One for each copy of the input.
        fetch: As of Prepared.
        capture: Whether the library's calls can be captured.
    """
    results = [call() for call in calls]  # chooses algorithms, allocates
    torch.cuda.synchronize()
    if not capture:

        def run() -> Any:
            for call in calls:
                results[0] = call()
            torch.cuda.synchronize()
            return results[0]

        return Prepared(run, fetch, len(calls))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = [call() for call in calls]

    def replay() -> Any:
        graph.replay()
        torch.cuda.synchronize()
        return results[0]

    return Prepared(replay, fetch, len(calls))
