"""What the GPU reaches at most, measured beside the layers with PyTorch's own kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..machine import Ceilings

_BYTES = 1 << 30
_SIZE = 8192
_ROUNDS = 7


def measure_ceilings(dtype: str) -> Ceilings:
    """Measure a large copy, and large products of matrices.

    The first product is in the type that sums are kept in, without TF32; the other in bfloat16 on
    the matrix units.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    wide = torch.float64 if dtype == "float64" else torch.float32
    operations = 2.0 * _SIZE**3
    return Ceilings(
        fma_gflops=operations / _product(wide) / 1e9,
        copy_gbs=2 * _BYTES / _copy() / 1e9,
        matrix_gflops=operations / _product(torch.bfloat16) / 1e9,
    )


def _copy() -> float:
    source = torch.empty(_BYTES // 4, device="cuda")
    target = torch.empty_like(source)
    return _seconds(lambda: target.copy_(source))


def _product(dtype: torch.dtype) -> float:
    a = torch.randn(_SIZE, _SIZE, device="cuda", dtype=dtype)
    b = torch.randn(_SIZE, _SIZE, device="cuda", dtype=dtype)
    return _seconds(lambda: torch.matmul(a, b))


def _seconds(run: Callable[[], Any]) -> float:
    """Shortest of several runs, by events on the stream."""
    run()
    times = []
    for _ in range(_ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e-3)
    return min(times)
