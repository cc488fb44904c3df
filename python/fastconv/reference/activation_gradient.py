"""Activations by name, and their derivatives.

At the corners of the piecewise linear ones the derivative is torch's: that of the flat side, and of
leaky_relu that of the side below. For NaN the comparisons are false, as in torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import _arguments
from fastconv.errors import ShapeError
from fastconv.reference._arrays import Float64Array, as_float64
from fastconv.reference.activation import ACTIVATIONS, LEAKY_SLOPE, activate, erfc, sigmoid


def activation(x: Any, kind: str | None) -> Float64Array:
    """Apply the activation called ``kind``; None changes nothing."""
    _arguments.choice("kind", kind, (None, *ACTIVATIONS))
    return activate(x, kind)


def _sigmoid_slope(x: Float64Array) -> Float64Array:
    """s(1-s) = exp(-|x|) / (1 + exp(-|x|))**2, which keeps the digits of both tails."""
    small = np.exp(-np.abs(x))
    result: Float64Array = small / (1.0 + small) ** 2
    return result


def _gelu_slope(x: Float64Array) -> Float64Array:
    """Phi(x) + x phi(x), phi the density of the normal distribution."""
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    result: Float64Array = 0.5 * erfc(-x / math.sqrt(2.0)) + x * density
    return result


FLAT = ("relu", "relu6", "hardswish")
SLOPES: dict[str, Callable[[Float64Array], Float64Array]] = {
    "relu": lambda x: np.where(x <= 0, 0.0, 1.0),
    "relu6": lambda x: np.where((x <= 0) | (x >= 6), 0.0, 1.0),
    "leaky_relu": lambda x: np.where(x > 0, 1.0, LEAKY_SLOPE),
    "sigmoid": _sigmoid_slope,
    "tanh": lambda x: 4.0 * _sigmoid_slope(2.0 * x),
    "silu": lambda x: sigmoid(x) + x * _sigmoid_slope(x),
    "gelu": _gelu_slope,
    "hardswish": lambda x: np.where(x <= -3, 0.0, np.where(x < 3, x / 3 + 0.5, 1.0)),
}


def activation_backward(grad_output: Any, x: Any, kind: str | None) -> Float64Array:
    """Gradient with respect to an activation's input: grad_output f'(x).

    Args:
        grad_output: Gradient with respect to the activation's result, of x's shape.
        x: What the activation was applied to.
        kind: Name of the activation, or None.

    Returns:
        float64 array of x's shape.

    Raises:
        ShapeError, OptionError, DTypeError: Arguments that do not fit.
    """
    _arguments.choice("kind", kind, (None, *SLOPES))
    grad, values = as_float64("grad_output", grad_output), as_float64("x", x)
    if grad.shape != values.shape:
        raise ShapeError(f"grad_output must have x's shape {values.shape}, got {grad.shape}")
    if kind is None:
        return grad
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        slope = SLOPES[kind](values)
        product: Float64Array = grad * slope
        # Nothing passes a flat side, not even an infinite gradient.
        return np.where(slope == 0, 0.0, product) if kind in FLAT else product
