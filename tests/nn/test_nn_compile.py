"""Compiled networks: what is folded and fused, and that it changes nothing but rounding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from layer_cases import CASES, Case, random_state

from fastconv import nn


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_compiles(case: Case, memory_format: str) -> None:
    net = random_state(case.ours()).eval()
    x = np.random.default_rng(1).standard_normal(case.shape).astype(np.float32)
    fast = nn.compile(net, x.shape, memory_format=memory_format)
    y = fast(x)
    assert not np.shares_memory(x, y) or case.type in ("Flatten", "Identity")
    np.testing.assert_allclose(y, net(x), rtol=1e-5, atol=1e-5)


FOLDED = {
    "conv": (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), (2, 3, 6, 7), "conv2d"),
    "grouped": (
        nn.Conv2d(4, 6, 3, groups=2, bias=False),
        nn.BatchNorm2d(6),
        (2, 4, 6, 7),
        "conv2d",
    ),
    "signal": (nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), (2, 3, 9), "conv1d"),
    "volume": (nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), (2, 3, 3, 4, 5), "conv3d"),
    "transposed": (
        nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2),
        nn.BatchNorm2d(6, affine=False),
        (2, 4, 3, 4),
        "conv_transpose2d",
    ),
    "dense": (nn.Linear(3, 4), nn.BatchNorm1d(4), (5, 3), "linear"),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FOLDED)
def test_batch_norm_and_activation_become_part_of_the_layer(name: str, dtype: type) -> None:
    layer, norm, shape, kind = FOLDED[name]
    net = random_state(nn.Sequential(layer, norm, nn.Hardswish())).eval().astype(dtype)
    fast = nn.compile(net)
    assert repr(fast) == f"CompiledNetwork(\n  {kind} + batch norm + hardswish\n)"
    x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    np.testing.assert_allclose(fast(x), net(x), rtol=1e-5, atol=1e-5)
    if dtype is np.float64:
        np.testing.assert_allclose(fast(x), net(x), rtol=1e-12, atol=1e-12)


def test_what_cannot_be_folded_runs_as_it_is() -> None:
    class Own(nn.ReLU):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return self.keep(x + 1, x)

    net = random_state(
        nn.Sequential(
            nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4),
            nn.LeakyReLU(0.3), Own(), nn.Tanh(), nn.Dropout(), nn.Softmax(1),
            nn.Residual(nn.Identity()), nn.Residual(nn.Conv2d(4, 4, 1), nn.Identity()), nn.SiLU(),
        )
    ).eval()  # fmt: skip
    fast = nn.compile(net)
    assert repr(fast).split("\n  ")[1:-1][:7] == [
        "batch norm", "conv2d + relu", "batch norm", "LeakyReLU", "Own", "tanh", "Softmax",
    ]  # fmt: skip
    x = np.random.default_rng(1).standard_normal((2, 3, 5, 5)).astype(np.float32)
    before = x.copy()
    np.testing.assert_allclose(fast(x), net(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(x, before)


def test_later_training_does_not_change_a_compiled_network() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LayerNorm(4), nn.Linear(4, 2)).eval()
    x = np.random.default_rng(1).standard_normal((1, 1, 6, 6)).astype(np.float32)
    fast = nn.compile(net, x.shape)
    before = fast(x)
    for parameter in net.parameters():
        parameter.data += 1
    np.testing.assert_array_equal(fast(x), before)
    np.testing.assert_array_equal(nn.compile(net)(x), nn.compile(net, x.shape)(x))


def test_many_shapes_and_many_threads() -> None:
    net = random_state(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Sigmoid(), nn.Softmax(1))).eval()
    fast = nn.compile(net)
    rng = np.random.default_rng(1)
    inputs = [rng.standard_normal((1, 2, 3 + i % 12, 5)).astype(np.float32) for i in range(60)]
    expected = [net(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for y, wanted in zip(pool.map(fast, inputs), expected, strict=True):
            np.testing.assert_allclose(y, wanted, rtol=1e-5)


def test_compiling_needs_inference_mode_everywhere() -> None:
    net = nn.Sequential(nn.Linear(2, 2)).eval()
    net[0].train()
    with pytest.raises(ValueError, match="inference mode"):
        nn.compile(net)


class OwnLayer(nn.ReLU):
    """Computes what its type does not say, so nothing about it may be assumed."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.keep(x + 1, x)


def branching(activation: type[nn.Module], transposed: bool = False) -> nn.Sequential:
    """Sums and joins in each other, as deep networks have them."""
    ends: list[nn.Module] = [nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6)]
    if transposed:
        ends = [nn.ConvTranspose2d(4, 6, 3, padding=1)]
    return random_state(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.Residual(nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU(), *ends)),
            activation(),
            nn.Concat(
                nn.Conv2d(6, 5, 1),
                nn.Identity(),
                nn.MaxPool2d(3, 1, 1),
                nn.Residual(nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)),
                nn.Concat(nn.Sequential(nn.Conv2d(6, 2, 1), nn.Tanh()), nn.ReLU()),
            ),
            nn.Residual(nn.Conv2d(31, 31, 1), nn.Conv2d(31, 31, 3, padding=1)),
            nn.AdaptiveAvgPool2d((6, 7)),
            nn.Flatten(),
            nn.Linear(31 * 42, 5),
        )
    ).eval()


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU, nn.Identity])
def test_sums_and_joins_on_memory_that_is_used_again(
    activation: type[nn.Module], transposed: bool, batch: int, memory_format: str
) -> None:
    net = branching(activation, transposed)
    fast = nn.compile(net, memory_format=memory_format)
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((4, batch, 3, 6, 7)).astype(np.float32)
    results = [fast(x) for x in inputs]
    for x, y in zip(inputs, results, strict=True):
        np.testing.assert_allclose(y, net(x), rtol=1e-4, atol=1e-4)
        assert not any(y is not other and np.shares_memory(y, other) for other in results)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_single_image_without_a_batch_axis(memory_format: str) -> None:
    net = random_state(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.Residual(nn.Conv2d(6, 6, 3, padding=1)),
            nn.ReLU(),
            nn.Residual(nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)),
            nn.MaxPool2d(2),
        )
    ).eval()
    fast = nn.compile(net, memory_format=memory_format)
    x = np.random.default_rng(1).standard_normal((3, 8, 10)).astype(np.float32)
    for given in (x, x[None]):
        np.testing.assert_allclose(fast(given), net(given), rtol=1e-4, atol=1e-4)


def test_a_network_of_one_channel_has_one_layout() -> None:
    net = random_state(nn.Residual(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 1))).eval()
    x = np.random.default_rng(1).standard_normal((2, 1, 8, 10)).astype(np.float32)
    for memory_format in ("contiguous", "channels_last"):
        y = nn.compile(net, memory_format=memory_format)(x)
        np.testing.assert_allclose(y, net(x), rtol=1e-4, atol=1e-4)


def test_own_layers_run_among_sums_and_joins() -> None:
    net = branching(OwnLayer)
    x = np.random.default_rng(1).standard_normal((2, 3, 6, 7)).astype(np.float32)
    np.testing.assert_allclose(nn.compile(net)(x), net(x), rtol=1e-4, atol=1e-4)


def test_threads_have_memory_of_their_own() -> None:
    net = branching(nn.ReLU)
    fast = nn.compile(net)
    inputs = np.random.default_rng(1).standard_normal((200, 1, 3, 6, 7)).astype(np.float32)
    with ThreadPoolExecutor(8) as pool:
        for y, x in zip(pool.map(fast, inputs), inputs, strict=True):
            np.testing.assert_allclose(y, net(x), rtol=1e-4, atol=1e-4)


def test_a_failed_call_leaves_a_compiled_network_whole() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)).eval()
    fast = nn.compile(net)
    x = np.random.default_rng(1).standard_normal((1, 1, 4, 4)).astype(np.float32)
    with pytest.raises(ValueError, match="in_features=8"):
        fast(np.zeros((1, 1, 5, 5), np.float32))
    with pytest.raises(ValueError, match="channels"):
        fast(np.zeros((1, 2, 4, 4), np.float32))
    np.testing.assert_allclose(fast(x), net(x), rtol=1e-5)


def test_inputs_in_any_memory_layout() -> None:
    net = branching(nn.ReLU)
    x = np.random.default_rng(1).standard_normal((2, 3, 6, 7)).astype(np.float32)
    for given in (np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1), np.flip(np.flip(x).copy())):
        np.testing.assert_allclose(nn.compile(net)(given), net(x), rtol=1e-4, atol=1e-4)
