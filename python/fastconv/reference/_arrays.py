"""Arrays as the reference computes with them: float64, with a batch axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv._arguments import Ints
from fastconv.errors import DTypeError, ShapeError

Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]


def as_float64(name: str, value: Any) -> Float64Array:
    """``value`` in float64: numbers of any real type, nothing else."""
    array = np.asarray(value)
    if array.dtype.kind in "cOSUMm":
        raise DTypeError(
            f"{name} must hold real numbers, got {array.dtype}; convert it to a floating-point type"
        )
    return array.astype(np.float64)


def batched(x: Float64Array, rank: int) -> Float64Array:
    """``x`` as (N, C, *spatial)."""
    return x if x.ndim == rank + 2 else x[np.newaxis]


def output_gradient(grad_output: Any, shape: Ints) -> Float64Array:
    """``grad_output`` in float64, if it has the shape of the result."""
    grad = as_float64("grad_output", grad_output)
    if grad.shape != shape:
        raise ShapeError(
            f"grad_output must have the shape of the result, {shape}, got {grad.shape}; "
            "pass the gradient of that, and the options that it was computed with"
        )
    return grad
