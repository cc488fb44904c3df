"""Every layer against finite differences; seeds, threads, memory orders, empty batches."""

from __future__ import annotations

import numpy as np
import pytest
from layer_cases import CASES, Case, random_state

import fastconv
from fastconv import nn


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    layer = random_state(case.ours()).astype(np.float64)
    rng = np.random.default_rng(3)
    x = rng.standard_normal(case.shape)
    weights = rng.standard_normal(layer.output_shape(x.shape))
    layer(x)
    grad_x = layer.backward(weights)
    step = 1e-6

    def slope(values: np.ndarray, direction: np.ndarray) -> float:
        """Change of the weighted sum of outputs as ``values`` move along ``direction``."""
        original = values.copy()
        sums = []
        for sign in (1, -1):
            values[...] = original + sign * step * direction
            with nn.no_grad():
                sums.append(float((layer(x) * weights).sum()))
        values[...] = original
        return (sums[0] - sums[1]) / (2 * step)

    pairs = [(x, grad_x), *((p.data, p.grad) for p in layer.parameters())]
    for values, gradient in pairs:
        direction = rng.standard_normal(values.shape)
        expected = float((gradient * direction).sum())
        assert slope(values, direction) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bits_do_not_depend_on_threads_or_memory_order(case: Case) -> None:
    layer = random_state(case.ours())
    rng = np.random.default_rng(4)
    x = rng.standard_normal(case.shape).astype(np.float32)
    results = []
    try:
        for threads in (1, 3):
            fastconv.set_num_threads(threads)
            layer.zero_grad()
            y = layer(x)
            grads = [layer.backward(np.ones_like(y)), *(p.grad for p in layer.parameters())]
            results.append([np.asarray(a).tobytes() for a in (y, *grads)])
    finally:
        fastconv.set_num_threads(None)
    assert results[0] == results[1]
    swapped = np.asfortranarray(x)
    np.testing.assert_allclose(layer(swapped), y, rtol=1e-5, atol=1e-5)
    again = layer.backward(np.asfortranarray(np.ones_like(y)))
    np.testing.assert_allclose(again, grads[0], rtol=1e-5, atol=1e-5)


def test_seed_makes_weights_and_dropout_repeatable() -> None:
    def draw(seed: int) -> list[bytes]:
        nn.manual_seed(seed)
        net = nn.Sequential(nn.Linear(20, 30), nn.Dropout(0.5))
        y = net(np.ones((4, 20), np.float32))
        return [y.tobytes(), *(p.data.tobytes() for p in net.parameters())]

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_dropout_keeps_the_mean_and_passes_the_same_gradient() -> None:
    nn.manual_seed(0)
    layer = nn.Dropout(0.3)
    x = np.ones((100, 100), np.float32)
    y = layer(x)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.02)
    assert np.array_equal(layer.backward(x), y)
    assert np.array_equal(layer.eval()(x), x)
    assert not nn.Dropout(1.0)(x).any()


def test_an_empty_batch_gives_empty_results() -> None:
    x = np.zeros((0, 4, 6, 6), np.float32)
    net = nn.Sequential(
        nn.Conv2d(4, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(20, 3)
    )
    y = net(x)
    assert y.shape == (0, 3)
    assert net.backward(y).shape == x.shape
    assert not any(p.grad.any() for p in net.parameters())
