"""Dense layers and flattening."""

from __future__ import annotations

import math

import numpy as np

from fastconv import functional
from fastconv._arguments import flag, integer
from fastconv.errors import ShapeError
from fastconv.nn import _random
from fastconv.nn._module import Array, Module, Parameter, Shape, require_array

# Up to so many rows the gradient of the weight is computed as a convolution whose pixels are the
# features and whose channels are the rows: kernels for gradients are made for sums over many
# pixels.
_FEW_ROWS = 512


def as_pixels(rows: Array) -> Array:
    """View rows (M, C) as the pixels of one image (1, C, 1, M) whose channels lie side by side."""
    return rows.T[None, :, None, :]


def as_rows(image: Array) -> Array:
    """View an image (1, C, 1, M) as rows (M, C)."""
    return image[0, :, 0, :].T


def require_features(x_shape: Shape, in_features: int) -> None:
    """Reject inputs of a dense layer that have another size."""
    if not x_shape or x_shape[-1] != in_features:
        raise ShapeError(
            f"the last axis of x must have in_features={in_features} elements, got shape "
            f"{x_shape}; change x or in_features (a Flatten may be missing before)"
        )


class Linear(Module):
    """Dense layer: x @ weight.T + bias along the last axis.

    It is a pointwise convolution whose pixels are the rows of x, and computed as that. Arguments,
    weights and initial values as in ``torch.nn.Linear``.

    Args:
        in_features: Size of the last axis of the input.
        out_features: Size of the last axis of the output.
        bias: Whether there is a bias.

    Attributes:
        weight: Parameter (out_features, in_features).
        bias: Parameter (out_features,), or None.

    Raises:
        OptionError, ArgumentTypeError: An argument is out of range or has the wrong type.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = integer("in_features", in_features, minimum=1)
        self.out_features = integer("out_features", out_features, minimum=1)
        shape = (self.out_features, self.in_features)
        self.weight = Parameter(_random.kaiming_uniform(shape))
        self.bias: Parameter | None = None
        if flag("bias", bias):
            self.bias = Parameter(_random.bias_like_kaiming(self.out_features, shape))

    def forward(self, x: Array) -> Array:
        """Multiply x by the weight and add the bias."""
        require_array("x", x)
        shape = self.output_shape(x.shape)
        rows = x.reshape(math.prod(x.shape[:-1]), self.in_features)
        y = np.empty(shape, x.dtype)
        if rows.size:
            bias = None if self.bias is None else self.bias.data
            image = functional.conv2d(as_pixels(rows), self._kernel(), bias)
            y = np.ascontiguousarray(as_rows(image)).reshape(shape)
        return self.keep(y, rows, x.shape)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        rows, x_shape = self.take(grad_output)
        grad_rows = grad_output.reshape(len(rows), self.out_features)
        if not rows.size:
            self.weight.accumulate(np.zeros_like(self.weight.data))
            if self.bias is not None:
                self.bias.accumulate(np.zeros_like(self.bias.data))
            return np.zeros(x_shape, grad_output.dtype)
        few = len(rows) <= _FEW_ROWS
        grad_x, grad_weight, grad_bias = functional.conv2d_backward(
            as_pixels(grad_rows), as_pixels(rows), self._kernel(), bias=self.bias is not None,
            wanted=("x", "bias") if few else ("x", "weight", "bias"),
        )  # fmt: skip
        if few:
            turned = np.ascontiguousarray(grad_rows.T)
            products = functional.conv2d(rows[None, :, None, :], turned[:, :, None, None])
            self.weight.accumulate(products[0, :, 0, :], keeps=True)
        elif grad_weight is not None:
            self.weight.accumulate(grad_weight[:, :, 0, 0], keeps=True)
        assert grad_x is not None
        if self.bias is not None and grad_bias is not None:
            self.bias.accumulate(grad_bias, keeps=True)
        return np.ascontiguousarray(as_rows(grad_x)).reshape(x_shape)

    def _kernel(self) -> Array:
        return self.weight.data[:, :, None, None]

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        require_features(x_shape, self.in_features)
        return (*x_shape[:-1], self.out_features)

    def multiply_adds(self, x_shape: Shape) -> int:
        """Count products of an input and a weight."""
        return math.prod(self.output_shape(x_shape)) * self.in_features

    def describe(self) -> str:
        """Sizes."""
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias else ", bias=False")


class Flatten(Module):
    """Joins the axes start_dim to end_dim, both included, into one; (N, C, H, W) to (N, C*H*W).

    Args:
        start_dim: First axis to join.
        end_dim: Last axis to join.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = integer("start_dim", start_dim)
        self.end_dim = integer("end_dim", end_dim)

    def forward(self, x: Array) -> Array:
        """Return x with fewer axes."""
        require_array("x", x)
        return self.keep(x.reshape(self.output_shape(x.shape)), x.shape)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        (shape,) = self.take(grad_output)
        return grad_output.reshape(shape)

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        rank = len(x_shape)
        first, last = (d + rank if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < rank:
            raise ShapeError(
                f"start_dim={self.start_dim} and end_dim={self.end_dim} must be axes of x in this "
                f"order, got x of shape {x_shape}; change them or x"
            )
        return (*x_shape[:first], math.prod(x_shape[first : last + 1]), *x_shape[last + 1 :])

    def describe(self) -> str:
        """Axes, unless they are the default ones."""
        default = (self.start_dim, self.end_dim) == (1, -1)
        return "" if default else f"{self.start_dim} to {self.end_dim}"
