"""One small valid call of every public operator, to be changed in one argument at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastconv as fc
from fastconv import reference

SPATIAL = {1: (11,), 2: (6, 9), 3: (4, 5, 6)}


@dataclass(frozen=True)
class Call:
    """An operator, its arrays by name, and its options."""

    op: str
    arrays: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.op

    def run(self, **changes: Any) -> Any:
        return getattr(fc, self.op)(**{**self.arrays, **self.options, **changes})

    def expected(self, **changes: Any) -> Any:
        return getattr(reference, self.op)(**{**self.arrays, **self.options, **changes})

    @property
    def rank(self) -> int:
        return int(self.op[-2]) if self.op[-1] == "d" and self.op[-2].isdigit() else 2


def whole(*shape: int) -> Any:
    """Whole numbers, so that results are exact."""
    return np.random.default_rng(sum(shape)).integers(-3, 4, shape).astype(np.float32)


def _calls() -> list[Call]:
    calls = []
    for rank, sizes in SPATIAL.items():
        x = whole(2, 4, *sizes)
        convolution = {"stride": 1, "padding": 1, "dilation": 1, "groups": 2}
        calls += [
            Call(
                f"conv{rank}d",
                {"x": x, "weight": whole(6, 2, *(3,) * rank), "bias": whole(6)},
                convolution,
            ),
            Call(
                f"conv_transpose{rank}d",
                {"x": x, "weight": whole(4, 3, *(3,) * rank), "bias": whole(6)},
                {**convolution, "output_padding": 0},
            ),
        ]
        window = {"kernel_size": 2, "stride": 2}
        padded = {**window, "padding": 1, "ceil_mode": False}
        calls += [
            Call(f"max_pool{rank}d", {"x": x}, {**padded, "dilation": 1, "return_indices": False}),
            Call(f"min_pool{rank}d", {"x": x}, {**padded, "dilation": 1, "return_indices": False}),
            Call(
                f"avg_pool{rank}d",
                {"x": x},
                {**padded, "count_include_pad": True, "divisor_override": None},
            ),
            Call(f"lp_pool{rank}d", {"x": x}, {**window, "norm_type": 2.0, "ceil_mode": False}),
            Call(f"adaptive_avg_pool{rank}d", {"x": x}, {"output_size": 3}),
            Call(f"adaptive_max_pool{rank}d", {"x": x}, {"output_size": 3}),
            Call(
                f"max_unpool{rank}d",
                {"x": x, "indices": np.arange(x.size).reshape(x.shape) % (2**rank * x[0, 0].size)},
                {**window, "padding": 0, "output_size": None},
            ),
        ]
    windows = {"dilation": 1, "padding": 1, "stride": 2, "kernel_size": 3}
    calls += [
        Call("unfold", {"x": whole(2, 4, 6, 9)}, windows),
        Call("fold", {"x": whole(2, 36, 15)}, {**windows, "output_size": (6, 9)}),
    ]
    for op in ("convolve2d", "correlate2d"):
        calls.append(
            Call(
                op,
                {"image": whole(7, 9, 3), "kernel": whole(3, 2)},
                {"mode": "same", "boundary": "reflect", "fill_value": 0.0},
            )
        )
    return calls


CALLS = _calls()
CONVOLUTIONS = [call for call in CALLS if call.op.startswith("conv") and "weight" in call.arrays]
WITH_OUT = [call for call in CALLS if call.op not in ("unfold", "fold") and "un" not in call.op]


def with_option(name: str) -> list[Call]:
    """The calls that take an option."""
    return [call for call in CALLS if name in call.options]
