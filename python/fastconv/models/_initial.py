"""Initial weights that torchvision gives to these networks, where they differ from the layers'."""

from __future__ import annotations

import numpy as np

from fastconv import nn
from fastconv.nn import _random


def convolutions_fan_out(net: nn.Module) -> None:
    """Kaiming's normal weights by fan_out, and biases of 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = _random.kaiming_normal_fan_out(layer.weight.shape)
            _no_bias(layer)


def linears_normal(net: nn.Module, deviation: float) -> None:
    """Give dense layers normal weights, and biases of 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = _random.normal(layer.weight.shape, deviation)
            _no_bias(layer)


def all_truncated_normal(net: nn.Module, deviation: float, limit: float) -> None:
    """Give convolutions and dense layers normal weights that are at most ``limit``."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight.data = _random.truncated_normal(layer.weight.shape, deviation, limit)


def _no_bias(layer: nn.Conv2d | nn.Linear) -> None:
    if layer.bias is not None:
        layer.bias.data = np.zeros_like(layer.bias.data)
