"""Swapping the layers of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fastconv._arguments import flag
from fastconv.errors import ArgumentTypeError, OptionError
from fastconv.torch import _measure
from fastconv.torch._report import Decision, Report
from fastconv.torch._rule import torch_is_as_fast
from fastconv.torch.modules import COUNTERPARTS

Filter = Callable[[nn.Module, str], bool]

_OURS = tuple(COUNTERPARTS.values())


def accelerate(
    model: nn.Module,
    filter_fn: Filter | None = None,
    *,
    measure: bool = False,
    example_input: Any = None,
) -> Report:
    """Let fastconv compute the convolution and pooling layers of a model, in place.

    A layer keeps its identity, Parameters, hooks, mode and ``state_dict``: only its class changes,
    to a subclass of its own. Nothing changes in how the model is trained, saved or called.

    Args:
        model: Any module on the CPU; a single layer too.
        filter_fn: Called with each candidate and its name; False leaves the layer alone.
        measure: Time each layer both ways, forward alone in eval mode and forward with backward in
            training mode, and take the faster. Without, a rule decides, which takes less of a
            model in training mode (docs/torch.md).
        example_input: Input of the model to measure with, or a tuple of its positional arguments.

    Returns:
        A :class:`Report`: what was swapped, what was not and why, and ``restore()``.

    Raises:
        ArgumentTypeError: ``model`` is not a Module, or filter_fn cannot be called.
        OptionError: ``measure`` without ``example_input``, or the other way round.
    """
    _check(model, filter_fn, measure, example_input)
    named = [(name, layer) for name, layer in model.named_modules() if _is_candidate(layer)]
    refused = {layer: _refusal(model, layer, name, filter_fn) for name, layer in named}
    open_to = [layer for layer, reason in refused.items() if reason is None]
    inputs = {}
    if measure:
        example = example_input if isinstance(example_input, tuple) else (example_input,)
        inputs = _measure.record_inputs(model, open_to, example)
    decisions, undo = [], []
    for name, layer in named:
        reason = refused[layer]
        if reason is not None:
            decision = Decision(name, type(layer).__name__, False, reason)
        elif measure:
            decision = _measured(name, layer, inputs.get(layer, []))
        else:
            decision = _ruled(name, layer)
        decisions.append(decision)
        if decision.swapped:
            own = type(layer)
            undo.append((layer, own))
            layer.__class__ = COUNTERPARTS[own]
    return Report(tuple(decisions), undo)


def _check(model: Any, filter_fn: Any, measure: Any, example_input: Any) -> None:
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError(f"model is a {type(model).__name__}; it must be a torch.nn.Module")
    if filter_fn is not None and not callable(filter_fn):
        raise ArgumentTypeError(
            f"filter_fn is a {type(filter_fn).__name__}; it must be a function of a module and its "
            "name that returns whether to swap it"
        )
    if flag("measure", measure) != (example_input is not None):
        raise OptionError(
            f"measure is {measure} and example_input is "
            f"{'missing' if example_input is None else 'given'}; pass measure=True together with "
            "an input of the model"
        )


def _is_candidate(layer: nn.Module) -> bool:
    return isinstance(layer, tuple(COUNTERPARTS))


def _refusal(model: nn.Module, layer: nn.Module, name: str, filter_fn: Filter | None) -> str | None:
    """Why a layer cannot or shall not be swapped, or None."""
    kind = type(layer)
    if kind in _OURS:
        return "computed by fastconv already"
    if kind not in COUNTERPARTS:
        return f"{kind.__name__} may compute something of its own"
    if "forward" in layer.__dict__ or "_conv_forward" in layer.__dict__:
        return "its forward was replaced"
    if getattr(layer, "padding_mode", "zeros") != "zeros":
        return f"padding_mode {layer.padding_mode!r}; only 'zeros' is swapped"
    # A pooling layer has no Parameters; it runs where the model does.
    for tensor in (*layer.parameters(), *model.parameters()):
        if tensor.device.type != "cpu":
            return f"on device {tensor.device}; accelerate knows what is faster on the CPU alone"
    for tensor in layer.parameters():
        if not tensor.is_floating_point():
            return f"dtype {tensor.dtype}"
    if filter_fn is not None and not filter_fn(layer, name):
        return "filter_fn said no"
    return None


def _ruled(name: str, layer: nn.Module) -> Decision:
    against = torch_is_as_fast(layer)
    if against is not None:
        return Decision(name, type(layer).__name__, False, against)
    return Decision(name, type(layer).__name__, True, "by rule")


def _measured(name: str, layer: nn.Module, inputs: list[torch.Tensor]) -> Decision:
    kind = type(layer)
    if not inputs:
        return Decision(name, kind.__name__, False, "the model did not call it")
    seconds = _measure.compare(layer, COUNTERPARTS[kind], inputs)
    mode = "forward and backward" if layer.training else "forward"
    reason = f"{mode}: torch {seconds[0] * 1e6:.1f} us, fastconv {seconds[1] * 1e6:.1f} us"
    return Decision(name, kind.__name__, seconds[1] < seconds[0], reason, *seconds)
