"""Every operator from its public function to its kernel, without a GPU.

The kernels themselves meet the whole list in the C++ runner; here it is one in a few, for the way
to them.
"""

from __future__ import annotations

from typing import Any

import gpu_problems as problems
import ml_dtypes
import numpy as np
import pytest

import cases
import fastconv as fc
from conftest import Posing
from conv_cases import ACTIVATIONS
from fastconv import reference
from fastconv.benchmarks.problem import Problem

each = pytest.mark.parametrize
NARROW = (np.float16, ml_dtypes.bfloat16)


def small(problem: Problem) -> bool:
    """What the shim, which runs threads one after another, computes in well under a second."""
    return problem.weight_shape is None or bool(
        np.prod(problem.weight_shape) * np.prod(cases.output_shape(problem)[2:]) < 100_000
    )


CONVOLUTIONS = [p for p in problems.sample(problems.CONVOLUTIONS, 4) if small(p)]
OTHERS = [
    *problems.sample(cases.POOL_CASES, 4),
    *cases.UNPOOL_CASES,
    *problems.sample(cases.FOLD_CASES, 2),
    *problems.sample(cases.IMAGE_CASES, 3),
]


@each("problem", [*CONVOLUTIONS, *OTHERS], ids=lambda p: p.name)
def test_operator(problem: Problem, gpu: Posing) -> None:
    problems.check_operator(problem, gpu.to, gpu.back)


@each("problem", CONVOLUTIONS[::3], ids=lambda p: p.name)
def test_channels_last(problem: Problem, gpu: Posing) -> None:
    problems.check_channels_last(problem, gpu.to, gpu.back)


@each("problem", CONVOLUTIONS[::2], ids=lambda p: p.name)
def test_convolution_gradients(problem: Problem, gpu: Posing) -> None:
    problems.check_convolution_gradients(problem, gpu.to, gpu.back)


@each("problem", problems.sample(problems.GRADIENTS, 3), ids=lambda p: p.name)
def test_pooling_gradient(problem: Problem, gpu: Posing) -> None:
    problems.check_pooling_gradient(problem, gpu.to, gpu.back)


@each("problem", cases.UNPOOL_CASES, ids=lambda p: p.name)
def test_unpooling_gradient(problem: Problem, gpu: Posing) -> None:
    problems.check_unpooling_gradient(problem, gpu.to, gpu.back)


@each("dtype", [np.float64, *NARROW])
def test_other_types(dtype: Any, gpu: Posing) -> None:
    x = np.arange(-60, 60).reshape(1, 2, 6, 10).astype(dtype)
    weight = (np.arange(12).reshape(2, 2, 3, 1) % 3 - 1).astype(dtype)
    got = gpu.back(fc.conv2d(gpu.to(x), gpu.to(weight)))
    assert got.dtype == dtype
    expected = reference.conv2d(x.astype(np.float32), weight.astype(np.float32))
    np.testing.assert_array_equal(got.astype(np.float32), expected.astype(dtype).astype(np.float32))


@each("kind", [None, *ACTIVATIONS])
def test_activations_and_gradients(kind: Any, gpu: Posing, random: np.random.Generator) -> None:
    x, grad = random.standard_normal((2, 5, 7, 9), np.float32)[:, :, ::2], None
    grad = random.standard_normal(x.shape, np.float32)
    close = {"rtol": 2e-6, "atol": 1e-6}
    got = gpu.back(fc.activation(gpu.to(x), kind))
    np.testing.assert_allclose(got, reference.activation(x, kind), **close)
    got = gpu.back(fc.activation_backward(gpu.to(grad), gpu.to(x), kind))
    np.testing.assert_allclose(got, reference.activation_backward(grad, x, kind), **close)


def test_out_and_its_layout(gpu: Posing) -> None:
    problem = cases.CONV_CASES[0]
    operands = cases.exact_integers(problem)
    expected = cases.call(reference, problem, operands)
    wide = np.full((*expected.shape[:-1], 2 * expected.shape[-1]), 9, np.float32)
    out = gpu.to(wide[..., ::2])
    moved = cases.Operands(*map(gpu.to, operands))
    assert cases.call(fc, problem, moved, out=out) is out
    np.testing.assert_array_equal(wide[..., ::2], expected)
    assert (wide[..., 1::2] == 9).all()


def test_plan(gpu: Posing, random: np.random.Generator) -> None:
    x = random.integers(-3, 4, (2, 3, 6, 7)).astype(np.float32)
    weight = random.integers(-3, 4, (4, 3, 3, 3)).astype(np.float32)
    bias = random.integers(-3, 4, 4).astype(np.float32)
    expected = reference.conv2d(x, weight, bias, padding=1).astype(np.float32)
    mine = weight.copy()
    plan = fc.plan("conv2d", x.shape, gpu.to(mine), gpu.to(bias), padding=1)
    mine[:] = 0  # the plan has its own
    assert plan.output_shape == expected.shape
    assert "not yet run on hardware" in plan.explanation
    np.testing.assert_array_equal(gpu.back(plan(gpu.to(x))), expected)
    # Layouts other than the plan's are copied into it, and back.
    last = problems.channels_last(x, 2)
    out = problems.channels_last(np.zeros_like(expected), 2)
    plan(gpu.to(last), out=gpu.to(out))
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(fc.UnsupportedError, match="nothing to tune"):
        fc.plan("conv2d", x.shape, gpu.to(weight), tune=True)
    with pytest.raises(fc.ShapeError, match="this plan was made for"):
        plan(gpu.to(x[:1]))
    with pytest.raises(fc.ArgumentTypeError, match="host memory"):
        plan(gpu.to(x), out=np.empty_like(expected))


def test_explain_and_settings(gpu: Posing) -> None:
    story = fc.explain("conv2d", (1, 3, 8, 8), (4, 3, 3, 3), device="cuda", dtype="float16")
    assert story.isa.startswith("sm_")
    assert story.workspace_bytes >= 0
    assert story.output_shape == (1, 4, 6, 6)
    assert "verified" in str(story)
    assert fc.show_config().cuda.startswith("on: host memory (shim)")
    with pytest.raises(fc.OptionError, match="'cuda:N'"):
        fc.explain("conv2d", (1, 3, 8, 8), (4, 3, 3, 3), device="gpu")
    with fc.precision("medium"):
        assert fc.explain("conv2d", (1, 3, 8, 8), (4, 3, 3, 3), device="cuda").precision == "medium"
