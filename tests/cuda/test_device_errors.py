"""Bad input on a GPU: a clear error before anything is launched, and the next call works."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_cupy import ndarray

import fastconv as fc
from conftest import Posing
from fastconv import reference

X = np.arange(2 * 3 * 6 * 7, dtype=np.float32).reshape(2, 3, 6, 7) % 5
WEIGHT = np.arange(4 * 3 * 3 * 3, dtype=np.float32).reshape(4, 3, 3, 3) % 3


@pytest.fixture(autouse=True)
def still_works(gpu: Posing) -> Iterator[None]:
    """No error leaves anything behind."""
    yield
    gpu.cupy.limit = 1 << 40
    gpu.steering.fastconv_shim_set_devices(1)
    got = gpu.back(fc.conv2d(gpu.to(X), gpu.to(WEIGHT)))
    np.testing.assert_array_equal(got, reference.conv2d(X, WEIGHT))
    assert gpu.steering.fastconv_shim_current_device() == 0


class Interface:
    """An array of some library that has ``__cuda_array_interface__`` and nothing else."""

    def __init__(self, host: Any, **changes: Any) -> None:
        self.host = host
        facts = {
            "shape": host.shape,
            "typestr": host.dtype.str,
            "data": (host.ctypes.data, False),
            "strides": None if host.flags.c_contiguous else host.strides,
            "version": 3,
            "stream": None,
        }
        self.__cuda_array_interface__ = {**facts, **changes}


class Dlpack:
    """An array of some library that has DLPack and nothing else."""

    def __init__(self, host: Any, device: tuple[int, int] = (2, 0)) -> None:
        self.host = host
        self.device = device
        self.streams: list[Any] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, *, stream: Any = None, max_version: Any = None) -> Any:
        self.streams.append(stream)
        return self.host.__dlpack__(max_version=max_version)


def allocated(gpu: Posing, host: Any, device: int = 0) -> None:
    gpu.steering.fastconv_shim_allocated(host.ctypes.data, host.nbytes, device)


@pytest.mark.parametrize("name", ["weight", "bias", "out"])
def test_host_arrays_mixed_in(gpu: Posing, name: str) -> None:
    arrays = {"weight": WEIGHT, "bias": np.ones(4, np.float32)}
    given: dict[str, Any] = {key: gpu.to(value) for key, value in arrays.items()}
    given[name] = {**arrays, "out": np.empty((2, 4, 4, 5), np.float32)}[name]
    with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} is a numpy.ndarray in host memory"):
        fc.conv2d(gpu.to(X), **given)


def test_a_device_array_mixed_in(gpu: Posing) -> None:
    with pytest.raises(fc.ArgumentTypeError, match=r"^weight is a .*ndarray"):
        fc.conv2d(X, gpu.to(WEIGHT))


@pytest.mark.parametrize("thing", [None, 3, "w", [[1.0]], ...], ids=repr)
def test_no_arrays(gpu: Posing, thing: Any) -> None:
    with pytest.raises(fc.ArgumentTypeError, match=r"^weight is a"):
        fc.conv2d(gpu.to(X), thing)


def test_different_devices(gpu: Posing) -> None:
    gpu.steering.fastconv_shim_set_devices(2)
    with pytest.raises(fc.BackendUnavailableError, match=r"^weight is on GPU 1 .* on GPU 0"):
        fc.conv2d(gpu.to(X), gpu.to(WEIGHT, device=1))
    out = gpu.to(np.empty((2, 4, 4, 5), np.float32), device=1)
    with pytest.raises(fc.BackendUnavailableError, match=r"^out is on GPU 1"):
        fc.conv2d(gpu.to(X), gpu.to(WEIGHT), out=out)


def test_results_lie_on_the_device_of_the_arrays(gpu: Posing) -> None:
    gpu.steering.fastconv_shim_set_devices(2)
    result = fc.conv2d(gpu.to(X, device=1), gpu.to(WEIGHT, device=1))
    assert result.device.id == 1
    np.testing.assert_array_equal(result.host, reference.conv2d(X, WEIGHT))


def test_a_device_that_is_not_there(gpu: Posing) -> None:
    with pytest.raises(fc.FastconvError, match="no such device"):
        fc.conv2d(gpu.to(X, device=7), gpu.to(WEIGHT, device=7))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.complex64, bool])
def test_wrong_dtypes(gpu: Posing, dtype: Any) -> None:
    with pytest.raises(fc.DTypeError, match=r"^x "):
        fc.conv2d(gpu.to(X.astype(dtype)), gpu.to(WEIGHT))
    with pytest.raises(fc.DTypeError, match=r"^weight "):
        fc.conv2d(gpu.to(X), gpu.to(WEIGHT.astype(dtype)))


def test_dtypes_that_differ(gpu: Posing) -> None:
    with pytest.raises(fc.DTypeError, match="x has dtype float64 and weight has dtype float32"):
        fc.conv2d(gpu.to(X.astype(np.float64)), gpu.to(WEIGHT))


def test_what_the_cpu_rejects(gpu: Posing) -> None:
    x, weight = gpu.to(X), gpu.to(WEIGHT)
    for error, change in (
        (fc.OptionError, {"stride": 0}),
        (fc.OptionError, {"padding": -1}),
        (fc.OptionError, {"activation": "softmax"}),
        (fc.ShapeError, {"groups": 2}),
        (fc.ArgumentTypeError, {"stride": 1.5}),
        (fc.UnsupportedError, {"algorithm": "winograd"}),
    ):
        with pytest.raises(error):
            fc.conv2d(x, weight, **change)  # type: ignore[arg-type]
    with pytest.raises(fc.ShapeError, match="channels"):
        fc.conv2d(x, gpu.to(WEIGHT[:, :2]))
    with pytest.raises(fc.ShapeError, match="out has shape"):
        fc.conv2d(x, weight, out=gpu.to(np.empty((2, 4, 4, 4), np.float32)))
    with pytest.raises(fc.OptionError, match="padding"):
        fc.max_pool2d(x, 2, padding=2)
    with pytest.raises(fc.ShapeError, match="grad_output has shape"):
        fc.conv2d_backward(x, x, weight)
    with pytest.raises(fc.ShapeError, match="grad_output has shape"):
        fc.lp_pool2d_backward(x, x, 2.0, 2)


def test_indices(gpu: Posing) -> None:
    values = gpu.to(X[:, :, ::2, :6:2].copy())
    with pytest.raises(fc.DTypeError, match=r"^indices must be int64"):
        fc.max_unpool2d(values, values, 2)
    with pytest.raises(fc.ShapeError, match=r"^indices must have the shape of x"):
        fc.max_unpool2d(values, gpu.to(np.zeros((2, 3, 1, 1), np.int64)), 2)
    with pytest.raises(fc.ArgumentTypeError, match=r"^indices is a numpy.ndarray in host memory"):
        fc.max_unpool2d(values, np.zeros((2, 3, 3, 3), np.int64), 2)


def test_outputs_that_cannot_be_used(gpu: Posing) -> None:
    x, weight = gpu.to(X), gpu.to(WEIGHT)
    repeated = np.lib.stride_tricks.as_strided(np.zeros(80, np.float32), (2, 4, 4, 5), (4, 4, 4, 4))
    with pytest.raises(fc.OptionError, match="repeats its memory"):
        fc.conv2d(x, weight, out=gpu.to(repeated))
    memory = np.zeros(X.size, np.float32)
    x = gpu.to(memory.reshape(X.shape))
    with pytest.raises(fc.OptionError, match="out shares memory with x"):
        fc.conv2d(x, weight, out=gpu.to(memory[7:167].reshape(2, 4, 4, 5)))


def test_strides_and_alignment(gpu: Posing) -> None:
    record = np.zeros(X.shape, [("pad", "u2"), ("value", "f4")])
    with pytest.raises(fc.OptionError, match="x has a stride of 42 bytes"):
        fc.conv2d(gpu.to(record["value"]), gpu.to(WEIGHT))
    raw = np.zeros(X.nbytes + 1, np.uint8)
    with pytest.raises(fc.OptionError, match="x is not aligned"):
        fc.conv2d(gpu.to(raw[1:].view(np.float32).reshape(X.shape)), gpu.to(WEIGHT))


def test_out_of_memory(gpu: Posing) -> None:
    gpu.cupy.limit = 8
    with pytest.raises(fc.OutOfMemoryError, match="no memory on device 0 for a result of shape"):
        fc.conv2d(gpu.to(X), gpu.to(WEIGHT))


def test_no_device_any_more(gpu: Posing) -> None:
    gpu.steering.fastconv_shim_set_devices(0)
    with pytest.raises(fc.BackendUnavailableError, match="CUDA is off: the shim was told"):
        fc.conv2d(gpu.to(X), gpu.to(WEIGHT))
    assert fc.show_config().cuda.startswith("off: the shim was told")


def test_arrays_of_other_libraries(gpu: Posing) -> None:
    expected = reference.conv2d(X, WEIGHT)
    allocated(gpu, X)
    allocated(gpu, WEIGHT)
    packed = Dlpack(X)
    for x, weight in ((packed, Dlpack(WEIGHT)), (Interface(X), Interface(WEIGHT))):
        result = fc.conv2d(x, weight)  # type: ignore[arg-type]
        assert type(result) is ndarray
        np.testing.assert_array_equal(result.host, expected)
    assert packed.streams == [gpu.cupy.stream]
    np.testing.assert_array_equal(gpu.back(fc.conv2d(gpu.to(X), Interface(WEIGHT))), expected)


def test_addresses_that_are_no_device_memory(gpu: Posing) -> None:
    host = X.copy()
    for foreign in (Interface(host), Dlpack(host)):
        with pytest.raises(fc.OptionError, match="no device memory"):
            fc.conv2d(foreign, gpu.to(WEIGHT))  # type: ignore[arg-type]
    allocated(gpu, host)
    fc.conv2d(Interface(host), gpu.to(WEIGHT))  # type: ignore[arg-type]
    gpu.steering.fastconv_shim_freed(host.ctypes.data)
    with pytest.raises(fc.OptionError, match="freed, or never allocated"):
        fc.conv2d(Interface(host), gpu.to(WEIGHT))  # type: ignore[arg-type]


def test_interfaces_that_say_nonsense(gpu: Posing) -> None:
    host = X.copy()
    allocated(gpu, host)
    for match, changes in (
        ("stream 0", {"stream": 0}),
        ("has a mask", {"mask": host}),
        ("foreign byte order", {"typestr": ">f4"}),
        ("dtype int32", {"typestr": "<i4"}),
        ("stride of 3 bytes", {"strides": (504, 168, 28, 3)}),
    ):
        with pytest.raises(fc.FastconvError, match=match):
            fc.max_pool2d(Interface(host, **changes), 2)  # type: ignore[arg-type]
    read_only = Interface(np.zeros((2, 3, 3, 3), np.float32), data=(host.ctypes.data, True))
    with pytest.raises(fc.OptionError, match="out is read-only"):
        fc.max_pool2d(gpu.to(X), 2, out=read_only)  # type: ignore[arg-type]


def test_arrays_of_host_devices_are_no_device_arrays(gpu: Posing) -> None:
    with pytest.raises(fc.ArgumentTypeError, match=r"must be a numpy.ndarray"):
        fc.max_pool2d(Dlpack(X, (1, 0)), 2)  # type: ignore[arg-type]
    with pytest.raises(fc.ArgumentTypeError, match=r"must be a numpy.ndarray"):
        fc.max_pool2d(Dlpack(X, (10, 0)), 2)  # type: ignore[arg-type]


def test_streams_are_ordered_where_they_differ(gpu: Posing) -> None:
    steering = gpu.steering
    host = X.copy()
    allocated(gpu, host)
    before = steering.fastconv_shim_ordered()
    fc.max_pool2d(Interface(host, stream=gpu.cupy.stream), 2)  # type: ignore[arg-type]
    assert steering.fastconv_shim_ordered() == before
    fc.max_pool2d(Interface(host, stream=1), 2)  # type: ignore[arg-type]
    assert steering.fastconv_shim_ordered() == before + 1
    gpu.cupy.stream = 0  # the legacy default stream under its other name
    fc.max_pool2d(Interface(host, stream=1), 2)  # type: ignore[arg-type]
    assert steering.fastconv_shim_ordered() == before + 1


def test_an_unusable_capsule(gpu: Posing) -> None:
    class Used(Dlpack):
        def __dlpack__(self, **_: Any) -> Any:
            new = ctypes.pythonapi.PyCapsule_New
            new.restype = ctypes.py_object
            new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
            return new(1, b"used_dltensor", None)

    with pytest.raises(fc.ArgumentTypeError, match="no DLPack capsule"):
        fc.max_pool2d(Used(X), 2)  # type: ignore[arg-type]
