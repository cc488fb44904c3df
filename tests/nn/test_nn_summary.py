"""The table of layers, and the receptive fields in it."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import models, nn


def test_the_table_of_alexnet(capsys: pytest.CaptureFixture[str]) -> None:
    first = nn.Sequential({"conv1": nn.Conv2d(3, 96, 11, stride=4), "relu1": nn.ReLU()})
    result = nn.summary(first, (1, 3, 227, 227))
    shown = capsys.readouterr().out
    assert shown.strip() == str(result).strip()
    data, conv, relu = result.rows
    assert (data.number, data.type, data.activations) == (1, "Input", (3, 227, 227))
    assert (conv.number, conv.name, conv.type) == (2, "conv1", "Conv2d")
    assert conv.activations == relu.activations == (96, 55, 55)
    assert conv.learnables == 34_848 + 96
    assert conv.multiply_adds == 55 * 55 * 34_848
    assert conv.parameters == "3, 96, kernel 11x11, stride 4x4"
    assert "34,944" in shown
    assert "96x55x55" in shown
    assert repr(result) == "<Summary of Sequential: 3 rows, 34,944 learnables>"


@pytest.mark.parametrize(
    ("name", "shape", "learnables", "giga"),
    [
        ("alexnet", (1, 3, 224, 224), 61_100_840, 0.714),
        ("vgg16", (1, 3, 224, 224), 138_357_544, 15.47),
        ("resnet18", (7, 3, 224, 224), 11_689_512, 1.814),
        ("resnet50", (1, 3, 224, 224), 25_557_032, 4.089),
    ],
)
def test_totals_are_the_published_ones(
    name: str, shape: tuple[int, ...], learnables: int, giga: float
) -> None:
    result = nn.summary(getattr(models, name)(), shape)
    assert result.learnables == learnables
    assert result.multiply_adds / 1e9 == pytest.approx(giga, rel=1e-3)
    assert result.learnables == sum(row.learnables for row in result.rows)
    assert [row.number for row in result.rows] == list(range(1, len(result.rows) + 1))


def test_receptive_field_of_a_chain_is_that_of_the_operator() -> None:
    layers = [(7, 2, 3), (3, 2, 1), (3, 1, 2, 2), (2, 2)]
    net = nn.Sequential(
        nn.Conv2d(1, 1, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(1, 1, 3, 1, 2, 2), nn.AvgPool2d(2),
    )  # fmt: skip
    field = nn.summary(net, (1, 1, 96, 64)).rows[-1].receptive_field
    expected = fastconv.receptive_field(layers)
    assert field is not None
    assert (field.size, field.stride, field.centre) == (
        expected.size, expected.stride, expected.center,
    )  # fmt: skip


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Conv2d(1, 1, (3, 5), 2), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(1, 1, 3, 2), nn.ConvTranspose2d(1, 1, 3, 2, 1), nn.Sigmoid()),
        nn.Sequential(nn.ConvTranspose2d(1, 1, 5, 2), nn.Conv2d(1, 1, 3)),
        nn.Residual(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 5, padding=2)),
        nn.Concat(nn.Conv2d(1, 1, 3, padding=(0, 1)), nn.Conv2d(1, 1, 5, padding=(1, 2))),
        nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d((4, 5))),
        nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d((5, 7))),
        nn.Sequential(nn.Conv2d(1, 1, 3, 2), nn.Flatten(), nn.Linear(11 * 14, 3)),
    ],
    ids=["chain", "transposed", "transposed first", "residual", "concat", "adaptive",
         "uneven adaptive", "dense"],
)  # fmt: skip
def test_receptive_field_is_where_gradients_arrive(net: nn.Module) -> None:
    """No output may see more than the field says; inside the image one sees all of it."""
    for parameter in net.parameters():
        parameter.data = np.abs(parameter.data) + 0.1
    x = np.random.default_rng(0).random((1, 1, 24, 30), dtype=np.float32)
    field = nn.summary(net, x.shape).rows[-1].receptive_field
    assert field is not None
    y = net(x)
    sizes = []
    places = list(np.ndindex(y.shape[1:]))
    for place in places:
        grad = np.zeros_like(y)
        grad[(0, *place)] = 1
        net(x)
        seen = np.argwhere(net.backward(grad)[0, 0])
        size = seen.max(axis=0) - seen.min(axis=0) + 1
        sizes.append(size)
        assert (size <= field.size).all()
        position = np.array(place[1:]) if y.ndim == 4 else 0
        low = np.array(field.centre) + position * np.array(field.stride)
        reach = (np.array(field.size) - 1) / 2
        # Windows of an uneven adaptive pooling lie up to one element beside the mean stride.
        slack = 1.0 if isinstance(net, nn.Sequential) and "Adaptive" in repr(net) else 0.0
        assert (seen.min(axis=0) >= low - reach - slack).all()
        assert (seen.max(axis=0) <= low + reach + slack).all()
    if "Max" not in repr(net):  # the maximum passes its gradient to one element only
        assert (np.max(sizes, axis=0) == field.size).all()


def test_branches_and_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    rows = nn.summary(models.resnet18(10), (1, 3, 64, 64)).rows
    joined = [row.name for row in rows if row.type == "Add"]
    assert joined == [f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)]
    rows = nn.summary(models.googlenet(10), (1, 3, 64, 64)).rows
    inception = next(row for row in rows if row.name == "inception3a" and row.type == "Concat")
    assert inception.activations == (256, 8, 8)
    # Auxiliary classifiers do not run at inference.
    assert not any(row.name.startswith("aux") for row in rows)


def test_layers_of_ones_own_have_no_field() -> None:
    class Own(nn.ReLU):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return self.keep(x, x)

    rows = nn.summary(nn.Sequential(Own(), nn.Conv2d(1, 1, 3)), (1, 1, 8, 8)).rows
    assert [row.receptive_field is None for row in rows] == [False, True, True]
