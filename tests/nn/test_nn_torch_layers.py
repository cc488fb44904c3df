"""Every layer, forward and backward, against torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, Case

from fastconv import nn

torch = pytest.importorskip("torch")

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}


def pair(case: Case, dtype: type) -> tuple[nn.Module, Any]:
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


def test_initial_weights_have_torchs_distribution() -> None:
    nn.manual_seed(5)
    for type, arguments in (("Conv2d", (32, 64, 3)), ("ConvTranspose2d", (64, 32, 3))):
        ours = getattr(nn, type)(*arguments)
        theirs = getattr(torch.nn, type)(*arguments)
        for name in ("weight", "bias"):
            a, b = getattr(ours, name).data, getattr(theirs, name).detach().numpy()
            assert a.shape == b.shape
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.1)
        assert ours.weight.data.std() == pytest.approx(theirs.weight.std().item(), rel=0.05)
    linear = nn.Linear(400, 300).weight.data
    assert np.abs(linear).max() == pytest.approx(1 / 20, rel=1e-3)
    assert np.abs(linear.mean()) < 1e-3


def test_nan_passes_through_layers_as_in_torch() -> None:
    x = np.array([[1.0, np.nan, -1.0, np.inf]], np.float32)
    for name in ("ReLU", "Sigmoid", "Hardswish", "LeakyReLU"):
        theirs = getattr(torch.nn, name)()(torch.from_numpy(x)).numpy()
        np.testing.assert_array_equal(getattr(nn, name)()(x), theirs)
