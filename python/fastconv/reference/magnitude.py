"""Magnitudes for error bounds.

A sum of products computed in any order with unit roundoff u differs from the exact one by at most
about n*u times the sum of the absolute values of the products (N. Higham, "Accuracy and Stability
of Numerical Algorithms", 2nd ed., section 3.1). That sum is the same operator on absolute values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import _arguments
from fastconv.reference._arrays import Float64Array, as_float64
from fastconv.reference.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from fastconv.reference.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from fastconv.reference.conv import conv1d, conv2d, conv3d
from fastconv.reference.conv_transpose import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from fastconv.reference.folding import fold
from fastconv.reference.image import convolve2d, correlate2d

_LINEAR: dict[str, Callable[..., Float64Array]] = {
    operator.__name__: operator
    for operator in (
        conv1d,
        conv2d,
        conv3d,
        conv_transpose1d,
        conv_transpose2d,
        conv_transpose3d,
        avg_pool1d,
        avg_pool2d,
        avg_pool3d,
        adaptive_avg_pool1d,
        adaptive_avg_pool2d,
        adaptive_avg_pool3d,
        fold,
        convolve2d,
        correlate2d,
    )
}


def magnitude(op: str, *arrays: Any, **options: Any) -> Float64Array:
    """Sum of |x||w| (plus |bias|) behind each output of a linear operator.

    Args:
        op: A convolution, transposed convolution, average pooling, fold or image filter by name.
        *arrays: The operator's arrays, such as x, weight and bias; None for no bias.
        **options: The operator's keyword arguments. The activation is left out: magnitudes are
            those of the sums that go into it.

    Returns:
        float64 array of the operator's output shape.

    Raises:
        OptionError: ``op`` is not the name of a linear operator.

    Example:
        >>> magnitude("conv1d", [[[1.0, -2.0]]], [[[3.0, 4.0]]], [-5.0])
        array([[[16.]]])
    """
    _arguments.choice("op", op, tuple(_LINEAR))
    options = {name: value for name, value in options.items() if name != "activation"}
    for name in ("fill_value", "divisor_override"):
        if options.get(name) is not None:
            options[name] = abs(options[name])
    absolute = [None if a is None else np.abs(as_float64("array", a)) for a in arrays]
    return _LINEAR[op](*absolute, **options)
