"""Which layers torch computes as fast or faster, by rule of thumb.

Rules see the layer and its mode, not the sizes of its inputs. They were fitted to the grid of
layers that docs/torch.md shows, and err on the side of leaving layers to torch.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from fastconv import _core

# Input channels per group.
_WIDE = 256
_NARROW = 16

_FASTER_IN_TRAINING = (
    nn.Conv3d,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.Unfold,
    nn.Fold,
)


def torch_is_as_fast(layer: nn.Module) -> str | None:
    """Why a layer is better left to torch, or None."""
    if layer.training and not isinstance(layer, _FASTER_IN_TRAINING):
        return "rule: torch trains it as fast; call eval() first if it is for inference"
    if isinstance(layer, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d):
        return _global_average(layer.output_size)
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return _convolution(layer)
    return None


def _global_average(output_size: object) -> str | None:
    sizes = output_size if isinstance(output_size, tuple) else (output_size,)
    if all(size == 1 for size in sizes):
        return "rule: torch averages whole planes as fast"
    return None


def _convolution(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> str | None:
    channels = layer.in_channels // layer.groups
    if channels == 1 or isinstance(layer, nn.Conv1d):
        return None
    if _is_channels_last(layer.weight):
        if channels < _NARROW:
            return f"rule: channels_last with fewer than {_NARROW} channels per group"
        return None
    wide = isinstance(layer, nn.Conv2d) and channels >= _WIDE
    if wide and math.prod(layer.kernel_size) > 1 and _core.info()["isa"] != "amx":
        return f"rule: a dense kernel of {_WIDE} channels or more, without a matrix unit"
    return None


def _is_channels_last(weight: torch.Tensor) -> bool:
    return weight.stride(1) == 1 and not weight.is_contiguous()
