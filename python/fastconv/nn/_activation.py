"""Activations, softmax and dropout: layers that keep the shape."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastconv import _arguments
from fastconv.errors import ShapeError
from fastconv.nn import _gradients, _random
from fastconv.nn._module import Array, Module, Shape, number, require_array

# The slope that the kernels know.
_LEAKY_SLOPE = 0.01


class SameShape(Module):
    """A layer whose output has the shape of its input."""

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        return x_shape


class Identity(SameShape):
    """Returns its input."""

    def forward(self, x: Array) -> Array:
        """Return x."""
        require_array("x", x)
        return self.keep(x)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        self.take(grad_output)
        return grad_output


class Activation(SameShape):
    """An activation that kernels fuse; ``kind`` is its name as an ``activation=`` argument."""

    kind: ClassVar[str]

    def forward(self, x: Array) -> Array:
        """Apply the function to each element."""
        require_array("x", x)
        return self.keep(_gradients.activation(x, self.kind), x)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (x,) = self.take(grad_output)
        return _gradients.activation_backward(grad_output, x, self.kind)


class ReLU(Activation):
    """max(x, 0)."""

    kind = "relu"


class ReLU6(Activation):
    """min(max(x, 0), 6)."""

    kind = "relu6"


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    kind = "sigmoid"


class Tanh(Activation):
    """Hyperbolic tangent."""

    kind = "tanh"


class SiLU(Activation):
    """X sigmoid(x), also called swish."""

    kind = "silu"


class GELU(Activation):
    """X Phi(x) with the normal distribution's Phi (the exact form, by erf)."""

    kind = "gelu"


class Hardswish(Activation):
    """X relu6(x + 3) / 6."""

    kind = "hardswish"


class LeakyReLU(Activation):
    """X where it is positive, negative_slope x elsewhere.

    Args:
        negative_slope: 0.01 is the slope that kernels fuse; others are computed by NumPy.
    """

    kind = "leaky_relu"

    def __init__(self, negative_slope: float = _LEAKY_SLOPE) -> None:
        self.negative_slope = number("negative_slope", negative_slope, -np.inf, np.inf)

    @property
    def fuses(self) -> bool:
        """Whether kernels know this slope."""
        return self.negative_slope == _LEAKY_SLOPE

    def forward(self, x: Array) -> Array:
        """Apply the function to each element."""
        if self.fuses:
            return super().forward(x)
        require_array("x", x)
        slope = x.dtype.type(self.negative_slope)
        return self.keep(np.where(x > 0, x, slope * x), x)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        if self.fuses:
            return super().backward(grad_output)
        (x,) = self.take(grad_output)
        slope = x.dtype.type(self.negative_slope)
        return np.where(x > 0, grad_output, slope * grad_output)

    def describe(self) -> str:
        """The slope."""
        return f"slope {self.negative_slope:g}"


class Softmax(SameShape):
    """exp(x) divided by its sum along an axis: positive numbers that add up to 1.

    Args:
        dim: The axis; -1 is the last one.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = _arguments.integer("dim", dim)

    def forward(self, x: Array) -> Array:
        """Compute the softmax, without overflow."""
        require_array("x", x)
        _require_axis(self.dim, x.shape)
        y = np.exp(x - x.max(axis=self.dim, keepdims=True, initial=-np.inf))
        y /= y.sum(axis=self.dim, keepdims=True)
        return self.keep(y, y)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (y,) = self.take(grad_output)
        total: Array = (grad_output * y).sum(axis=self.dim, keepdims=True)
        result: Array = y * (grad_output - total)
        return result

    def describe(self) -> str:
        """The axis."""
        return f"dim {self.dim}"


class Dropout(SameShape):
    """In training, sets elements to 0 with probability p and divides the others by 1 - p.

    At inference it returns its input (N. Srivastava et al., "Dropout", JMLR 2014). Which elements
    are dropped follows :func:`manual_seed`.

    Args:
        p: Probability, 0 to 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = number("p", p, 0.0, 1.0)

    def forward(self, x: Array) -> Array:
        """Drop elements, in training."""
        require_array("x", x)
        if not self.training or self.p == 0:
            return self.keep(x, None)
        scale = 0.0 if self.p == 1 else 1.0 / (1.0 - self.p)
        factor = _random.dropout_mask(x.shape, self.p) * x.dtype.type(scale)
        return self.keep(x * factor, factor)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (factor,) = self.take(grad_output)
        return grad_output if factor is None else grad_output * factor

    def describe(self) -> str:
        """The probability."""
        return f"p {self.p:g}"


def _require_axis(dim: int, shape: Shape) -> None:
    if not -len(shape) <= dim < len(shape):
        raise ShapeError(
            f"dim must be an axis of the input, got {dim} for shape {shape}; pass "
            f"{-len(shape)} to {len(shape) - 1}"
        )


def kernel_activation(module: Any) -> str | None:
    """Name of the activation that a kernel can apply in this module's place, or None."""
    if isinstance(module, LeakyReLU) and not module.fuses:
        return None
    return module.kind if isinstance(module, Activation) else None
