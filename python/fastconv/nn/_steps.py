"""The steps of a compiled network: each turns one array into the next, and may be run by several
threads at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import _core
from fastconv._plan import MemoryFormat, plan, plan_with_addend
from fastconv.config import show_config
from fastconv.nn import _gradients
from fastconv.nn._linear import Flatten, as_pixels, as_rows, require_features
from fastconv.nn._module import Array, Module, Shape, no_grad
from fastconv.nn._pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptivePooling,
    Pooling,
)
from fastconv.nn._program import CannotRecordError, Recorder, Value

# A plan holds packed weights; nets that meet ever new shapes must not pile them up.
_PLANS_KEPT = 8


class PlannedStep:
    """A convolution or dense layer, with what was folded into it; weights packed once per shape.

    Attributes:
        text: What the step does, for people.
        activation: Name of the activation that the kernel applies.
    """

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
        self._plans: dict[tuple[Shape, str | None], _core.ConvPlan] = {}

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
        require_features(x.shape, self._weight.shape[1])
        shape = (*x.shape[:-1], self.out_channels)
        rows = x.reshape(-1, x.shape[-1])
        if not rows.size:
            return np.empty(shape, x.dtype)
        pixels = as_pixels(rows)
        image = self._planned("conv2d", pixels.shape)(pixels)
        return np.ascontiguousarray(as_rows(image)).reshape(shape)

    def record(self, recorder: Recorder, x: Value, out: Value | None) -> Value:
        """Record the step; the result lies in ``out`` where that is given."""
        if self._kind == "linear":
            return self._record_linear(recorder, x)
        planned = self._planned(self._kind, x.shape)
        y = out or recorder.new(planned.output_shape)
        recorder.call(planned, x, y)
        return y

    def _record_linear(self, recorder: Recorder, x: Value) -> Value:
        require_features(x.shape, self._weight.shape[1])
        if len(x.shape) != 2 or not x.shape[0]:
            raise CannotRecordError
        y = recorder.new((x.shape[0], self.out_channels))
        planned = self._planned("conv2d", (1, x.shape[1], 1, x.shape[0]))
        recorder.call(planned, *(v.seen(as_pixels, planned.output_shape) for v in (x, y)))
        return y

    def record_sum(self, recorder: Recorder, x: Value, addend: Value, kind: str | None) -> Value:
        """Record the step with an addend, and an activation of the sum, in the kernel's store."""
        planned = self._planned(self._kind, x.shape, sum_activation=kind, adds=True)
        y = recorder.new(planned.output_shape)
        recorder.call(lambda x, addend, y: planned(x, y, addend), x, addend, y)
        return y

    def takes_addend(self, x_shape: Shape) -> bool:
        """Whether :meth:`record_sum` does it in one pass."""
        # A single image without a batch axis lies otherwise than the recorder's values may.
        if len(x_shape) != self._weight.ndim:
            return False
        # The kernels of the matrix unit add nothing; on it two passes are faster.
        convolves = self._kind.startswith("conv") and not self._kind.startswith("conv_transpose")
        dense = self._groups == 1 or self.out_channels // self._groups > 3
        # Of one channel NCHW and channels-last are the same, and the results would be NCHW.
        dense = dense and self._weight.shape[1] * self._groups > 1
        return convolves and dense and self.activation is None and show_config().isa != "amx"

    def _planned(
        self, op: str, shape: Shape, *, sum_activation: str | None = None, adds: bool = False
    ) -> _core.ConvPlan:
        key = (shape, f"sum {sum_activation}" if adds else None)
        made = self._plans.get(key)
        if made is None:
            make = plan_with_addend if adds else plan
            made = make(
                op,
                shape,
                self._weight,
                self._bias,
                activation=sum_activation if adds else self.activation,  # type: ignore[arg-type]
                memory_format="channels_last" if op != self._kind else self._memory_format,
                **self._options,
            )
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            self._plans[key] = made
        return made


class AffineStep:
    """A batch normalisation that no layer could take in."""

    text = "batch norm"

    def __init__(self, scale: Array, shift: Array, dtype: np.dtype[Any]) -> None:
        self.scale, self.shift, self._dtype = scale, shift, dtype

    def __call__(self, x: Array) -> Array:
        axes = (-1, *(1,) * (x.ndim - 2))
        y: Array = x * self.scale.astype(self._dtype).reshape(axes)
        y += self.shift.astype(self._dtype).reshape(axes)
        return y

    def record(self, recorder: Recorder, x: Value, out: Value | None) -> Value:
        """See :meth:`PlannedStep.record`."""
        return _copied(recorder, self, x, x.shape, out)


class ActivationStep:
    """An activation that no layer could take in."""

    def __init__(self, kind: str) -> None:
        self.text = self.kind = kind

    def __call__(self, x: Array) -> Array:
        return _gradients.activation(x, self.kind)

    def record(self, recorder: Recorder, x: Value, out: Value | None) -> Value:
        """See :meth:`PlannedStep.record`."""
        y = out or recorder.new(x.shape)
        recorder.call(lambda x, y: _core.activation(x, self.kind, None, y), x, y)
        return y


class SumStep:
    """The sum of two branches for the same input, and an activation of it."""

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
        return _core.activation(body, self.activation, shortcut, None)

    def record(self, recorder: Recorder, x: Value, out: Value | None) -> Value:
        """See :meth:`PlannedStep.record`.

        A convolution that ends the body adds the shortcut as it stores its results; otherwise the
        sum takes the place of the body's result.
        """
        shortcut = record(recorder, self.branches[1], x)
        *first, last = self.branches[0] or [None]
        if (
            isinstance(last, PlannedStep)
            and last.takes_addend(x.shape)
            and shortcut.whole
            and out is None
        ):
            before = record(recorder, first, x)
            return last.record_sum(recorder, before, shortcut, self.activation)
        body = record(recorder, self.branches[0], x)
        borrowed = body.storage is None or body.storage is x.storage
        y = out or (recorder.new(body.shape) if borrowed else body)

        def add(body: Array, shortcut: Array, y: Array) -> None:
            _core.activation(body, self.activation, shortcut, y)

        recorder.call(add, body, shortcut, y)
        return y


class JoinStep:
    """Outputs of several branches for the same input, side by side."""

    text = "concatenate"

    def __init__(self, branches: list[list[Any]], dim: int) -> None:
        self.branches = branches
        self.dim = dim

    def __call__(self, x: Array) -> Array:
        return np.concatenate([run(steps, x) for steps in self.branches], axis=self.dim)

    def record(self, recorder: Recorder, x: Value, out: Value | None) -> Value:
        """See :meth:`PlannedStep.record`; each branch writes to its place in the result."""
        # A rehearsal tells how many channels each branch has; the plans that it makes are kept.
        rehearsal = Recorder(x.shape, recorder.channels_last)
        shapes = [record(rehearsal, steps, rehearsal.x).shape for steps in self.branches]
        rank = len(shapes[0])
        if self.dim % rank != 1 or len({(s[0], *s[2:]) for s in shapes}) > 1:
            raise CannotRecordError
        ends = np.cumsum([shape[1] for shape in shapes]).tolist()
        y = out or recorder.new((shapes[0][0], ends[-1], *shapes[0][2:]))
        for steps, shape, end in zip(self.branches, shapes, ends, strict=True):
            start = end - shape[1]
            part = y.seen(lambda base, a=start, b=end: base[:, a:b], shape)  # type: ignore[misc]
            record(recorder, steps, x, part)
        return y


class ModuleStep:
    """A layer that runs as it is; ``is_ours`` tells layers of fastconv from a user's own."""

    def __init__(self, module: Module, is_ours: bool) -> None:
        self.module = module
        self.is_ours = is_ours
        self.text = type(module).__name__

    def __call__(self, x: Array) -> Array:
        with no_grad():
            return self.module(x)

    def record(self, recorder: Recorder, x: Value, out: Value | None) -> Value:
        """See :meth:`PlannedStep.record`."""
        module = self.module
        if not self.is_ours:
            raise CannotRecordError
        shape = module.output_shape(x.shape)
        if isinstance(module, Flatten) and (not recorder.channels_last or len(x.shape) < 3):
            return x.seen(lambda x: x.reshape(shape), shape)
        averages = isinstance(module, AdaptiveAvgPool1d | AdaptiveAvgPool2d | AdaptiveAvgPool3d)
        if averages and shape == x.shape:
            return x
        if not isinstance(module, AdaptivePooling | Pooling):
            return _copied(recorder, self, x, shape, out)
        y = out or recorder.new(shape)
        recorder.call(module.pool, x, y)
        return y


def run(steps: list[Any], x: Array) -> Array:
    """Pass x through all steps."""
    for step in steps:
        x = step(x)
    return x


def record(recorder: Recorder, steps: list[Any], x: Value, out: Value | None = None) -> Value:
    """Record all steps; the result lies in ``out`` where that is given."""
    for index, step in enumerate(steps, 1):
        x = step.record(recorder, x, out if index == len(steps) else None)
    if out is None or x is out:
        return x
    recorder.call(lambda x, y: np.copyto(y, x), x, out)
    return out


def _copied(recorder: Recorder, step: Any, x: Value, shape: Shape, out: Value | None) -> Value:
    """Record a step that makes an array of its own, whose values are copied to their place."""
    y = out or recorder.new(shape)
    recorder.call(lambda x, y: np.copyto(y, step(x)), x, y)
    return y
