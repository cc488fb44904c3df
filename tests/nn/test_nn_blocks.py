"""Modules made of modules."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import nn
from fastconv.errors import ArgumentTypeError, OptionError, ShapeError

X = np.random.default_rng(0).standard_normal((2, 4, 6, 6))


def slope(net: nn.Module, x: np.ndarray, direction: np.ndarray) -> float:
    step = 1e-6
    with nn.no_grad():
        return float((net(x + step * direction) - net(x - step * direction)).sum()) / (2 * step)


@pytest.mark.parametrize(
    "net",
    [
        nn.Residual(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh())),
        nn.Residual(nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(4, 8, 1, 2)),
        nn.Concat(nn.Conv2d(4, 3, 1), nn.Sigmoid(), nn.Conv2d(4, 2, 3, padding=1)),
        nn.Concat(nn.Tanh(), nn.Sigmoid(), dim=-1),
        nn.Sequential(),
    ],
    ids=["residual", "shortcut", "concat", "concat last axis", "empty"],
)
def test_gradient_and_shape(net: nn.Module) -> None:
    net.astype(np.float64)
    y = net(X)
    assert y.shape == net.output_shape(X.shape)
    direction = np.random.default_rng(1).standard_normal(X.shape)
    grad = net.backward(np.ones_like(y))
    assert slope(net, X, direction) == pytest.approx(float((grad * direction).sum()), rel=1e-6)


def test_residual_adds_and_concat_joins() -> None:
    np.testing.assert_array_equal(nn.Residual(nn.Identity())(X), 2 * X)
    np.testing.assert_array_equal(
        nn.Concat(nn.Identity(), nn.ReLU())(X), np.concatenate([X, np.maximum(X, 0)], axis=1)
    )


def test_names_follow_attributes() -> None:
    net = nn.Sequential({"first": nn.Linear(2, 3), "rest": nn.Sequential(nn.ReLU())})
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "rest", "rest.0"]
    assert len(net) == 2
    assert isinstance(net[0], nn.Linear)
    assert isinstance(net[-1][0], nn.ReLU)
    assert len(net[:1]) == 1
    with pytest.raises(IndexError, match="-2 to 1"):
        net[2]


def test_modes_reach_every_layer_also_those_without_a_name() -> None:
    class Net(nn.Block):
        def __init__(self) -> None:
            self.fc = nn.Linear(4, 4)
            self.arrange(nn.Sequential(self.fc, nn.Dropout(0.9)))

    net = Net()
    x = np.ones((5, 4), np.float32)
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"]
    assert (net(x) == 0).any()
    np.testing.assert_array_equal(net.eval()(x), net.fc(x))


def test_a_layer_used_twice_counts_once() -> None:
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    assert len(list(net.parameters())) == 2
    assert len(net.state_dict()) == 4


def test_own_layers() -> None:
    class Square(nn.Module):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return self.keep(x * x, x)

        def backward(self, grad_output: np.ndarray) -> np.ndarray:
            (x,) = self.take(grad_output)
            return 2 * x * grad_output

    net = nn.Sequential(Square(), nn.Tanh())
    y = net(X)
    np.testing.assert_allclose(net.backward(np.ones_like(y)), (1 - np.tanh(X * X) ** 2) * 2 * X)


def test_bad_blocks() -> None:
    with pytest.raises(ArgumentTypeError, match="pass an instance"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(OptionError, match="'train'"):
        nn.Sequential({"train": nn.ReLU()})
    with pytest.raises(OptionError, match=r"'a\.b'"):
        nn.Sequential({"a.b": nn.ReLU()})
    with pytest.raises(ArgumentTypeError, match="at least one"):
        nn.Concat()
    with pytest.raises(ShapeError, match="same shape"):
        nn.Residual(nn.Conv2d(4, 5, 1))(X.astype(np.float32))
    with pytest.raises(ShapeError, match="differ on axis dim=1"):
        nn.Concat(nn.Identity(), nn.MaxPool2d(2))(X)
    with pytest.raises(OptionError, match="assign it as an attribute"):
        nn.Block().arrange(nn.Linear(2, 2))
