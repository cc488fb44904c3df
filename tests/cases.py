"""The list of problems that every kernel is tested on, and arrays to fill them with.

Sizes are small and chosen for the places where kernels break: around the widths of vectors and
register tiles, at the edges of padding, and where an axis is 1 or 0. A new algorithm adds its own
difficult sizes here.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

from case_names import Shape
from conv_cases import CONV_CASES, TRANSPOSED_CASES
from fastconv import _geometry
from fastconv.benchmarks.problem import Problem
from pool_cases import FOLD_CASES, IMAGE_CASES, POOL_CASES, UNPOOL_CASES

ALL_CASES = [
    *CONV_CASES,
    *TRANSPOSED_CASES,
    *POOL_CASES,
    *UNPOOL_CASES,
    *FOLD_CASES,
    *IMAGE_CASES,
]


class Operands(NamedTuple):
    """The arrays of a problem; None for those that its operator does not take."""

    x: NDArray[Any]
    weight: NDArray[Any] | None = None
    bias: NDArray[Any] | None = None
    indices: NDArray[np.int64] | None = None

    @property
    def positional(self) -> tuple[NDArray[Any], ...]:
        """The arrays in the order of the call."""
        return tuple(array for array in self if array is not None)


def call(namespace: Any, problem: Problem, operands: Operands, **extra: Any) -> Any:
    """Call the problem's operator in ``namespace``: fastconv, fastconv.reference, torch's F."""
    function = getattr(namespace, problem.op)
    return function(*operands.positional, **{**problem.options, **extra})


def output_gradient(problem: Problem, operands: Operands, *, whole: bool = False) -> NDArray[Any]:
    """A gradient of the problem's result: standard normal, or whole numbers from -2 to 2."""
    generator = _generator(problem, 7)
    shape = output_shape(problem)
    values = generator.integers(-2, 3, shape) if whole else generator.standard_normal(shape)
    return values.astype(operands.x.dtype)


def convolution_gradients(
    namespace: Any, problem: Problem, operands: Operands, grad: NDArray[Any], **extra: Any
) -> Any:
    """The gradients of x, weight and bias of a convolution; the activation is left out."""
    function = getattr(namespace, problem.op + "_backward")
    options = {name: value for name, value in problem.options.items() if name != "activation"}
    return function(grad, operands.x, operands.weight, **{**options, **extra})


def output_shape(problem: Problem) -> Shape:
    """Shape of the problem's result (of the values, where there are also indices)."""
    return _geometry.output_shape(
        problem.op, problem.x_shape, problem.weight_shape, **problem.options
    )


def gaussian(problem: Problem, dtype: DTypeLike = np.float32, seed: int = 0) -> Operands:
    """Standard normal inputs; weights scaled so that convolution outputs have variance near 1."""
    generator = _generator(problem, seed)

    def draw(shape: Shape, deviation: float = 1.0) -> NDArray[Any]:
        return (generator.standard_normal(shape) * deviation).astype(dtype)

    taps = math.prod(problem.weight_shape[1:]) if problem.weight_shape else 1
    return _operands(problem, generator, draw, 1.0 / math.sqrt(max(1, taps)))


def exact_integers(problem: Problem, dtype: DTypeLike = np.float32) -> Operands:
    """Whole numbers from -3 to 3: every partial sum of products is exact in float32.

    The largest sum of the list has 9 * 130 * 25 < 2**24 units, so no order of summation rounds.
    """
    generator = _generator(problem, 0)

    def draw(shape: Shape, deviation: float = 1.0) -> NDArray[Any]:
        return generator.integers(-3, 4, shape).astype(dtype)

    return _operands(problem, generator, draw, 1.0)


def rounded(values: Any, dtype: Any) -> NDArray[Any]:
    """float64 values in a 16-bit type, rounded once, to nearest even.

    ml_dtypes goes from float64 to bfloat16 by way of float32, which rounds twice.
    """
    limits = ml_dtypes.finfo(dtype)
    wide = np.asarray(values, np.float64)
    exponent = np.maximum(np.frexp(wide)[1] - 1, limits.minexp)
    step = np.ldexp(1.0, exponent - limits.nmant)
    with np.errstate(invalid="ignore"):
        near = np.where(np.isfinite(wide), np.rint(wide / step) * step, wide)
        near = np.where(np.abs(near) > float(limits.max), np.copysign(np.inf, near), near)
        return near.astype(dtype)


def _generator(problem: Problem, seed: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(problem.name.encode()), seed])


def _operands(
    problem: Problem, generator: np.random.Generator, draw: Any, weight_deviation: float
) -> Operands:
    x = draw(problem.x_shape)
    # Powers of negative numbers are NaN unless the exponent is even.
    if problem.options.get("norm_type", 2) % 2:
        x = np.abs(x)
    weight = bias = indices = None
    if problem.weight_shape is not None:
        weight = draw(problem.weight_shape, weight_deviation)
    if problem.bias:
        channels = problem.out_channels
        bias = draw((channels,))
    if problem.op.startswith("max_unpool"):
        indices = _distinct_positions(problem, generator)
    return Operands(x, weight, bias, indices)


def _distinct_positions(problem: Problem, generator: np.random.Generator) -> NDArray[np.int64]:
    rank = problem.rank
    lead, sizes = problem.x_shape[:-rank], problem.x_shape[-rank:]
    plane = math.prod(output_shape(problem)[-rank:])
    positions = np.tile(np.arange(plane), (*lead, 1))
    shuffled = generator.permuted(positions, axis=-1)[..., : math.prod(sizes)]
    return shuffled.reshape(problem.x_shape)
