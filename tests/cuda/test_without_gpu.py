"""What a machine without a GPU, a driver or nvcc says, and that it says it late."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from fake_cupy import FakeCupy

import fastconv as fc
from fastconv import _device
from fastconv._device import _registry

HAS_MODULE = importlib.util.find_spec("fastconv._cuda") is not None
STATUS = fc.show_config().cuda


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    module = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(_registry, "_MET", dict(_registry._MET))
    return module


def test_status_says_why() -> None:
    if STATUS.startswith("on: "):
        assert "driver for CUDA" in STATUS
        return
    reasons = ("nvcc was not found", "FASTCONV_CUDA=OFF", "driver", "no device")
    assert STATUS.startswith("off: ")
    assert any(reason in STATUS for reason in reasons)
    assert ("nvcc" in STATUS or "FASTCONV_CUDA=OFF" in STATUS) == (not HAS_MODULE)


@pytest.mark.skipif(STATUS.startswith("on: "), reason="this machine has a GPU")
def test_an_array_on_a_gpu_that_is_not_there(cupy: FakeCupy) -> None:
    x = cupy.ndarray(np.zeros((1, 1, 4, 4), np.float32))
    with pytest.raises(fc.BackendUnavailableError) as caught:
        fc.max_pool2d(x, 2)
    assert isinstance(caught.value, RuntimeError)
    assert STATUS.removeprefix("off: ") in str(caught.value)
    with pytest.raises(fc.BackendUnavailableError):
        fc.explain("conv2d", (1, 1, 4, 4), (1, 1, 3, 3), device="cuda")


def test_a_module_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> Any:
        raise ImportError("libstrange.so: cannot open shared object file")

    monkeypatch.setattr(_device.importlib, "import_module", fails)
    _device._module.cache_clear()
    assert "libstrange.so" in _device.cuda_status()
    monkeypatch.undo()
    _device._module.cache_clear()


def test_foreign_arrays_need_a_library_for_results(monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign:
        __cuda_array_interface__ = {"shape": (4,), "data": (0, False)}  # noqa: RUF012

    for name in ("cupy", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(fc.BackendUnavailableError, match="of which none is imported"):
        fc.activation(Foreign(), "relu")  # type: ignore[arg-type]


def test_attributes_that_raise_are_no_arrays() -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    with pytest.raises(fc.ArgumentTypeError, match=r"^x is a Odd"):
        fc.activation(Odd(), "relu")  # type: ignore[arg-type]


def test_nothing_of_cuda_is_imported_for_numpy_arrays() -> None:
    program = (
        "import sys, numpy, fastconv\n"
        "x = numpy.zeros((1, 1, 4, 4), numpy.float32)\n"
        "fastconv.conv2d(x, x)\n"
        "assert not {'fastconv._cuda', 'cupy', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif(not HAS_MODULE, reason="built without CUDA")
def test_the_module_imports_without_a_driver() -> None:
    program = "import fastconv._cuda as m; print(m.unavailable())"
    out = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert out.strip()
