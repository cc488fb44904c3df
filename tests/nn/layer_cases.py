"""Layers beside the torch layers that they must equal, and inputs for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv import nn


@dataclass(frozen=True)
class Case:
    """``type(*arguments, **options)`` in fastconv.nn and torch.nn, for inputs of ``shape``."""

    type: str
    arguments: tuple[Any, ...]
    shape: tuple[int, ...]
    options: tuple[tuple[str, Any], ...] = ()

    def ours(self) -> nn.Module:
        return getattr(nn, self.type)(*self.arguments, **dict(self.options))

    def torch(self) -> Any:
        import torch

        return getattr(torch.nn, self.type)(*self.arguments, **dict(self.options))

    def __str__(self) -> str:
        words = [self.type, *map(str, self.arguments), *(f"{k}={v}" for k, v in self.options)]
        return "-".join(words) + "-" + "x".join(map(str, self.shape))


def case(type: str, *arguments: Any, shape: tuple[int, ...], **options: Any) -> Case:
    return Case(type, arguments, shape, tuple(options.items()))


CONVOLUTIONS = [
    case("Conv1d", 4, 6, 3, shape=(2, 4, 11), stride=2, padding=1),
    case("Conv1d", 3, 2, 4, shape=(3, 13), dilation=2, bias=False),
    case("Conv2d", 3, 8, 3, shape=(2, 3, 9, 7), padding=1),
    case("Conv2d", 4, 6, (3, 2), shape=(2, 4, 8, 9), stride=(2, 1), dilation=(1, 3), groups=2),
    case("Conv2d", 4, 4, 3, shape=(1, 4, 6, 6), padding="same", groups=4, bias=False),
    case("Conv2d", 5, 7, 1, shape=(2, 5, 4, 4)),
    case("Conv2d", 3, 4, 3, shape=(3, 6, 6)),
    case("Conv3d", 2, 3, 2, shape=(2, 2, 4, 5, 6), padding=1, stride=(1, 2, 2)),
    case("ConvTranspose1d", 4, 6, 3, shape=(2, 4, 5), stride=2, output_padding=1, groups=2),
    case("ConvTranspose2d", 4, 6, 3, shape=(2, 4, 5, 6), stride=2, padding=1, output_padding=1),
    case("ConvTranspose2d", 4, 6, (2, 3), shape=(1, 4, 3, 3), dilation=2, bias=False),
    case("ConvTranspose3d", 2, 3, 2, shape=(1, 2, 3, 3, 2), stride=2),
]
POOLINGS = [
    case("MaxPool1d", 3, shape=(2, 3, 11), stride=2, padding=1),
    case("MaxPool2d", 2, shape=(2, 3, 7, 8)),
    case("MaxPool2d", 3, shape=(2, 3, 7, 8), stride=2, padding=1, dilation=2, ceil_mode=True),
    case("MaxPool2d", 3, shape=(3, 8, 8), stride=1),
    case("MaxPool3d", 2, shape=(1, 2, 4, 5, 6), stride=1),
    case("AvgPool1d", 3, shape=(2, 3, 11), stride=2, padding=1),
    case("AvgPool2d", 2, shape=(2, 3, 7, 8)),
    case("AvgPool2d", 3, None, 1, True, False, shape=(2, 3, 7, 8)),
    case("AvgPool2d", (2, 3), shape=(2, 3, 7, 8), divisor_override=5),
    case("AvgPool3d", 2, shape=(1, 2, 4, 5, 6)),
    case("AdaptiveAvgPool1d", 3, shape=(2, 3, 7)),
    case("AdaptiveAvgPool2d", (3, None), shape=(2, 3, 7, 5)),
    case("AdaptiveAvgPool3d", 2, shape=(1, 2, 3, 4, 5)),
    case("AdaptiveMaxPool1d", 3, shape=(2, 3, 7)),
    case("AdaptiveMaxPool2d", (3, 2), shape=(2, 3, 7, 5)),
    case("AdaptiveMaxPool3d", 2, shape=(1, 2, 3, 4, 5)),
]
OTHERS = [
    case("Linear", 5, 7, shape=(4, 5)),
    case("Linear", 5, 7, shape=(2, 3, 5), bias=False),
    case("Linear", 5, 1, shape=(5,)),
    case("BatchNorm1d", 5, shape=(6, 5)),
    case("BatchNorm1d", 5, shape=(3, 5, 4), momentum=None),
    case("BatchNorm2d", 4, shape=(3, 4, 5, 6), eps=1e-3, momentum=0.3),
    case("BatchNorm2d", 4, shape=(3, 4, 5, 6), affine=False),
    case("BatchNorm2d", 4, shape=(3, 4, 5, 6), track_running_stats=False),
    case("BatchNorm3d", 2, shape=(2, 2, 3, 4, 5)),
    case("LayerNorm", 6, shape=(4, 6)),
    case("LayerNorm", (4, 5), shape=(2, 3, 4, 5)),
    case("LayerNorm", 6, shape=(2, 4, 6), bias=False),
    case("LayerNorm", 6, shape=(4, 6), elementwise_affine=False),
    *(
        case(name, shape=(3, 4, 5))
        for name in ("ReLU", "ReLU6", "LeakyReLU", "Sigmoid", "Tanh", "SiLU", "GELU", "Hardswish")
    ),
    case("LeakyReLU", 0.2, shape=(3, 4, 5)),
    case("Softmax", shape=(3, 4, 5), dim=1),
    case("Softmax", shape=(3, 4), dim=-1),
    case("Flatten", shape=(2, 3, 4, 5)),
    case("Flatten", 0, 1, shape=(2, 3, 4)),
    case("Identity", shape=(2, 3)),
    case("Dropout", 0.0, shape=(2, 3)),
]
CASES = CONVOLUTIONS + POOLINGS + OTHERS


def random_state(net: nn.Module) -> nn.Module:
    """Fill parameters and running moments with numbers that no layer starts with."""
    rng = np.random.default_rng(0)
    for name, value in net.named_state():
        if value.data.dtype.kind == "f":
            low = 0.5 if "running_var" in name else -1.0
            value.data = rng.uniform(low, 1.5, value.data.shape).astype(value.data.dtype)
    return net
