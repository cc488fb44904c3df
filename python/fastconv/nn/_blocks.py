"""Modules made of modules: chains, sums and concatenations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from fastconv._arguments import integer
from fastconv.errors import ArgumentTypeError, OptionError, ShapeError
from fastconv.nn import _gradients
from fastconv.nn._activation import Identity
from fastconv.nn._module import Array, Module, Shape, require_module


class Sequential(Module):
    """Modules one after the other.

    Args:
        *modules: Modules, named "0", "1", ... in the state dict; or one mapping of names to
            modules.

    Raises:
        ArgumentTypeError: Something that is not a module.
        OptionError: A name that is empty, has a dot, or is an attribute of modules.
    """

    def __init__(self, *modules: Any) -> None:
        named: Mapping[str, Any] = {str(index): module for index, module in enumerate(modules)}
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = modules[0]
        for name, module in named.items():
            if not isinstance(name, str) or not name or "." in name or hasattr(Module, name):
                raise OptionError(
                    f"the name of a module must be a word that is no attribute of modules, got "
                    f"{name!r}; use another name"
                )
            setattr(self, name, require_module(f"module {name!r}", module))

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.children())

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self)
        if isinstance(index, slice):
            return Sequential(*modules[index])
        try:
            return modules[integer("index", index)]
        except IndexError:
            raise IndexError(
                f"index must be -{len(modules)} to {len(modules) - 1}, got {index}"
            ) from None

    def forward(self, x: Array) -> Array:
        """Pass x through all modules."""
        y = x
        for module in self:
            y = module(y)
        return self.keep(y)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        self.take(grad_output)
        grad = grad_output
        for module in reversed(list(self)):
            grad = module.backward(grad)
        return grad

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        for module in self:
            x_shape = module.output_shape(x_shape)
        return x_shape


class Residual(Module):
    """body(x) + shortcut(x) (K. He et al., "Deep Residual Learning", 2015).

    Args:
        body: Any module.
        shortcut: A module whose output has the shape of the body's; None for the input itself.
    """

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        self.body = require_module("body", body)
        self.shortcut = Identity() if shortcut is None else require_module("shortcut", shortcut)

    def forward(self, x: Array) -> Array:
        """Add what body and shortcut make of x."""
        body, shortcut = self.body(x), self.shortcut(x)
        _require_equal(body.shape, shortcut.shape)
        return self.keep(_gradients.total(body, shortcut))

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        self.take(grad_output)
        body, shortcut = self.body.backward(grad_output), self.shortcut.backward(grad_output)
        return _gradients.total(body, shortcut)

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        shape = self.body.output_shape(x_shape)
        _require_equal(shape, self.shortcut.output_shape(x_shape))
        return shape


def _require_equal(body: Shape, shortcut: Shape) -> None:
    if body != shortcut:
        raise ShapeError(
            f"body and shortcut of a Residual must give the same shape, got {body} and {shortcut}; "
            "change the shortcut, for example to a 1x1 convolution with the body's stride"
        )


class Concat(Module):
    """Outputs of several branches for the same input, one after the other along an axis.

    Args:
        *branches: Modules, named "0", "1", ... in the state dict.
        dim: The axis; 1 is that of the channels.
    """

    def __init__(self, *branches: Module, dim: int = 1) -> None:
        if not branches:
            raise ArgumentTypeError("Concat needs at least one branch, got none; pass modules")
        self.dim = integer("dim", dim)
        for index, branch in enumerate(branches):
            setattr(self, str(index), require_module(f"branch {index}", branch))

    @property
    def branches(self) -> list[Module]:
        """The branches in their order."""
        return [branch for _, branch in self.children()]

    def forward(self, x: Array) -> Array:
        """Join what the branches make of x."""
        parts = [branch(x) for branch in self.branches]
        self._joined_shape([part.shape for part in parts])
        sizes = [part.shape[self.dim] for part in parts]
        return self.keep(np.concatenate(parts, axis=self.dim), sizes)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (sizes,) = self.take(grad_output)
        pieces = np.split(grad_output, np.cumsum(sizes)[:-1], axis=self.dim)
        grads = [b.backward(g) for b, g in zip(self.branches, pieces, strict=True)]
        total = grads[0]
        for grad in grads[1:]:
            total = _gradients.total(total, grad)
        return total

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        return self._joined_shape([branch.output_shape(x_shape) for branch in self.branches])

    def _joined_shape(self, shapes: list[Shape]) -> Shape:
        first, dim = shapes[0], self.dim
        rest = [(*s[:dim], *s[dim:][1:]) for s in shapes]
        if not -len(first) <= dim < len(first) or any(other != rest[0] for other in rest):
            raise ShapeError(
                f"branches of a Concat must give shapes that differ on axis dim={dim} only, got "
                f"{shapes}; change a branch or dim"
            )
        joined = list(first)
        joined[dim] = sum(shape[dim] for shape in shapes)
        return tuple(joined)

    def describe(self) -> str:
        """The axis, where it is not that of the channels."""
        return "" if self.dim == 1 else f"dim {self.dim}"


class Block(Module):
    """A module whose layers have names of their own, and run as an arrangement of them says.

    A subclass assigns its layers as attributes and then calls :meth:`arrange` with a Sequential,
    Residual or Concat of these layers, which gives forward and backward; the names in the state
    dict stay those of the attributes. Layers without parameters need not be attributes.
    """

    def arrange(self, arrangement: Module) -> None:
        """Say how the layers run.

        Raises:
            OptionError: The arrangement has parameters that are not among the block's own.
        """
        own = set(map(id, self.parameters()))
        if any(id(p) not in own for p in require_module("arrangement", arrangement).parameters()):
            raise OptionError(
                "arrangement must have no parameters but those of the block's attributes, got a "
                "layer that is none; assign it as an attribute first"
            )
        # In a tuple, so that it is no child: its layers already are.
        self._arrangement = (arrangement,)

    @property
    def arrangement(self) -> Module:
        """How the layers run."""
        return self._arrangement[0]

    def train(self, mode: bool = True) -> Self:
        """See :meth:`Module.train`."""
        self.arrangement.train(mode)
        return super().train(mode)

    def forward(self, x: Array) -> Array:
        """Run the arrangement."""
        return self.keep(self.arrangement(x))

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        self.take(grad_output)
        return self.arrangement.backward(grad_output)

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        return self.arrangement.output_shape(x_shape)
