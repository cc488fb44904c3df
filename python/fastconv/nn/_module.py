"""The base of all layers: parameters, children, modes, and what a backward pass needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastconv._arguments import flag, given
from fastconv.errors import (
    ArgumentTypeError,
    BackwardError,
    DTypeError,
    OptionError,
    ShapeError,
)

Array = NDArray[Any]
Shape = tuple[int, ...]

_keeps_for_backward: ContextVar[bool] = ContextVar("keeps_for_backward", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Run forward passes that keep nothing for a backward pass, so that memory is freed early."""
    token = _keeps_for_backward.set(False)
    try:
        yield
    finally:
        _keeps_for_backward.reset(token)


class Parameter:
    """An array that training changes, and the gradient of the loss with respect to it.

    Attributes:
        data: The values, float32 or float64.
        grad: Sum of the gradients of all backward passes since the last ``zero_grad``; None before
            the first.
    """

    def __init__(self, data: Array) -> None:
        self.data = data
        self.grad: Array | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the values."""
        return self.data.shape

    def accumulate(self, grad: Array, *, keeps: bool = False) -> None:
        """Add a gradient of the shape of the values.

        Args:
            grad: The gradient.
            keeps: Whether the array may be kept instead of copied, because nothing else uses it.
        """
        if grad.shape != self.data.shape:
            raise ShapeError(
                f"the gradient of a parameter must have its shape {self.data.shape}, got "
                f"{grad.shape}; check the backward method that computed it"
            )
        if self.grad is None:
            # Else a copy: the caller's array may be a view of something that changes later.
            copy = None if keeps else True
            self.grad = np.array(grad, dtype=self.data.dtype, order="C", copy=copy)
        else:
            self.grad += grad

    def __repr__(self) -> str:
        return f"Parameter(shape={self.data.shape}, dtype={self.data.dtype})"


class Buffer:
    """An array of a layer's state that no gradient changes, such as a running mean."""

    def __init__(self, data: Array) -> None:
        self.data = data


class Module:
    """A layer or a network: a function with parameters, and that function's gradient.

    A subclass assigns its parameters, buffers and child modules as attributes, whose names become
    those of the state dict, and defines :meth:`forward` and :meth:`backward`. ``forward`` hands
    what ``backward`` needs to :meth:`keep`, ``backward`` gets it from :meth:`take`; both happen
    once per pass. A module remembers its latest forward pass only.

    Attributes:
        training: Whether the module behaves as in training (dropout, batch statistics).
    """

    training: bool = True
    _kept: tuple[Shape, np.dtype[Any], tuple[Any, ...]] | None = None

    def forward(self, x: Array) -> Array:
        """Compute the output for x."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def backward(self, grad_output: Array) -> Array:
        """Turn the loss's gradient with respect to the output into that with respect to the input.

        Adds the gradients with respect to the parameters to their ``grad``.

        Args:
            grad_output: Of the shape and dtype of the latest output.

        Returns:
            Array of the shape of the latest input.

        Raises:
            BackwardError: No forward pass went before, or its backward pass is done already.
            ShapeError: grad_output has another shape than the output.
            DTypeError: grad_output has another dtype than the output.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define backward")

    def output_shape(self, x_shape: Shape) -> Shape:
        """Shape of the output for an input of shape ``x_shape``, without computing it."""
        raise NotImplementedError(f"{type(self).__name__} does not define output_shape")

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    @staticmethod
    def keeps() -> bool:
        """Whether forward passes keep what backward passes need: outside of :func:`no_grad`."""
        return _keeps_for_backward.get()

    def keep(self, output: Array, *values: Any) -> Array:
        """Remember what ``backward`` needs for this output; return the output."""
        kept = (output.shape, output.dtype, values)
        self._kept = kept if self.keeps() else None
        return output

    def take(self, grad_output: Array) -> tuple[Any, ...]:
        """Check the gradient of the latest output; return what was kept for it, and forget it."""
        name = type(self).__name__
        if self._kept is None:
            raise BackwardError(
                f"{name}.backward needs a forward pass before it, once for each backward pass, got "
                "none since the last one; call forward first, outside of no_grad"
            )
        shape, dtype, values = self._kept
        require_array("grad_output", grad_output)
        if grad_output.shape != shape:
            raise ShapeError(
                f"grad_output of {name} must have the shape {shape} of its output, got "
                f"{grad_output.shape}; pass the gradient of the loss with respect to that output"
            )
        if grad_output.dtype != dtype:
            raise DTypeError(
                f"grad_output of {name} must have the dtype {dtype} of its output, got "
                f"{grad_output.dtype}; convert it with astype"
            )
        self._kept = None
        return values

    def children(self) -> Iterator[tuple[str, Module]]:
        """Child modules and their names, in the order of their assignment."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module (named ``prefix``) and all below it, with dotted names."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        for _, module in self.named_modules():
            yield module

    def named_state(self) -> Iterator[tuple[str, Parameter | Buffer]]:
        """Parameters and buffers with dotted names, in torch's order."""
        for prefix, module in self.named_modules():
            dot = f"{prefix}." if prefix else ""
            for kind in (Parameter, Buffer):
                for name, value in vars(module).items():
                    if isinstance(value, kind):
                        yield dot + name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Parameters with dotted names; one that has several names comes once, under the first."""
        seen: set[int] = set()
        for name, value in self.named_state():
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once: what an optimiser takes."""
        for _, parameter in self.named_parameters():
            yield parameter

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below it to training (or, with False, to inference)."""
        flag("mode", mode)
        self.training = bool(mode)
        for _, child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Switch to inference: no dropout, and running instead of batch statistics."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def astype(self, dtype: Any) -> Self:
        """Convert all floating-point parameters and buffers to float32 or float64, in place."""
        wanted = np.dtype(dtype)
        if wanted not in (np.float32, np.float64):
            raise DTypeError(
                f"a network must be float32 or float64, got {wanted}; pass one of them"
            )
        for _, value in self.named_state():
            if value.data.dtype.kind == "f":
                value.data = value.data.astype(wanted)
            if isinstance(value, Parameter):
                value.grad = None
        return self

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers, with the names and layouts that torch uses."""
        return {name: value.data.copy() for name, value in self.named_state()}

    def load_state_dict(self, state: Any, strict: bool = True) -> tuple[list[str], list[str]]:
        """Copy parameters and buffers from a mapping of names to arrays.

        Args:
            state: Names to arrays, or to what NumPy can view as arrays without a copy, such as
                torch's CPU tensors. Floating-point values are converted to the network's dtype.
            strict: Whether missing and unexpected names are errors.

        Returns:
            Names that were missing and names that were unexpected.

        Raises:
            StateDictError: Something does not fit. The message lists all of it, and nothing of the
                network has changed.
            ArgumentTypeError: state is not a mapping.
        """
        from fastconv.nn._state import load_state

        return load_state(self, state, flag("strict", strict))

    def describe(self) -> str:
        """Options that differ from one layer of this type to the next, for people."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.children()
        ]
        if not lines:
            return f"{type(self).__name__}({self.describe()})"
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def require_array(name: str, value: Any) -> None:
    """Reject anything but a NumPy array of float32 or float64."""
    if not isinstance(value, np.ndarray):
        raise ArgumentTypeError(
            f"{name} must be a NumPy array, got {type(value).__name__}; convert it with "
            "numpy.asarray"
        )
    if value.dtype not in (np.float32, np.float64):
        raise DTypeError(
            f"{name} must be float32 or float64, got {value.dtype}; convert it with astype"
        )


def require_module(name: str, value: Any) -> Module:
    """``value`` if it is a module."""
    if not isinstance(value, Module):
        raise ArgumentTypeError(
            f"{name} must be a module, got {given(value)} of type {type(value).__name__}; pass an "
            "instance such as nn.ReLU()"
        )
    return value


def number(name: str, value: Any, low: float, high: float) -> float:
    """``value`` as a float between ``low`` and ``high``, both included."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise ArgumentTypeError(
            f"{name} must be a number, got {given(value)} of type {type(value).__name__}; "
            "pass a float"
        )
    result = float(value)
    if not low <= result <= high:
        raise OptionError(
            f"{name} must lie between {low} and {high}, got {value}; pass a number of that range"
        )
    return result
