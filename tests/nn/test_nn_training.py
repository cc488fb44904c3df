"""Losses, optimisers, and training beside torch with the same data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import nn

torch = pytest.importorskip("torch")

OPTIMIZERS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.02, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1}),
]


def ours() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip


def theirs() -> Any:
    torch.manual_seed(0)
    layers = torch.nn
    return layers.Sequential(
        layers.Conv2d(1, 4, 3, padding=1), layers.BatchNorm2d(4), layers.ReLU(),
        layers.MaxPool2d(2), layers.Conv2d(4, 6, 3), layers.GELU(), layers.AvgPool2d(2),
        layers.Flatten(), layers.Linear(6, 3),
    )  # fmt: skip


def batches(dtype: type, count: int = 15) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images whose brightest third is the class."""
    rng = np.random.default_rng(0)
    result = []
    for _ in range(count):
        classes = rng.integers(0, 3, 16)
        images = rng.standard_normal((16, 1, 8, 9)).astype(dtype)
        for image, wanted in zip(images, classes, strict=True):
            image[:, :, 3 * wanted : 3 * wanted + 3] += 1
        result.append((images, classes))
    return result


def train(net: nn.Module, name: str, options: dict[str, Any], dtype: type) -> list[float]:
    optimizer = getattr(nn, name)(net.parameters(), **options)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    losses = []
    for images, classes in batches(dtype):
        optimizer.zero_grad()
        losses.append(criterion(net(images), classes))
        net.backward(criterion.backward())
        optimizer.step()
    return losses


def train_torch(net: Any, name: str, options: dict[str, Any]) -> list[float]:
    optimizer = getattr(torch.optim, name)(net.parameters(), **options)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    losses = []
    for images, classes in batches(np.float64):
        optimizer.zero_grad()
        loss = criterion(net(torch.from_numpy(images)), torch.from_numpy(classes))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_loss_curve_is_torchs(name: str, options: dict[str, Any]) -> None:
    their_net = theirs().double()
    nets = {dtype: ours().astype(dtype) for dtype in (np.float32, np.float64)}
    for net in nets.values():
        net.load_state_dict(their_net.state_dict())
    expected = train_torch(their_net, name, options)
    assert min(expected) < expected[0]
    np.testing.assert_allclose(train(nets[np.float64], name, options, np.float64), expected,
                               rtol=1e-9)  # fmt: skip
    np.testing.assert_allclose(train(nets[np.float32], name, options, np.float32), expected,
                               rtol=2e-3)  # fmt: skip
    for key, value in their_net.state_dict().items():
        np.testing.assert_allclose(
            nets[np.float64].state_dict()[key], value, rtol=1e-7, atol=1e-9, err_msg=key
        )


def test_training_has_the_same_bits_again_and_with_more_threads() -> None:
    def result() -> list[bytes]:
        nn.manual_seed(3)
        net = ours()
        losses = train(net, "Adam", {"lr": 0.01}, np.float32)
        return [np.array(losses).tobytes(), *(v.tobytes() for v in net.state_dict().values())]

    try:
        fastconv.set_num_threads(1)
        first = result()
        assert result() == first
        fastconv.set_num_threads(3)
        assert result() == first
    finally:
        fastconv.set_num_threads(None)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 2, 2), (2, 1)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_equals_torch(
    reduction: str, shape: tuple[int, ...], smoothing: float
) -> None:
    rng = np.random.default_rng(0)
    output = rng.standard_normal(shape) * 10
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    target.flat[0] = -100
    options = {"reduction": reduction, "label_smoothing": smoothing}
    criterion = nn.CrossEntropyLoss(**options)
    their_output = torch.from_numpy(output).requires_grad_()
    expected = torch.nn.CrossEntropyLoss(**options)(their_output, torch.from_numpy(target))
    expected.backward()
    assert criterion(output, target) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(criterion.backward(), their_output.grad, atol=1e-14)


def test_cross_entropy_of_huge_scores_is_finite() -> None:
    criterion = nn.CrossEntropyLoss()
    assert criterion(np.array([[1e4, 0]], np.float32), np.array([1])) == pytest.approx(1e4)
    np.testing.assert_allclose(criterion.backward(), [[1, -1]])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_squared_error_equals_torch(reduction: str) -> None:
    rng = np.random.default_rng(0)
    output, target = rng.standard_normal((2, 3, 4))
    criterion = nn.MSELoss(reduction)
    their_output = torch.from_numpy(output).requires_grad_()
    expected = torch.nn.MSELoss(reduction=reduction)(their_output, torch.from_numpy(target))
    expected.backward()
    assert criterion(output, target) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(criterion.backward(), their_output.grad, rtol=1e-12)


def test_only_given_parameters_learn() -> None:
    net = ours()
    before = net.state_dict()
    optimizer = nn.SGD(net[-1].parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()
    images, classes = batches(np.float32)[0]
    criterion(net(images), classes)
    net.backward(criterion.backward())
    optimizer.step()
    changed = [
        name
        for name, parameter in net.named_parameters()
        if not np.array_equal(parameter.data, before[name])
    ]
    assert changed == ["8.weight", "8.bias"]
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
