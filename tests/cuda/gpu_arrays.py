"""Arrays of a real GPU, for the tests that need one; without one these are shown as skipped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as fc

STATUS = fc.show_config().cuda
needs_gpu = pytest.mark.skipif(
    not STATUS.startswith("on: "), reason=f"needs a GPU: CUDA is {STATUS}"
)


class Cupy:
    """Arrays of CuPy."""

    def __init__(self) -> None:
        self.module = pytest.importorskip("cupy", reason="needs CuPy: pip install '.[cuda]'")

    def to(self, array: Any) -> Any:
        """Copy to the GPU, strides and all."""
        if array is None:
            return None
        if array.size == 0 or 0 in array.strides or min(array.strides, default=1) < 0:
            return self.module.asarray(array)
        base = self.module.empty(_span(array), array.dtype)
        view = self.module.ndarray(array.shape, array.dtype, base.data, array.strides)
        view[...] = self.module.asarray(np.ascontiguousarray(array))
        return view

    def back(self, result: Any) -> Any:
        """Copy to the host."""
        if isinstance(result, tuple):
            return tuple(self.back(part) for part in result)
        return None if result is None else self.module.asnumpy(result)

    def wait(self) -> None:
        """Wait for the GPU."""
        self.module.cuda.Device().synchronize()


class Torch:
    """Tensors of PyTorch."""

    def __init__(self) -> None:
        self.module = pytest.importorskip("torch", reason="needs PyTorch")
        if not self.module.cuda.is_available():
            pytest.skip("this PyTorch has no CUDA")

    def to(self, array: Any) -> Any:
        """Copy to the GPU, strides and all where torch has such strides."""
        if array is None:
            return None
        if array.dtype.name == "bfloat16":
            bits = self.to(array.view(np.int16))
            return bits.view(self.module.bfloat16)
        if min(array.strides, default=1) < 0:
            array = np.ascontiguousarray(array)
        steps = [step // array.itemsize for step in array.strides]
        made = self.module.empty_strided(
            array.shape, steps, dtype=_torch_type(self.module, array), device="cuda"
        )
        return made.copy_(self.module.from_numpy(np.ascontiguousarray(array)))

    def back(self, result: Any) -> Any:
        """Copy to the host."""
        if isinstance(result, tuple):
            return tuple(self.back(part) for part in result)
        if result is None:
            return None
        if result.dtype is self.module.bfloat16:
            import ml_dtypes

            return result.cpu().view(self.module.int16).numpy().view(ml_dtypes.bfloat16)
        return result.cpu().numpy()

    def wait(self) -> None:
        """Wait for the GPU."""
        self.module.cuda.synchronize()


def _span(array: Any) -> int:
    reach = sum((n - 1) * step for n, step in zip(array.shape, array.strides, strict=True))
    return int(reach // array.itemsize + 1)


def _torch_type(torch: Any, array: Any) -> Any:
    return getattr(torch, array.dtype.name)


LIBRARIES = {"cupy": Cupy, "torch": Torch}


@pytest.fixture(params=LIBRARIES)
def arrays(request: pytest.FixtureRequest) -> Any:
    return LIBRARIES[request.param]()


@pytest.fixture
def cupy() -> Any:
    return Cupy().module


@pytest.fixture
def torch() -> Any:
    return Torch().module
