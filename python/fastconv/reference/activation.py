"""Activation functions, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import _arguments
from fastconv.reference._arrays import Float64Array, as_float64

LEAKY_SLOPE = 0.01

_erfc = np.frompyfunc(math.erfc, 1, 1)


def erfc(x: Float64Array) -> Float64Array:
    """Complementary error function."""
    return np.asarray(_erfc(x), np.float64)


def relu(x: Any) -> Float64Array:
    """max(x, 0)."""
    return np.maximum(as_float64("x", x), 0.0)


def relu6(x: Any) -> Float64Array:
    """min(max(x, 0), 6) (A. Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010)."""
    return np.minimum(relu(x), 6.0)


def leaky_relu(x: Any) -> Float64Array:
    """X where it is positive, 0.01 x elsewhere (A. Maas et al., ICML 2013)."""
    values = as_float64("x", x)
    return np.where(values > 0, values, LEAKY_SLOPE * values)


def sigmoid(x: Any) -> Float64Array:
    """1 / (1 + exp(-x))."""
    values = as_float64("x", x)
    small = np.exp(-np.abs(values))  # never overflows
    return np.where(values >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def tanh(x: Any) -> Float64Array:
    """Hyperbolic tangent."""
    return np.tanh(as_float64("x", x))


def silu(x: Any) -> Float64Array:
    """X sigmoid(x), also called swish (P. Ramachandran et al., 2017)."""
    values = as_float64("x", x)
    with np.errstate(invalid="ignore"):  # -inf * 0 is NaN, as in torch
        return values * sigmoid(values)


def gelu(x: Any) -> Float64Array:
    """X Phi(x) with the normal distribution's Phi (D. Hendrycks, K. Gimpel, 2016).

    Phi(x) = erfc(-x / sqrt 2) / 2, which keeps its digits where 1 + erf would cancel.
    """
    values = as_float64("x", x)
    with np.errstate(invalid="ignore"):
        return 0.5 * values * erfc(-values / math.sqrt(2.0))


def hardswish(x: Any) -> Float64Array:
    """X relu6(x + 3) / 6 (A. Howard et al., "Searching for MobileNetV3", 2019)."""
    values = as_float64("x", x)
    with np.errstate(invalid="ignore"):
        return values * relu6(values + 3.0) / 6.0


ACTIVATIONS: dict[str, Callable[[Any], Float64Array]] = {
    "relu": relu,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "silu": silu,
    "gelu": gelu,
    "hardswish": hardswish,
}


def activate(x: Any, name: str | None) -> Float64Array:
    """Apply the activation called ``name``; None changes nothing."""
    _arguments.choice("activation", name, (None, *ACTIVATIONS))
    return as_float64("x", x) if name is None else ACTIVATIONS[name](x)
