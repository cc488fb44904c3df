"""Times of a layer computed by torch and by fastconv."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Run = Callable[[nn.Module, list[torch.Tensor]], None]

_ROUNDS = 7
_SECONDS_OF_A_SAMPLE = 0.004


def record_inputs(
    model: nn.Module, layers: list[nn.Module], example: tuple[Any, ...]
) -> dict[nn.Module, list[torch.Tensor]]:
    """Run the model once, and return the input of every call of each layer.

    The run is in eval mode, so that nothing that the model keeps (such as running means) changes.
    """
    inputs: dict[nn.Module, list[torch.Tensor]] = {}
    modes = [(module, module.training) for module in model.modules()]

    def keep(layer: nn.Module, given: tuple[Any, ...]) -> None:
        inputs.setdefault(layer, []).append(given[0].detach())

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    try:
        model.eval()
        with torch.no_grad():
            model(*example)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
    return inputs


def compare(
    layer: nn.Module, other: type[nn.Module], inputs: list[torch.Tensor]
) -> tuple[float, float]:
    """Return the seconds that a layer takes as it is, and as class ``other``.

    In training mode that is forward and backward. Both take turns, so that a busy machine slows
    both; the shortest time counts.
    """
    own = type(layer)
    kinds = (own, other)
    best = dict.fromkeys(kinds, float("inf"))
    run = _train if layer.training else _infer
    counts = {}
    try:
        for kind in kinds:
            layer.__class__ = kind
            run(layer, inputs)
            once = _seconds(run, layer, inputs, 1)
            counts[kind] = max(1, int(_SECONDS_OF_A_SAMPLE / max(once, 1e-7)))
        for _ in range(_ROUNDS):
            for kind in kinds:
                layer.__class__ = kind
                run(layer, inputs)
                best[kind] = min(best[kind], _seconds(run, layer, inputs, counts[kind]))
    finally:
        layer.__class__ = own
    return best[own], best[other]


def _seconds(run: Run, layer: nn.Module, inputs: list[torch.Tensor], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        run(layer, inputs)
    return (time.perf_counter() - start) / count


# Without the layer's hooks, which are the same for both.


def _infer(layer: nn.Module, inputs: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for x in inputs:
            layer.forward(x)


def _train(layer: nn.Module, inputs: list[torch.Tensor]) -> None:
    trained = [p for p in layer.parameters() if p.requires_grad]
    with torch.enable_grad():
        for x in inputs:
            leaf = x.detach().requires_grad_()
            y = layer.forward(leaf)
            y = y[0] if isinstance(y, tuple) else y
            torch.autograd.grad(y, [leaf, *trained], torch.ones_like(y))
