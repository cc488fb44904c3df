"""Losses: a number for how wrong a network's output is, and its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._arguments import choice, integer
from fastconv.errors import (
    ArgumentTypeError,
    BackwardError,
    DTypeError,
    NonFiniteError,
    OptionError,
    ShapeError,
)
from fastconv.nn._module import Array, number, require_array


class Loss:
    """Base of losses: called with output and target it gives a float, then ``backward()``."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = choice("reduction", reduction, ("mean", "sum"))
        self._gradient: Array | None = None

    def backward(self) -> Array:
        """Gradient of the latest loss with respect to the output it was computed for.

        Raises:
            BackwardError: No loss was computed since the last call.
        """
        if self._gradient is None:
            raise BackwardError(
                f"{type(self).__name__}.backward needs a loss computed before it, once for each "
                "backward pass, got none since the last one; call the loss first"
            )
        gradient, self._gradient = self._gradient, None
        return gradient

    def _finished(self, value: float, gradient: Array) -> float:
        self._gradient = None
        if not math.isfinite(value):
            raise NonFiniteError(
                f"the loss of {type(self).__name__} must be finite, got {value}: the network's "
                "output or the target has NaN, infinite or huge values; lower the learning rate, "
                "or check the data"
            )
        self._gradient = gradient
        return value


class CrossEntropyLoss(Loss):
    """Negative logarithm of the probability that a softmax gives to the right class.

    loss = -log(exp(x[t]) / sum over c of exp(x[c])) for class t, computed without overflow;
    arguments as in ``torch.nn.CrossEntropyLoss``.

    Args:
        ignore_index: A target that does not count.
        reduction: "mean" over the targets that count, or "sum".
        label_smoothing: Share e of the target that is spread evenly over all classes, 0 to 1
            (C. Szegedy et al., "Rethinking the Inception Architecture", 2015).

    Example:
        >>> from fastconv import nn
        >>> loss = nn.CrossEntropyLoss()
        >>> round(loss(np.array([[0.0, 0.0]]), np.array([1])), 4)
        0.6931
        >>> loss.backward()
        array([[ 0.5, -0.5]])
    """

    def __init__(
        self, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(reduction)
        self.ignore_index = integer("ignore_index", ignore_index)
        self.label_smoothing = number("label_smoothing", label_smoothing, 0.0, 1.0)

    def __call__(self, output: Array, target: Any) -> float:
        """Compute the loss.

        Args:
            output: Scores before the softmax (logits), (N, C) or (N, C, ...).
            target: Integer classes, (N,) or (N, ...).

        Raises:
            ShapeError: target does not have the shape of output without its axis of classes.
            OptionError: A target that is no class.
            DTypeError: target is not an integer array, or output not float32 or float64.
            NonFiniteError: The loss is NaN or infinite.
        """
        require_array("output", output)
        counts = self._require_target(output, target)
        classes = output.shape[1]
        divisor = 1 if self.reduction == "sum" else int(counts.sum())
        shifted = output.astype(np.float64)
        shifted -= shifted.max(axis=1, keepdims=True, initial=-np.inf)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        picked = np.expand_dims(np.where(counts, target, 0), 1)
        wanted = np.full(output.shape, self.label_smoothing / classes)
        right = np.take_along_axis(wanted, picked, axis=1) + (1.0 - self.label_smoothing)
        np.put_along_axis(wanted, picked, right, axis=1)
        wanted *= counts[:, None]
        # No target that counts: 0 divided by 0, as in torch, which is then reported.
        terms = np.where(wanted > 0, wanted * logs, 0.0)
        value = -float(terms.sum()) / divisor if divisor else math.nan
        gradient = (np.exp(logs) * counts[:, None] - wanted) / max(divisor, 1)
        return self._finished(value, gradient.astype(output.dtype))

    def _require_target(self, output: Array, target: Any) -> Array:
        """Check the target; True where it counts."""
        if not isinstance(target, np.ndarray):
            raise ArgumentTypeError(
                f"target must be a NumPy array, got {type(target).__name__}; convert it with "
                "numpy.asarray"
            )
        if target.dtype.kind not in "iu":
            raise DTypeError(
                f"target must be an integer array of classes, got {target.dtype}; convert it with "
                "astype(numpy.int64)"
            )
        if output.ndim < 2 or target.shape != (*output.shape[:1], *output.shape[2:]):
            raise ShapeError(
                f"output must be (N, C, ...) and target (N, ...), got {output.shape} and "
                f"{target.shape}; pass one class per sample"
            )
        counts: Array = target != self.ignore_index
        classes = output.shape[1]
        wrong = target[counts & ((target < 0) | (target >= classes))]
        if wrong.size:
            raise OptionError(
                f"target must be 0 to {classes - 1} (or ignore_index={self.ignore_index}), got "
                f"{wrong.flat[0]}; the output has {classes} classes"
            )
        return counts


class MSELoss(Loss):
    """Mean (or sum) of squared differences.

    Args:
        reduction: "mean" over all elements, or "sum".
    """

    def __call__(self, output: Array, target: Array) -> float:
        """Compute the loss of two arrays of the same shape and dtype.

        Raises:
            ShapeError: The shapes differ.
            DTypeError: The dtypes differ, or are not float32 or float64.
            NonFiniteError: The loss is NaN or infinite.
        """
        require_array("output", output)
        require_array("target", target)
        if output.shape != target.shape:
            raise ShapeError(
                f"target must have the shape {output.shape} of output, got {target.shape}; reshape "
                "one of them"
            )
        if output.dtype != target.dtype:
            raise DTypeError(
                f"target must have the dtype {output.dtype} of output, got {target.dtype}; convert "
                "one with astype"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            difference = output - target
            divisor = difference.size if self.reduction == "mean" else 1
            squares = np.square(difference, dtype=np.float64)
            value = float(squares.sum()) / divisor if divisor else math.nan
            return self._finished(value, difference * output.dtype.type(2.0 / max(divisor, 1)))
