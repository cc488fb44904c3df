"""Gradients of the reference against PyTorch's and against differences of the reference itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import cases
from fastconv import reference

torch = pytest.importorskip("torch")

from torch_equivalent import torch_gradients  # noqa: E402  (needs torch)


def linear(problem):
    options = {name: value for name, value in problem.options.items() if name != "activation"}
    return replace(problem, options=options)


CONVOLUTIONS = [linear(p) for p in [*cases.CONV_CASES, *cases.TRANSPOSED_CASES]]


@pytest.mark.parametrize("problem", CONVOLUTIONS, ids=lambda problem: problem.name)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_convolution_gradients_equal_torchs(problem):
    operands = cases.gaussian(problem, np.float64)
    grad = cases.output_gradient(problem, operands)
    actual = cases.convolution_gradients(reference, problem, operands, grad)
    if operands.x.size == 0 and operands.x.shape[-problem.rank - 1] == 0:
        assert all(not a.any() for a in actual)  # torch has no gradient of no channels
        return
    expected = torch_gradients(problem, operands, grad)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-10)


def numeric(function, array, step=1e-6):
    """Central differences of a scalar function, element by element."""
    slope = np.zeros(array.shape)
    for index in np.ndindex(*array.shape):
        kept = array[index]
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        slope[index] = (above - function()) / (2 * step)
        array[index] = kept
    return slope


SMALL = [
    p for p in CONVOLUTIONS if 0 < np.prod(p.x_shape) <= 400 and 0 < np.prod(p.weight_shape) <= 400
][::3]


@pytest.mark.parametrize("problem", SMALL, ids=lambda problem: problem.name)
def test_convolution_gradients_are_slopes(problem):
    operands = cases.gaussian(problem, np.float64)
    grad = cases.output_gradient(problem, operands)

    def loss():
        return float((cases.call(reference, problem, operands) * grad).sum())

    actual = cases.convolution_gradients(reference, problem, operands, grad)
    arrays = (operands.x, operands.weight, operands.bias)
    for a, array in zip(actual, arrays, strict=True):
        if array is None:
            continue
        np.testing.assert_allclose(a, numeric(loss, array), rtol=1e-6, atol=1e-6)
