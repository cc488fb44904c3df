"""``fastconv._cuda`` whose kernels are host code and whose GPU is host memory.

The whole way from a public function to a kernel runs here without a GPU: dispatch, views of arrays,
allocation, launches. Only the CUDA runtime and the hardware are missing.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from fake_cupy import FakeCupy

import fastconv
from fastconv import _device
from fastconv._device import _registry
from package_build import build_package

_loaded: list[tuple[ModuleType, Any]] = []


def _module_path() -> Path:
    named = os.environ.get("FASTCONV_POSING_MODULE")
    if named:
        return Path(named)
    (path,) = (build_package().build_dir / "tests/cuda/module").glob("_cuda*.so")
    return path


def load() -> tuple[ModuleType, Any]:
    """Return the module, and the functions with which tests steer its host memory."""
    if not _loaded:
        path = _module_path()
        # Another name than the real module's: pybind11 gives the same module for the same name.
        spec = importlib.util.spec_from_file_location("posing._cuda", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        steering = ctypes.CDLL(str(path))
        steering.fastconv_shim_allocated.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)
        steering.fastconv_shim_freed.argtypes = (ctypes.c_size_t,)
        _loaded.append((module, steering))
    return _loaded[0]


@contextmanager
def installed() -> Iterator[tuple[FakeCupy, Any]]:
    """Let fastconv find this module and the stand-in for CuPy, as long as it is open."""
    module, steering = load()
    before = {name: sys.modules.get(name) for name in ("cupy", "fastconv._cuda")}
    attribute = getattr(fastconv, "_cuda", None)
    met = dict(_registry._MET)
    cupy = FakeCupy()
    sys.modules.update({"cupy": cupy, "fastconv._cuda": module})
    fastconv._cuda = module
    _device._module.cache_clear()
    try:
        yield cupy, steering
    finally:
        for name, value in before.items():
            if value is None:
                del sys.modules[name]
            else:
                sys.modules[name] = value
        if attribute is None:
            del fastconv._cuda
        else:
            fastconv._cuda = attribute
        _registry._MET.clear()
        _registry._MET.update(met)
        _device._module.cache_clear()
        steering.fastconv_shim_set_devices(1)
