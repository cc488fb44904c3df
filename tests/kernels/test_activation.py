"""Activations of whole arrays and their gradients, against the reference and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import reference

KINDS = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "hardswish"]
POINTS = np.concatenate([np.linspace(-12, 12, 4001), [-3, 0, 3, 6, 1e-30, -1e-30, 80, -80]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [*KINDS, None])
def test_matches_reference(kind: Any, dtype: Any) -> None:
    x = POINTS.astype(dtype)
    grad = np.random.default_rng(0).standard_normal(x.shape).astype(dtype)
    eps = np.finfo(dtype).eps
    y = fc.activation(x, kind)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, reference.activation(x, kind), rtol=8 * eps, atol=4 * eps)
    got = fc.activation_backward(grad, x, kind)
    expected = reference.activation_backward(grad, x, kind)
    np.testing.assert_allclose(got, expected, rtol=32 * eps, atol=32 * eps)


@pytest.mark.parametrize("kind", KINDS)
def test_reference_is_torchs(kind: str) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(POINTS.copy()).requires_grad_()
    names = {"leaky_relu": "leaky_relu", "silu": "silu", "gelu": "gelu"}
    y = getattr(torch.nn.functional, names.get(kind, kind))(x)
    (grad,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(
        reference.activation(POINTS, kind), y.detach().numpy(), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        reference.activation_backward(np.ones_like(POINTS), POINTS, kind),
        grad.numpy(),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_any_layout_and_shape(kind: str) -> None:
    base = np.random.default_rng(1).standard_normal((4, 5, 6, 7)).astype(np.float32)
    expected = fc.activation(base, kind)
    views = [base.transpose(3, 1, 0, 2), base[::-1, :, ::2], base[:, :0]]
    others = [
        expected.transpose(3, 1, 0, 2), expected[::-1, :, ::2], expected[:, :0]
    ]  # fmt: skip
    for view, other in zip(views, others, strict=True):
        np.testing.assert_array_equal(fc.activation(view, kind), other)
        slope = fc.activation_backward(np.ones_like(view), view, kind)
        whole = fc.activation_backward(np.ones_like(base), base, kind)
        assert slope.shape == view.shape
        if view is views[0]:
            np.testing.assert_array_equal(slope, whole.transpose(3, 1, 0, 2))


def test_bad_input() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(fc.OptionError, match="swish"):
        fc.activation(x, "swish")  # type: ignore[arg-type]
    with pytest.raises(fc.ShapeError, match="grad_output"):
        fc.activation_backward(x[:1], x, "relu")
    with pytest.raises(fc.DTypeError):
        fc.activation(x.astype(np.int32), "relu")
    with pytest.raises(TypeError):
        fc.activation([1.0], "relu")  # type: ignore[arg-type]
