"""Networks against the same networks in torch, compiled and not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastconv import models, nn

torch = pytest.importorskip("torch")
import torch_networks  # noqa: E402  (needs torch)

NAMES = ["lenet", "alexnet", "vgg16", "resnet18", "resnet34", "resnet50", "googlenet"]
# Learnables as torchvision's documentation gives them (googlenet with auxiliary classifiers).
LEARNABLES = {
    "lenet": 61_706, "alexnet": 61_100_840, "vgg16": 138_357_544, "resnet18": 11_689_512,
    "resnet34": 21_797_672, "resnet50": 25_557_032, "googlenet": 13_004_888,
}  # fmt: skip
SHAPES = {"lenet": (2, 1, 28, 28), "alexnet": (2, 3, 67, 71)}


def lively(net: Any, gain: float = 1.0) -> Any:
    """Random state of a scale at which outputs depend on every layer."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith(("running_var", "bn.weight")) or (
                value.ndim == 1 and "weight" in name
            ):
                value.uniform_(0.7, 1.3, generator=generator)
            elif value.ndim > 1:
                value.normal_(0, gain * (2 / value[0].numel()) ** 0.5, generator=generator)
            elif value.is_floating_point():
                value.normal_(0, 0.1, generator=generator)
    return net.eval()


@pytest.fixture(scope="module", params=NAMES)
def networks(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Any]:
    name = request.param
    with torch.no_grad():
        # Sigmoids need larger inputs than rectifiers to tell images apart.
        theirs = lively(getattr(torch_networks, name)(), 4.0 if name == "lenet" else 1.0)
    ours = getattr(models, name)()
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    return name, ours.eval(), theirs


def image(name: str, count: int = 2) -> np.ndarray:
    shape = SHAPES.get(name, (2, 3, 64, 64))
    values = np.random.default_rng(1).standard_normal((count, *shape[1:]))
    return values.astype(np.float32)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, measured by how much outputs differ between classes and images."""
    return float(np.abs(a - b).max() / b.std())


def test_network_equals_torch(networks: tuple[str, nn.Module, Any]) -> None:
    name, ours, theirs = networks
    assert sum(p.data.size for p in ours.parameters()) == LEARNABLES[name]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = image(name)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    with nn.no_grad():
        plain = ours(x)
    assert plain.shape == expected.shape == ours.output_shape(x.shape)
    # The images must be told apart, or the comparison says nothing.
    assert np.abs(expected[0] - expected[1]).max() > 0.05 * expected.std()
    assert relative(plain, expected) < 1e-4
    # Packing weights takes long; the other layout is tried with each kind of block once.
    formats = ["contiguous", *(["channels_last"] if name in ("resnet18", "googlenet") else [])]
    for memory_format in formats:
        fast = nn.compile(ours, memory_format=memory_format)
        assert relative(fast(x), expected) < 1e-4
        np.testing.assert_array_equal(x, image(name))  # inputs are never written


def test_gradients_of_a_residual_network_equal_torchs() -> None:
    theirs = lively(torch_networks.resnet18()).double().train()
    ours = models.resnet18().astype(np.float64).train()
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 3, 48, 40))
    their_x = torch.from_numpy(x).requires_grad_()
    y, their_y = ours(x), theirs(their_x)
    np.testing.assert_allclose(y, their_y.detach(), rtol=0, atol=1e-9)
    grad = np.random.default_rng(1).standard_normal(y.shape)
    their_y.backward(torch.from_numpy(grad))
    check_gradients(ours, ours.backward(grad), theirs, their_x)


def test_gradients_of_all_three_scores_equal_torchs() -> None:
    theirs = lively(torch_networks.GoogLeNet(0.0, 0.0)).double().train()
    ours = models.GoogLeNet(dropout=0.0, dropout_aux=0.0).astype(np.float64)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 3, 48, 48))
    their_x = torch.from_numpy(x).requires_grad_()
    outputs, their_outputs = ours(x), theirs(their_x)
    grads = [np.random.default_rng(i).standard_normal(y.shape) for i, y in enumerate(outputs)]
    for y, their_y in zip(outputs, their_outputs, strict=True):
        np.testing.assert_allclose(y, their_y.detach(), rtol=0, atol=1e-9)
    torch.autograd.backward(their_outputs, [torch.from_numpy(g) for g in grads])
    grad_x = ours.backward(models.GoogLeNetOutputs(*grads))
    check_gradients(ours, grad_x, theirs, their_x)


def check_gradients(ours: Any, grad_x: np.ndarray, theirs: Any, their_x: torch.Tensor) -> None:
    pairs = [(p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)]
    for a, b in [(grad_x, their_x.grad), *pairs]:
        scale = float(b.abs().max())
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8 * max(scale, 1e-3))


def test_transformed_input() -> None:
    net = models.googlenet(5, aux_logits=False, transform_input=True).eval()
    plain = models.googlenet(5, aux_logits=False).eval()
    plain.load_state_dict(net.state_dict())
    x = image("googlenet")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = x * deviation[:, None, None] + mean[:, None, None]
    expected = plain((2 * pixels - 1).astype(np.float32))
    np.testing.assert_allclose(net(x), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(nn.compile(net)(x), expected, rtol=1e-4, atol=1e-6)
    y = net(x)
    assert net.backward(np.ones_like(y)).shape == x.shape


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_lenet_with_other_activations(activation: str) -> None:
    theirs = torch_networks.lenet(activation)
    ours = models.lenet(activation=activation)
    ours.load_state_dict(theirs.state_dict())
    x = image("lenet")
    np.testing.assert_allclose(ours(x), theirs(torch.from_numpy(x)).detach(), atol=1e-5)


def test_initial_weights_of_models_are_torchvisions() -> None:
    nn.manual_seed(0)
    net = models.resnet18(10)
    weight = net.state_dict()["layer3.0.conv2.weight"]
    assert weight.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    vgg = models.VGG((8, None), 10)  # the whole network has 134 million weights
    assert vgg.state_dict()["classifier.3.weight"].std() == pytest.approx(0.01, rel=0.01)
    assert not vgg.state_dict()["features.0.bias"].any()
    deviation = models.googlenet().state_dict()["aux1.fc1.weight"].std()
    assert deviation == pytest.approx(0.01, rel=0.01)
