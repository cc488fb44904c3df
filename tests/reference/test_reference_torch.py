"""The reference against PyTorch, over the whole list of problems and in special cases."""

import numpy as np
import pytest

import cases
from conv_cases import ACTIVATIONS
from fastconv import reference

torch = pytest.importorskip("torch")

from torch_equivalent import torch_result  # noqa: E402  (needs torch)

functional = torch.nn.functional
TORCH_CASES = [problem for problem in cases.ALL_CASES if problem not in cases.IMAGE_CASES]


@pytest.mark.parametrize("problem", TORCH_CASES, ids=lambda problem: problem.name)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_equals_torch(problem):
    operands = cases.gaussian(problem, np.float64)
    expected = torch_result(problem, operands)
    actual = cases.call(reference, problem, operands)
    if not isinstance(expected, tuple):
        actual, expected = (actual,), (expected,)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        assert a.dtype == e.dtype
        np.testing.assert_allclose(a, e, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max_pool", "adaptive_max_pool"])
def test_nan_and_ties_win_where_they_do_in_torch(kind, rank):
    generator = np.random.default_rng(rank)
    values = np.array([0.0, 1.0, np.nan, -np.inf, np.inf])
    x = generator.choice(values, (2, 3, *[7] * rank), p=[0.35, 0.35, 0.15, 0.1, 0.05])
    assert np.isnan(x).sum() > 1
    option = {"output_size": 2} if kind.startswith("adaptive") else {"kernel_size": 3, "stride": 2}
    op = f"{kind}{rank}d"
    expected = getattr(functional, op)(torch.from_numpy(x), return_indices=True, **option)
    actual = getattr(reference, op)(x, return_indices=True, **option)
    np.testing.assert_array_equal(actual[0], expected[0].numpy())
    np.testing.assert_array_equal(actual[1], expected[1].numpy())


def test_a_window_of_minus_infinity_has_the_index_of_its_first_element():
    x = np.full((1, 1, 4, 4), -np.inf)
    expected = functional.max_pool2d(torch.from_numpy(x), 2, 2, 1, return_indices=True)
    actual = reference.max_pool2d(x, 2, 2, 1, return_indices=True)
    np.testing.assert_array_equal(actual[0], expected[0].numpy())
    np.testing.assert_array_equal(actual[1], expected[1].numpy())


def test_min_pool_mirrors_max_pool():
    x = np.array([[3.0, 1.0, np.nan, 2.0, 1.0, 1.0]])
    values, indices = reference.min_pool1d(x, 2, return_indices=True)
    np.testing.assert_array_equal(values, [[1.0, np.nan, 1.0]])
    np.testing.assert_array_equal(indices, [[1, 2, 4]])


@pytest.mark.parametrize("norm", [1, 2, 3, 4, 1.5])
def test_lp_pool_of_negative_numbers_is_torchs(norm):
    x = np.random.default_rng(0).standard_normal((2, 2, 6, 7))
    expected = functional.lp_pool2d(torch.from_numpy(x), norm, 3, 2, True).numpy()
    np.testing.assert_allclose(reference.lp_pool2d(x, norm, 3, 2, True), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    x = np.concatenate([np.linspace(-40, 40, 4001), [0.0, np.inf, np.nan, 1e-310, -1e-310]])
    function = getattr(functional, name, None) or getattr(torch, name)
    np.testing.assert_allclose(
        reference.activate(x, name), function(torch.from_numpy(x)).numpy(), rtol=1e-12, atol=1e-15
    )


def test_half_precision_input_is_computed_in_float64():
    x = np.linspace(0, 1, 40).astype(np.float16).reshape(1, 2, 20)
    weight = np.linspace(-1, 1, 12).astype(np.float16).reshape(2, 2, 3)
    expected = functional.conv1d(
        torch.from_numpy(x).double(), torch.from_numpy(weight).double()
    ).numpy()
    actual = reference.conv1d(x, weight)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-14)
