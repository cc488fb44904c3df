"""Networks prepared for fast inference."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastconv._arguments import choice, shape
from fastconv._layout import channels_last
from fastconv._plan import MemoryFormat
from fastconv.errors import DTypeError, OptionError
from fastconv.nn._activation import Dropout, Identity, kernel_activation
from fastconv.nn._blocks import Block, Concat, Residual, Sequential
from fastconv.nn._conv import Convolution, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.nn._linear import Linear
from fastconv.nn._module import Array, Module, Shape, require_array, require_module
from fastconv.nn._norm import BatchNormalization
from fastconv.nn._program import CannotRecordError, Program, Recorder
from fastconv.nn._steps import (
    ActivationStep,
    AffineStep,
    JoinStep,
    ModuleStep,
    PlannedStep,
    SumStep,
    record,
    run,
)

# Programs hold memory for all activations; nets that meet ever new shapes must not pile them up.
_SHAPES_KEPT = 4

_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)


def compile(  # named as in torch
    net: Module, input_shape: Shape | None = None, *, memory_format: MemoryFormat = "contiguous"
) -> CompiledNetwork:
    """Prepare a network for many forward passes.

    Batch normalisation is folded into the convolution or dense layer before it, bias and activation
    are applied as results are stored, dropout is left out, weights are packed once for each shape
    of input (:func:`fastconv.plan`), and activations stay in the layout that the next layer reads.
    Results equal those of the network within rounding.

    Args:
        net: A network in inference mode. Its weights are copied: later changes have no effect.
        input_shape: Shape for which to pack weights now, such as (1, 3, 224, 224). Other shapes
            are packed when they first come; the last few are kept.
        memory_format: Layout of the activations, "contiguous" (NCHW) or "channels_last". Which is
            faster depends on network and machine.

    Returns:
        A callable that takes and gives NumPy arrays, also from several threads at once.

    Raises:
        OptionError: The network is in training mode, or memory_format is unknown.
        ArgumentTypeError: net is not a module.
        ShapeError: input_shape does not fit the network.

    Example:
        >>> from fastconv import nn
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        >>> fast = nn.compile(net.eval(), (1, 1, 8, 8))
        >>> fast
        CompiledNetwork(
          conv2d + batch norm + relu
          Flatten
        )
        >>> fast(np.zeros((1, 1, 8, 8), np.float32)).shape
        (1, 144)
    """
    require_module("net", net)
    choice("memory_format", memory_format, ("contiguous", "channels_last"))
    if any(module.training for module in net.modules()):
        raise OptionError(
            "net must be in inference mode, got one (or a layer of it) in training mode; call "
            "net.eval() first"
        )
    compiled = CompiledNetwork(net, memory_format)
    if input_shape is not None:
        sizes = shape("input_shape", input_shape)
        net.output_shape(sizes)
        compiled(np.zeros(sizes, compiled.dtype))
    return compiled


class CompiledNetwork:
    """What :func:`compile` makes: call it with an input; printing it shows the steps.

    Attributes:
        dtype: That of the network, its inputs and outputs.
    """

    def __init__(self, net: Module, memory_format: MemoryFormat) -> None:
        self.dtype = next((p.data.dtype for p in net.parameters()), np.dtype(np.float32))
        self._channels_last = memory_format == "channels_last"
        self._steps = _fused(_expanded(net))
        self._idle: dict[Shape, list[Program]] = {}
        self._records = True
        for step in _all_steps(self._steps):
            if isinstance(step, PlannedStep):
                step.prepare(memory_format)

    def __call__(self, x: Array) -> Array:
        """Compute the network's output."""
        require_array("x", x)
        if x.dtype != self.dtype:
            raise DTypeError(
                f"x must have the dtype {self.dtype} of the network, got {x.dtype}; convert it "
                "with astype"
            )
        if self._channels_last and x.ndim > 2:
            x = channels_last(x)
        program = self._program(x.shape)
        if program is None:
            y = run(self._steps, x)
            # A network whose steps all return their input must not hand out the caller's array.
            return y.copy() if y is x else y
        try:
            return program.run(x)
        finally:
            self._idle.setdefault(x.shape, []).append(program)

    def _program(self, x_shape: Shape) -> Program | None:
        """Return a program that no thread is running; None where the steps cannot be recorded."""
        idle = self._idle.get(x_shape)
        try:
            if idle:
                return idle.pop()
        except IndexError:
            pass  # another thread was faster
        if not self._records:
            return None
        recorder = Recorder(x_shape, self._channels_last)
        try:
            result = record(recorder, self._steps, recorder.x)
        except CannotRecordError:
            self._records = False
            return None
        if len(self._idle) >= _SHAPES_KEPT:
            self._idle.clear()
        return Program(recorder, result, self.dtype)

    def __repr__(self) -> str:
        return "\n".join(["CompiledNetwork(", *_lines(self._steps, "  "), ")"])


def is_ours(module: Module) -> bool:
    """Whether the module computes what its type says: its ``forward`` is not a user's own."""
    owner = next(kind for kind in type(module).__mro__ if "forward" in vars(kind))
    return owner.__module__.startswith(("fastconv.nn.", "fastconv.models."))


def _expanded(module: Module) -> list[Any]:
    """Steps of a module, before they are fused."""
    kind = kernel_activation(module)
    if not is_ours(module):
        return [ModuleStep(_copied(module), is_ours=False)]
    if isinstance(module, Sequential):
        return [step for child in module for step in _expanded(child)]
    if isinstance(module, Block):
        return _expanded(module.arrangement)
    if isinstance(module, Residual):
        return [SumStep(_expanded(module.body), _expanded(module.shortcut))]
    if isinstance(module, Concat):
        return [JoinStep([_expanded(branch) for branch in module.branches], module.dim)]
    if isinstance(module, Identity | Dropout):
        return []
    if isinstance(module, Convolution | Linear):
        return [_planned(module)]
    if isinstance(module, BatchNormalization) and module.running_var is not None:
        return [AffineStep(*module.affine_map(), module.running_var.data.dtype)]
    if kind is not None:
        return [ActivationStep(kind)]
    return [ModuleStep(_copied(module), is_ours=True)]


def _planned(module: Convolution | Linear) -> PlannedStep:
    weight = module.weight.data.copy()
    bias = None if module.bias is None else module.bias.data.copy()
    if isinstance(module, Linear):
        return PlannedStep("linear", weight[:, :, None, None], bias, {}, 1)
    window = module.window
    options: dict[str, Any] = {
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "groups": module.groups,
    }
    kind = "conv"
    if isinstance(module, _TRANSPOSED):
        kind = "conv_transpose"
        options["output_padding"] = module.output_padding
    return PlannedStep(f"{kind}{module.rank}d", weight, bias, options, module.groups)


def _copied(module: Module) -> Module:
    twin = copy.deepcopy(module)
    for part in twin.modules():
        part._kept = None
    return twin


def _fused(steps: list[Any]) -> list[Any]:
    """Fold what follows a layer into it, in branches too."""
    result: list[Any] = []
    for step in steps:
        if isinstance(step, SumStep):
            step.branches = (_fused(step.branches[0]), _fused(step.branches[1]))
        if isinstance(step, JoinStep):
            step.branches = [_fused(branch) for branch in step.branches]
        if not (result and _absorbed(result[-1], step)):
            result.append(step)
    return result


def _absorbed(last: Any, step: Any) -> bool:
    """Let the last step do what this one would, if it can."""
    if not isinstance(last, PlannedStep | SumStep) or last.activation is not None:
        return False
    if isinstance(step, ActivationStep):
        last.activate(step.kind)
        return True
    if isinstance(last, PlannedStep) and isinstance(step, AffineStep):
        if len(step.scale) != last.out_channels:
            return False  # the wrong channels: running the step reports it
        last.fold(step.scale, step.shift, step.text)
        return True
    return False


def _all_steps(steps: list[Any]) -> Iterator[Any]:
    for step in steps:
        yield step
        for branch in getattr(step, "branches", ()):
            yield from _all_steps(branch)


def _lines(steps: list[Any], indent: str) -> Iterator[str]:
    for step in steps:
        yield indent + step.text
        for branch in getattr(step, "branches", ()):
            yield f"{indent}  branch" + ("" if branch else ": the input itself")
            yield from _lines(branch, indent + "    ")
