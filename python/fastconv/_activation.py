"""Activations of whole arrays, and their gradients."""

from __future__ import annotations

from fastconv import _core
from fastconv._conv import Activation, Array


def activation(x: Array, kind: Activation | None) -> Array:
    """Apply an activation to every element: what ``activation=`` of a convolution fuses.

    Args:
        x: float32, float64, float16 or bfloat16, any shape and memory layout.
        kind: "relu", "relu6", "leaky_relu" (slope 0.01), "sigmoid", "tanh", "silu", "gelu" (erf
            form), "hardswish", or None, which copies.

    Returns:
        C-contiguous array of x's shape and dtype. 16-bit values are computed with in float32.

    Raises:
        OptionError: An unknown kind.
        DTypeError: x has another dtype.
        ArgumentTypeError: x is not a NumPy array, or kind not a name.
    """
    return _core.activation(x, kind, None, None)


def activation_backward(grad_output: Array, x: Array, kind: Activation | None) -> Array:
    """Gradient of a loss with respect to the input of an activation: grad_output * f'(x).

    At the corners of relu, relu6, leaky_relu and hardswish the derivative is that of torch: of the
    flat (leaky_relu: the lower) side. Derivatives of sigmoid and tanh keep their digits in both
    tails.

    Args:
        grad_output: Gradient with respect to the result, of x's shape and dtype.
        x: What the activation was applied to (not its result); see :func:`activation`.
        kind: The activation.

    Returns:
        C-contiguous array of x's shape and dtype.

    Raises:
        ShapeError: grad_output has another shape than x.
        OptionError, DTypeError, ArgumentTypeError: As in :func:`activation`.
    """
    return _core.activation_backward(grad_output, x, kind)
