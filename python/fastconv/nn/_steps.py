"""The steps of a compiled network: each turns one array into the next, and may be run by several
threads at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import _core
from fastconv._plan import MemoryFormat, plan
from fastconv.nn import _gradients
from fastconv.nn._linear import as_pixels, as_rows
from fastconv.nn._module import Array, Module, Shape, no_grad

# A plan holds packed weights; nets that meet ever new shapes must not pile them up.
_PLANS_KEPT = 8


class PlannedStep:
    """A convolution or dense layer, with what was folded into it; weights packed once per shape.

    Attributes:
        text: What the step does, for people.
        activation: Name of the activation that the kernel applies.
        makes_array: The output is a new array that nobody else holds.
    """

    makes_array = True

    def __init__(
        self, kind: str, weight: Array, bias: Array | None, options: dict[str, Any], groups: int
    ) -> None:
        self.text = kind
        self.activation: str | None = None
        self._kind = kind
        self._weight = weight
        self._bias = bias
        self._options = options
        self._groups = groups
        self._plans: dict[Shape, _core.ConvPlan] = {}

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        transposed = self._kind.startswith("conv_transpose")
        shape: Shape = self._weight.shape
        return shape[1] * self._groups if transposed else shape[0]

    def fold(self, scale: Array, shift: Array, text: str) -> None:
        """Take in an affine map per channel, such as a batch normalisation at inference."""
        weight = self._weight.astype(np.float64)
        if self._kind.startswith("conv_transpose"):
            # (in, out/groups, *kernel): the outputs of input i are those of its group.
            grouped = weight.reshape(self._groups, -1, *weight.shape[1:])
            factors = scale.reshape(self._groups, 1, -1, *(1,) * (weight.ndim - 2))
            weight = (grouped * factors).reshape(weight.shape)
        else:
            weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
        bias = shift if self._bias is None else self._bias * scale + shift
        self._weight, self._bias = (a.astype(self._weight.dtype) for a in (weight, bias))
        self.text += f" + {text}"

    def activate(self, kind: str) -> None:
        """Let the kernel apply an activation."""
        self.activation = kind
        self.text += f" + {kind}"

    def prepare(self, memory_format: MemoryFormat) -> None:
        """Choose the layout of inputs to come."""
        self._memory_format: MemoryFormat = memory_format

    def __call__(self, x: Array) -> Array:
        if self._kind != "linear":
            return self._planned(self._kind, x.shape)(x)
        shape = (*x.shape[:-1], self.out_channels)
        rows = x.reshape(-1, x.shape[-1])
        if not rows.size:
            return np.empty(shape, x.dtype)
        pixels = as_pixels(rows)
        image = self._planned("conv2d", pixels.shape)(pixels)
        return np.ascontiguousarray(as_rows(image)).reshape(shape)

    def _planned(self, op: str, shape: Shape) -> _core.ConvPlan:
        made = self._plans.get(shape)
        if made is None:
            made = plan(
                op,
                shape,
                self._weight,
                self._bias,
                activation=self.activation,  # type: ignore[arg-type]
                memory_format="channels_last" if op != self._kind else self._memory_format,
                **self._options,
            )
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            self._plans[shape] = made
        return made


class AffineStep:
    """A batch normalisation that no layer could take in."""

    text = "batch norm"
    makes_array = True

    def __init__(self, scale: Array, shift: Array, dtype: np.dtype[Any]) -> None:
        self.scale, self.shift, self._dtype = scale, shift, dtype

    def __call__(self, x: Array) -> Array:
        axes = (-1, *(1,) * (x.ndim - 2))
        y: Array = x * self.scale.astype(self._dtype).reshape(axes)
        y += self.shift.astype(self._dtype).reshape(axes)
        return y


class ActivationStep:
    """An activation that no layer could take in."""

    makes_array = True

    def __init__(self, kind: str) -> None:
        self.text = self.kind = kind

    def __call__(self, x: Array) -> Array:
        return _gradients.activation(x, self.kind)


class SumStep:
    """The sum of two branches for the same input, and an activation of it."""

    makes_array = True

    def __init__(self, body: list[Any], shortcut: list[Any]) -> None:
        self.branches = (body, shortcut)
        self.activation: str | None = None

    @property
    def text(self) -> str:
        """What the step does, for people."""
        return "add" + (f" + {self.activation}" if self.activation else "")

    def activate(self, kind: str) -> None:
        """Apply an activation to the sum."""
        self.activation = kind

    def __call__(self, x: Array) -> Array:
        body, shortcut = (run(steps, x) for steps in self.branches)
        steps = self.branches[0]
        total = np.add(body, shortcut, out=body if steps and steps[-1].makes_array else None)
        if self.activation == "relu":
            return np.maximum(total, 0, out=total)
        return total if self.activation is None else _gradients.activation(total, self.activation)


class JoinStep:
    """Outputs of several branches for the same input, side by side."""

    text = "concatenate"
    makes_array = True

    def __init__(self, branches: list[list[Any]], dim: int) -> None:
        self.branches = branches
        self.dim = dim

    def __call__(self, x: Array) -> Array:
        return np.concatenate([run(steps, x) for steps in self.branches], axis=self.dim)


class ModuleStep:
    """A layer that runs as it is."""

    makes_array = False

    def __init__(self, module: Module) -> None:
        self.module = module
        self.text = type(module).__name__

    def __call__(self, x: Array) -> Array:
        with no_grad():
            return self.module(x)


def run(steps: list[Any], x: Array) -> Array:
    """Pass x through all steps."""
    for step in steps:
        x = step(x)
    return x
