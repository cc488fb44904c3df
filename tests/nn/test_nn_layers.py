"""Every layer, forward and backward, against torch and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from layer_cases import CASES, Case

import fastconv
from fastconv import nn

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}


def pair(case: Case, dtype: type) -> tuple[nn.Module, torch.nn.Module]:
    """Both layers with the same random state."""
    theirs = case.torch().to(getattr(torch, np.dtype(dtype).name))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        for buffer in theirs.buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    ours = case.ours().astype(dtype)
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    return ours, theirs


def close(ours: object, theirs: object, dtype: type) -> None:
    expected = np.asarray(theirs)
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(np.asarray(ours), expected, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer_equals_torch(case: Case, dtype: type, mode: bool) -> None:
    ours, theirs = pair(case, dtype)
    ours.train(mode)
    theirs.train(mode)
    rng = np.random.default_rng(2)
    for _ in range(2):  # the second pass adds to the gradients, and moves running moments again
        x = rng.standard_normal(case.shape).astype(dtype)
        their_x = torch.from_numpy(x).requires_grad_()
        y, their_y = ours(x), theirs(their_x)
        assert y.dtype == dtype
        assert y.shape == tuple(their_y.shape) == ours.output_shape(x.shape)
        close(y, their_y.detach(), dtype)
        grad = rng.standard_normal(y.shape).astype(dtype)
        their_y.backward(torch.from_numpy(grad))
        grad_x = ours.backward(grad)
        assert grad_x.dtype == dtype
        assert grad_x.shape == x.shape
        close(grad_x, their_x.grad, dtype)
    names = [name for name, _ in ours.named_parameters()]
    assert names == [name for name, _ in theirs.named_parameters()]
    for (_, parameter), their_parameter in zip(
        ours.named_parameters(), theirs.parameters(), strict=True
    ):
        close(parameter.grad, their_parameter.grad, dtype)
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value, dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    layer, _ = pair(case, np.float64)
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
    layer, _ = pair(case, np.float32)
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
    close(layer(swapped), y, np.float32)
    close(layer.backward(np.asfortranarray(np.ones_like(y))), grads[0], np.float32)


def test_initial_weights_have_torchs_distribution() -> None:
    nn.manual_seed(5)
    for type, arguments in (("Conv2d", (32, 64, 3)), ("ConvTranspose2d", (64, 32, 3))):
        ours = getattr(nn, type)(*arguments)
        theirs = getattr(torch.nn, type)(*arguments)
        for name in ("weight", "bias"):
            a, b = getattr(ours, name).data, getattr(theirs, name).detach().numpy()
            assert a.shape == b.shape
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.1)
            assert a.std() == pytest.approx(b.std(), rel=0.3)
    linear = nn.Linear(400, 300).weight.data
    assert np.abs(linear).max() == pytest.approx(1 / 20, rel=1e-3)
    assert np.abs(linear.mean()) < 1e-3


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


def test_nan_passes_through_layers_as_in_torch() -> None:
    x = np.array([[1.0, np.nan, -1.0, np.inf]], np.float32)
    for name in ("ReLU", "Sigmoid", "Hardswish", "LeakyReLU"):
        theirs = getattr(torch.nn, name)()(torch.from_numpy(x)).numpy()
        np.testing.assert_array_equal(getattr(nn, name)()(x), theirs)


def test_an_empty_batch_gives_empty_results() -> None:
    x = np.zeros((0, 4, 6, 6), np.float32)
    net = nn.Sequential(
        nn.Conv2d(4, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(20, 3)
    )
    y = net(x)
    assert y.shape == (0, 3)
    assert net.backward(y).shape == x.shape
    assert not any(p.grad.any() for p in net.parameters())
