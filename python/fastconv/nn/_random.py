"""The random numbers of initial weights and dropout, and the distributions torch draws from."""

from __future__ import annotations

import math

import numpy as np

from fastconv._arguments import integer
from fastconv.nn._module import Array, Shape

_generator = np.random.default_rng()


def manual_seed(seed: int) -> None:
    """Make initial weights and dropout repeatable: restart their random numbers at ``seed``.

    Args:
        seed: An integer of at least 0. The same seed gives the same weights on every machine, but
            not those of torch, whose generator is another one.
    """
    global _generator
    _generator = np.random.default_rng(integer("seed", seed, minimum=0))


def uniform(shape: Shape, bound: float) -> Array:
    """Draw float32 values between -bound and bound."""
    values = _generator.random(shape, dtype=np.float32)
    values *= 2.0 * bound
    values -= bound
    return values


def normal(shape: Shape, deviation: float) -> Array:
    """Draw float32 values of mean 0."""
    values = _generator.standard_normal(shape, dtype=np.float32)
    values *= deviation
    return values


def truncated_normal(shape: Shape, deviation: float, limit: float) -> Array:
    """Normal values, those beyond ``limit`` drawn again."""
    values = normal(shape, deviation)
    while (outside := np.abs(values) > limit).any():
        values[outside] = normal((int(outside.sum()),), deviation)
    return values


def dropout_mask(shape: Shape, p: float) -> Array:
    """True with probability 1 - p."""
    return _generator.random(shape, dtype=np.float32) >= p


def kaiming_uniform(weight_shape: Shape) -> Array:
    """Torch's default for weights of convolutions and dense layers.

    Kaiming's uniform distribution (K. He et al., "Delving Deep into Rectifiers", 2015) with
    a = sqrt(5), for which the bound is 1/sqrt(fan_in).
    """
    return uniform(weight_shape, _bound(weight_shape))


def bias_like_kaiming(size: int, weight_shape: Shape) -> Array:
    """Torch's default for biases: uniform within 1/sqrt(fan_in) of the weight."""
    return uniform((size,), _bound(weight_shape))


def kaiming_normal_fan_out(weight_shape: Shape) -> Array:
    """Normal weights whose outputs' gradients keep their variance through a ReLU (He et al.)."""
    fan_out = weight_shape[0] * math.prod(weight_shape[2:])
    return normal(weight_shape, math.sqrt(2.0 / fan_out))


def _bound(weight_shape: Shape) -> float:
    # torch takes axis 1 as the inputs in every layer, also where the transposed one swaps them.
    return 1.0 / math.sqrt(math.prod(weight_shape[1:]))
