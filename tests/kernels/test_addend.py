"""Plans that add an array to a convolution's results before the activation, and sums of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_conv import ISAS, LINEAR, in_layout, isa  # noqa: F401

import cases
import fastconv as fc
from fastconv import _core, reference
from fastconv._plan import plan, plan_with_addend
from fastconv.benchmarks.problem import Problem

FORMATS = {"planar": "contiguous", "channels_last": "channels_last"}
PROBLEMS = [p for p in LINEAR if all(cases.output_shape(p)) and len(p.x_shape) == p.rank + 2]


def addend_of(problem: Problem, layout: str) -> Any:
    if problem.x_shape[1] == 1:
        layout = "planar"  # both layouts are the same for the input, and the result follows it
    values = np.random.default_rng(3).integers(-4, 5, cases.output_shape(problem))
    return in_layout(values.astype(np.float32), problem, layout)


@pytest.mark.parametrize("algorithm", ["auto", "im2col", "winograd"])
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
@pytest.mark.usefixtures("isa")
def test_adds_before_the_activation(problem: Problem, layout: str, algorithm: str) -> None:
    operands = cases.exact_integers(problem)
    if any(size == 0 for array in operands[:2] for size in array.shape):
        pytest.skip("there is nothing to plan")
    make = {"memory_format": FORMATS[layout], "algorithm": algorithm, **problem.options}
    arguments = (problem.op, problem.x_shape, operands.weight, operands.bias)
    try:
        planned = plan_with_addend(*arguments, activation="relu", **make)
    except fc.UnsupportedError:
        assert algorithm != "auto"
        return
    addend = addend_of(problem, layout)
    expected = cases.call(reference, problem, operands) + addend
    x = in_layout(operands.x, problem, layout)
    y = np.full_like(addend, np.nan)
    planned(x, y, addend)
    np.testing.assert_array_equal(y, np.maximum(expected, 0))


def small_plan(make: Any = plan_with_addend) -> Any:
    weight = np.ones((2, 1, 3, 3), np.float32)
    return make("conv2d", (2, 1, 4, 4), weight, padding=1)


def test_an_infinite_addend_and_nan_pass_through() -> None:
    x, addend = np.ones((2, 1, 4, 4), np.float32), np.zeros((2, 2, 4, 4), np.float32)
    addend[0, 0, 0, 0], addend[1, 1, 2, 2] = np.inf, np.nan
    y = np.empty_like(addend)
    small_plan()(x, y, addend)
    assert y[0, 0, 0, 0] == np.inf
    assert np.isnan(y[1, 1, 2, 2])
    assert np.isfinite(y).sum() == y.size - 2


def test_arrays_that_do_not_fit() -> None:
    x, y = np.ones((2, 1, 4, 4), np.float32), np.empty((2, 2, 4, 4), np.float32)
    adding = small_plan()
    with pytest.raises(fc.ShapeError, match="addend"):
        adding(x, y, np.zeros((2, 2, 4, 5), np.float32))
    with pytest.raises(fc.ShapeError, match="layout"):
        adding(x, y, np.zeros((2, 2, 4, 4), np.float32).transpose(0, 1, 3, 2))
    with pytest.raises(fc.DTypeError, match="addend"):
        adding(x, y, np.zeros((2, 2, 4, 4)))
    with pytest.raises(fc.OptionError, match="addend"):
        adding(x, y, y)
    with pytest.raises(fc.ArgumentTypeError, match="got no addend"):
        adding(x, y)
    with pytest.raises(fc.ArgumentTypeError, match="got 3 positional"):
        small_plan(plan)(x, y, y.copy())


@pytest.mark.parametrize("batch", [1, 3])
def test_a_plan_writes_channels_of_a_larger_result(batch: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, (batch, 3, 9, 7)).astype(np.float32)
    weight = rng.integers(-3, 4, (5, 3, 3, 3)).astype(np.float32)
    joined = np.full((batch, 9, 9, 7), np.nan, np.float32)
    made = plan("conv2d", x.shape, weight, padding=1)
    assert made(x, joined[:, 2:7]).base is joined
    np.testing.assert_array_equal(joined[:, 2:7], reference.conv2d(x, weight, padding=1))
    assert np.isnan(joined[:, :2]).all()
    assert np.isnan(joined[:, 7:]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [None, "relu", "gelu"])
def test_activations_of_sums_in_any_layout(kind: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 37, 5, 11)).astype(dtype)
    expected = fc.activation(a + b, kind)
    np.testing.assert_array_equal(_core.activation(a, kind, b, None), expected)
    turned = np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1)
    for x, out in ((a, np.empty_like(a)), (turned, turned.copy(order="K")), (a, turned.copy("K"))):
        assert _core.activation(x, kind, b, out) is out
        np.testing.assert_array_equal(out, expected)
    own = a.copy()
    _core.activation(own, kind, b, own)
    np.testing.assert_array_equal(own, expected)
    with pytest.raises(fc.ShapeError, match="addend"):
        _core.activation(a, kind, b[:1], None)
