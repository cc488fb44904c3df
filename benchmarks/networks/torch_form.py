"""A network of ``fastconv.nn`` as a torch module with the same weights, layer for layer."""

from __future__ import annotations

from typing import Any

import torch

from fastconv import nn

from .graph import UnknownLayerError

_ACTIVATIONS: dict[type[nn.Module], Any] = {
    nn.ReLU: lambda: torch.nn.ReLU(inplace=True),
    nn.Sigmoid: torch.nn.Sigmoid,
    nn.Tanh: torch.nn.Tanh,
}


class _Sum(torch.nn.Module):
    def __init__(self, body: torch.nn.Module, shortcut: torch.nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.body(x) + self.shortcut(x)
        return y


class _Join(torch.nn.Module):
    def __init__(self, branches: list[torch.nn.Module]) -> None:
        super().__init__()
        self.branches = torch.nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def torch_form(module: nn.Module) -> torch.nn.Module:
    """Return the torch module; dropout is left out.

    Raises:
        UnknownLayerError: A layer that no network of the benchmark has.
    """
    if isinstance(module, nn.Sequential):
        return torch.nn.Sequential(*map(torch_form, module))
    if isinstance(module, nn.Block):
        return torch_form(module.arrangement)
    if isinstance(module, nn.Residual):
        return _Sum(torch_form(module.body), torch_form(module.shortcut))
    if isinstance(module, nn.Concat):
        return _Join([torch_form(branch) for branch in module.branches])
    if isinstance(module, nn.Identity | nn.Dropout):
        return torch.nn.Identity()
    made = _layer(module)
    state = {name: torch.tensor(array) for name, array in module.state_dict().items()}
    made.load_state_dict(state)
    return made


def _layer(module: nn.Module) -> torch.nn.Module:
    if isinstance(module, nn.Conv2d):
        w = module.window
        return torch.nn.Conv2d(
            module.in_channels, module.out_channels, w.kernel, w.stride,
            tuple(lo for lo, _ in w.padding), w.dilation, module.groups, module.bias is not None,
        )  # fmt: skip
    if isinstance(module, nn.Linear):
        sizes = module.in_features, module.out_features
        return torch.nn.Linear(*sizes, bias=module.bias is not None)
    if isinstance(module, nn.BatchNorm2d):
        return torch.nn.BatchNorm2d(module.num_features, module.eps, module.momentum)
    if isinstance(module, nn.MaxPool2d):
        w = module.window
        padding = tuple(lo for lo, _ in w.padding)
        ceil = module.ceil_mode
        return torch.nn.MaxPool2d(w.kernel, w.stride, padding, w.dilation, ceil_mode=ceil)
    if isinstance(module, nn.AvgPool2d):
        w = module.window
        padding = tuple(lo for lo, _ in w.padding)
        return torch.nn.AvgPool2d(w.kernel, w.stride, padding, module.ceil_mode)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return torch.nn.AdaptiveAvgPool2d(module.output_size)
    if isinstance(module, nn.Flatten):
        return torch.nn.Flatten(module.start_dim, module.end_dim)
    if type(module) in _ACTIVATIONS:
        made: torch.nn.Module = _ACTIVATIONS[type(module)]()
        return made
    raise UnknownLayerError(module)
