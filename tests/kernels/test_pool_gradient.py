"""Gradients of pooling and unpooling on every instruction set, against the reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cases
import fastconv as fc
from fastconv import _core, reference
from fastconv.benchmarks.problem import Problem

ISAS = _core.info()["runnable_isas"]
NOT_OPTIONS = ("return_indices", "output")
# Three-dimensional norms have no forward function in torch's API.
PROBLEMS = [p for p in cases.POOL_CASES if hasattr(fc, p.op + "_backward")]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


def pooled_shape(problem: Problem, x: Any) -> tuple[int, ...]:
    result = cases.call(reference, problem, cases.Operands(x))
    shape: tuple[int, ...] = (result[0] if isinstance(result, tuple) else result).shape
    return shape


def gradient(namespace: Any, problem: Problem, grad: Any, x: Any, **extra: Any) -> Any:
    options = {k: v for k, v in problem.options.items() if k not in NOT_OPTIONS}
    return getattr(namespace, problem.op + "_backward")(grad, x, **options, **extra)


def drawn(problem: Problem, dtype: Any, *, whole: bool) -> tuple[Any, Any]:
    generator = np.random.default_rng(len(problem.name))
    if whole:
        x = generator.integers(-3, 4, problem.x_shape).astype(dtype)
        return x, generator.integers(-4, 5, pooled_shape(problem, x)).astype(dtype)
    x = cases.gaussian(problem, dtype).x
    return x, generator.standard_normal(pooled_shape(problem, x)).astype(dtype)


def last(array: Any, problem: Problem) -> Any:
    axis = array.ndim - problem.rank - 1
    return np.moveaxis(np.moveaxis(array, axis, -1).copy(), -1, axis)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_matches_reference(problem: Problem, dtype: Any, isa: str) -> None:
    x, grad = drawn(problem, dtype, whole=False)
    expected = gradient(reference, problem, grad, x)
    eps = np.finfo(dtype).eps
    scale = np.abs(gradient(reference, problem, np.abs(grad), x))
    if "lp" in problem.op:  # the slope of a norm has a power and a root of its own
        scale = 16 * scale + np.abs(expected).max(initial=0)
    for layout in (lambda a, _: a, last):
        got = gradient(fc, problem, layout(grad, problem), layout(x, problem))
        assert got.dtype == dtype
        assert got.shape == x.shape
        assert np.all(np.abs(got - expected) <= 8 * eps * scale)


@pytest.mark.parametrize(
    "problem", [p for p in PROBLEMS if "max" in p.op or "min" in p.op], ids=lambda p: p.name
)
def test_whole_numbers_and_ties_are_exact(problem: Problem, isa: str) -> None:
    x, grad = drawn(problem, np.float32, whole=True)
    expected = gradient(reference, problem, grad, x)
    np.testing.assert_array_equal(gradient(fc, problem, grad, x), expected)
    if not problem.op.startswith("max"):
        return
    options = {k: v for k, v in problem.options.items() if k not in NOT_OPTIONS}
    _, indices = getattr(fc, problem.op)(x, **options, return_indices=True)
    got = gradient(fc, problem, grad, x, indices=indices)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("op", "options"),
    [
        ("max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("min_pool2d", {"kernel_size": 2, "stride": 1}),
        ("avg_pool2d", {"kernel_size": 3, "stride": 1, "padding": 1}),
        ("adaptive_avg_pool2d", {"output_size": (3, 5)}),
        ("adaptive_max_pool2d", {"output_size": (3, 5)}),
        ("lp_pool2d", {"norm_type": 2, "kernel_size": 2}),
    ],
)
def test_layouts_threads_and_narrow_types(op: str, options: dict[str, Any]) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    problem = Problem("layout", op, (3, 20, 17, 19), options=options)
    x, grad = drawn(problem, np.float32, whole=op.startswith(("max", "min", "adaptive_max")))
    expected = gradient(fc, problem, grad, x)
    reversed_x = np.ascontiguousarray(x[:, :, ::-1])[:, :, ::-1]
    wide = np.zeros((*grad.shape[:-1], 2 * grad.shape[-1]), np.float32)[..., ::2]
    wide[:] = grad
    np.testing.assert_array_equal(gradient(fc, problem, wide, reversed_x), expected)
    ones = np.broadcast_to(np.float32(1), grad.shape)  # as after a sum
    np.testing.assert_array_equal(
        gradient(fc, problem, ones, x), gradient(fc, problem, ones.copy(), x)
    )
    try:
        for count in (1, 3):
            fc.set_num_threads(count)
            assert gradient(fc, problem, grad, x).tobytes() == expected.tobytes()
    finally:
        fc.set_num_threads(None)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        narrow_x, narrow_grad = x.astype(dtype), grad.astype(dtype)
        exact = gradient(reference, problem, narrow_grad, narrow_x)
        got = gradient(fc, problem, narrow_grad, narrow_x)
        assert got.dtype == dtype
        eps = float(ml_dtypes.finfo(dtype).eps)
        scale = np.abs(gradient(reference, problem, np.abs(narrow_grad), narrow_x))
        assert np.all(np.abs(got.astype(np.float64) - exact) <= eps * (scale + 1e-3))


def test_nan_wins_its_window() -> None:
    x = np.array([[[1, np.nan, 3, 3, np.nan, 2]]], np.float32)
    got = fc.max_pool1d_backward(np.array([[[1, 2, 4]]], np.float32), x, 2)
    assert got.tolist() == [[[0, 1, 2, 0, 4, 0]]]


@pytest.mark.parametrize("problem", cases.UNPOOL_CASES, ids=lambda p: p.name)
def test_unpooling_gathers(problem: Problem) -> None:
    generator = np.random.default_rng(5)
    operands = cases.gaussian(problem)
    forward = cases.call(fc, problem, operands)
    grad = generator.standard_normal(forward.shape).astype(np.float32)
    function = problem.op + "_backward"
    options = dict(problem.options)
    arguments = (grad, operands.x, operands.indices)
    got = getattr(fc, function)(*arguments, **options)
    np.testing.assert_array_equal(got, getattr(reference, function)(*arguments, **options))


def test_bad_input() -> None:
    x = np.ones((1, 2, 6, 6), np.float32)
    good = np.ones((1, 2, 3, 3), np.float32)
    with pytest.raises(fc.ShapeError, match="grad_output"):
        fc.max_pool2d_backward(good[..., :2], x, 2)
    with pytest.raises(fc.DTypeError):
        fc.avg_pool2d_backward(good.astype(np.float64), x, 2)
    with pytest.raises(fc.ShapeError, match="indices"):
        fc.max_pool2d_backward(good, x, 2, indices=np.zeros((1, 2, 3, 2), np.int64))
    for outside in (-1, 36, 2**62):
        with pytest.raises(fc.OptionError, match="ind"):
            fc.max_pool2d_backward(good, x, 2, indices=np.full((1, 2, 3, 3), outside, np.int64))
    with pytest.raises(fc.DTypeError, match="indices"):
        fc.max_pool2d_backward(good, x, 2, indices=np.zeros((1, 2, 3, 3), np.int32))
    with pytest.raises(TypeError):
        fc.avg_pool2d_backward([[1.0]], x, 2)  # type: ignore[arg-type]
