"""PyTorch's tensors without a GPU: CPU tensors that pose as CUDA tensors, and fake CUDA tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conftest import Posing

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")

import fastconv as fc  # noqa: E402
import fastconv.torch as ft  # noqa: E402
from fastconv._device import _registry  # noqa: E402
from fastconv.torch import _tensors  # noqa: E402

F = torch.nn.functional


@pytest.fixture
def posing_tensors(gpu: Posing, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let tensors in host memory count as tensors on a GPU; gives the shapes that were made."""
    library = _registry.LIBRARIES["torch"]
    made: list[Any] = []
    empty = type(library).empty

    def counted(self: Any, shape: Any, *rest: Any) -> Any:
        made.append(shape)
        return empty(self, shape, *rest)

    monkeypatch.setattr(type(library), "device_type", "cpu")
    monkeypatch.setattr(type(library), "stream", lambda self, device: 0)
    monkeypatch.setattr(type(library), "empty", counted)
    monkeypatch.setattr(_tensors, "_ON_GPU", ("cpu",))
    return made


def whole(*shape: int, dtype: Any = None) -> Any:
    generator = torch.Generator().manual_seed(sum(shape))
    drawn = torch.randint(-3, 4, shape, generator=generator)
    return drawn.to(dtype or torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_functions_of_fastconv_take_tensors(posing_tensors: list[Any], dtype: Any) -> None:
    x, weight = whole(2, 3, 7, 8, dtype=dtype), whole(4, 3, 3, 3, dtype=dtype)
    y = fc.conv2d(x, weight, padding=1)
    assert type(y) is torch.Tensor
    assert y.dtype is dtype
    assert torch.equal(y.float(), F.conv2d(x.float(), weight.float(), padding=1).to(dtype).float())
    values, indices = fc.max_pool2d(x, 2, return_indices=True)
    assert indices.dtype is torch.int64
    theirs = F.max_pool2d(x.float(), 2, return_indices=True)
    assert torch.equal(values.float(), theirs[0])
    assert torch.equal(indices, theirs[1])
    assert posing_tensors


def test_channels_last_results(posing_tensors: list[Any]) -> None:
    x = whole(2, 5, 6, 7).contiguous(memory_format=torch.channels_last)
    y = fc.conv2d(x, whole(8, 5, 3, 3))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, F.conv2d(x, whole(8, 5, 3, 3)))


LAYERS = {
    "conv": lambda f, x, w: f.conv2d(x, w, stride=2, padding=1),
    "transposed": lambda f, x, w: f.conv_transpose2d(x, w.transpose(0, 1), stride=2, padding=1),
    "max": lambda f, x, w: f.max_pool2d(x * w.sum(), 3, stride=1, padding=1),
    "mean": lambda f, x, w: f.avg_pool2d(x * w.sum(), 3, stride=2, padding=1, ceil_mode=True),
    "adaptive max": lambda f, x, w: f.adaptive_max_pool2d(x * w.sum(), 3),
    "adaptive mean": lambda f, x, w: f.adaptive_avg_pool2d(x * w.sum(), (3, 4)),
    "unfold": lambda f, x, w: f.unfold(x * w.sum(), 3, padding=1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_autograd(name: str, posing_tensors: list[Any]) -> None:
    layer = LAYERS[name]
    x, weight = whole(2, 3, 7, 8) + 0.25, whole(4, 3, 3, 3) + 0.5
    grads = []
    for functions in (ft, F):
        leaves = [t.clone().requires_grad_() for t in (x, weight)]
        y = layer(functions, *leaves)
        grad = whole(*y.shape)
        y.backward(grad)
        grads.append([y.detach(), *(leaf.grad for leaf in leaves)])
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-4)
    assert posing_tensors


def test_tensors_that_cannot_be_taken(posing_tensors: list[Any]) -> None:
    x, weight = whole(1, 3, 5, 5), whole(2, 3, 3, 3)
    with pytest.raises(fc.ArgumentTypeError, match=r"x requires a gradient.*fastconv\.torch"):
        fc.conv2d(x.clone().requires_grad_(), weight)
    with torch.no_grad():
        fc.conv2d(x.clone().requires_grad_(), weight)
    with pytest.raises(fc.ArgumentTypeError, match="weight has layout"):
        fc.conv2d(x, weight.to_sparse())
    with pytest.raises(fc.DTypeError, match="x has dtype int32"):
        fc.conv2d(x.to(torch.int32), weight)
    with pytest.raises(fc.ArgumentTypeError, match=r"weight is a numpy.ndarray in host memory"):
        fc.conv2d(x, np.zeros((2, 3, 3, 3), np.float32))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_shapes_on_fake_cuda_tensors(rank: int) -> None:
    """What torch.compile sees: shapes, strides and device, and no kernel runs."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        x = torch.empty(2, 4, *(9,) * rank, device="cuda")
        weight = torch.empty(6, 4, *(3,) * rank, device="cuda")
        for name, given in (("conv", (weight,)), ("max_pool", (2,)), ("avg_pool", (2,))):
            mine = getattr(ft, f"{name}{rank}d")(x, *given)
            theirs = getattr(F, f"{name}{rank}d")(x, *given)
            assert mine.device == theirs.device
            assert mine.shape == theirs.shape
            assert mine.stride() == theirs.stride()


def test_other_devices_are_refused() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(), pytest.raises(fc.BackendUnavailableError, match="CPUs and CUDA GPUs"):
        ft.max_pool2d(torch.empty(1, 2, 4, 4, device="xpu"), 2)
