"""Streams, graphs, devices, threads and bad input on a real GPU."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from gpu_arrays import arrays, cupy, needs_gpu, torch  # noqa: F401

import fastconv as fc
from fastconv import reference

pytestmark = needs_gpu
X = (np.arange(2 * 8 * 30 * 31).reshape(2, 8, 30, 31) % 7).astype(np.float32)
WEIGHT = (np.arange(16 * 8 * 3 * 3).reshape(16, 8, 3, 3) % 5).astype(np.float32)
EXPECTED = reference.conv2d(X, WEIGHT, padding=1)


def test_current_stream_of_cupy(cupy: Any) -> None:  # noqa: F811
    x, weight = cupy.asarray(X), cupy.asarray(WEIGHT)
    cupy.cuda.Device().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        delayed = x
        for _ in range(50):  # work that the convolution must wait for
            delayed = delayed * 1.0
        y = fc.conv2d(delayed, weight, padding=1)
    stream.synchronize()
    np.testing.assert_array_equal(cupy.asnumpy(y), EXPECTED)


def test_current_stream_of_torch(torch: Any) -> None:  # noqa: F811
    x, weight = torch.from_numpy(X).cuda(), torch.from_numpy(WEIGHT).cuda()
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        delayed = x
        for _ in range(50):
            delayed = delayed * 1.0
        y = fc.conv2d(delayed, weight, padding=1)
    stream.synchronize()
    np.testing.assert_array_equal(y.cpu().numpy(), EXPECTED)


def test_graph_of_cupy(cupy: Any) -> None:  # noqa: F811
    x, weight = cupy.asarray(X), cupy.asarray(WEIGHT)
    out = cupy.empty(EXPECTED.shape, cupy.float32)
    fc.conv2d(x, weight, padding=1, out=out)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        fc.conv2d(x, weight, padding=1, out=out)
        fc.max_pool2d(out, 2)
        graph = stream.end_capture()
    x[...] = x * 2
    out[...] = 0
    cupy.cuda.Device().synchronize()
    graph.launch(stream)
    stream.synchronize()
    np.testing.assert_array_equal(cupy.asnumpy(out), 2 * EXPECTED)


def test_graph_of_torch(torch: Any) -> None:  # noqa: F811
    x, weight = torch.from_numpy(X).cuda(), torch.from_numpy(WEIGHT).cuda()
    fc.conv2d(x, weight, padding=1)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = fc.conv2d(x, weight, padding=1)
        grads = fc.conv2d_backward(y, x, weight, padding=1)
    x.mul_(2)
    graph.replay()
    torch.cuda.synchronize()
    np.testing.assert_array_equal(y.cpu().numpy(), 2 * EXPECTED)
    expected = reference.conv2d_backward(2 * EXPECTED, 2 * X, WEIGHT, padding=1)
    for mine, theirs in zip(grads, expected, strict=True):
        np.testing.assert_allclose(mine.cpu().numpy(), theirs, rtol=1e-5)


def test_several_devices(cupy: Any) -> None:  # noqa: F811
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("needs two GPUs")
    with cupy.cuda.Device(1):
        x, weight = cupy.asarray(X), cupy.asarray(WEIGHT)
    with cupy.cuda.Device(0):
        y = fc.conv2d(x, weight, padding=1)
        assert y.device.id == 1
        assert cupy.cuda.runtime.getDevice() == 0
        with pytest.raises(fc.BackendUnavailableError, match="on GPU 0"):
            fc.conv2d(x, cupy.asarray(WEIGHT), padding=1)
    np.testing.assert_array_equal(cupy.asnumpy(y), EXPECTED)


def test_threads(arrays: Any) -> None:  # noqa: F811
    x, weight = arrays.to(X), arrays.to(WEIGHT)
    results: list[Any] = []

    def compute() -> None:
        results.extend(arrays.back(fc.conv2d(x, weight, padding=1)) for _ in range(20))

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    for result in results:
        np.testing.assert_array_equal(result, EXPECTED)


def test_bad_input_leaves_the_context_alive(arrays: Any) -> None:  # noqa: F811
    x, weight = arrays.to(X), arrays.to(WEIGHT)
    for change in ({"stride": 0}, {"groups": 3}, {"weight": WEIGHT}, {"out": x}):
        with pytest.raises(fc.FastconvError):
            fc.conv2d(**{"x": x, "weight": weight, **change})
    values, indices = fc.max_pool2d(x, 2, return_indices=True)
    for wrong in (10**12, -5):
        fc.max_unpool2d(values, indices * 0 + wrong, 2)  # counts for nothing
    arrays.wait()
    np.testing.assert_array_equal(arrays.back(fc.conv2d(x, weight, padding=1)), EXPECTED)


def test_freed_memory_of_an_interface(cupy: Any) -> None:  # noqa: F811
    class Foreign:
        def __init__(self, facts: dict[str, Any]) -> None:
            self.__cuda_array_interface__ = facts

    address = cupy.cuda.runtime.malloc(X.nbytes)
    facts = {"shape": X.shape, "typestr": "<f4", "data": (address, False), "version": 3}
    fc.max_pool2d(Foreign(facts), 2)  # type: ignore[arg-type]
    cupy.cuda.Device().synchronize()
    cupy.cuda.runtime.free(address)
    with pytest.raises(fc.OptionError, match="no device memory"):
        fc.max_pool2d(Foreign(facts), 2)  # type: ignore[arg-type]
    host = Foreign({**facts, "data": (X.ctypes.data, False)})
    with pytest.raises(fc.OptionError, match="no device memory"):
        fc.max_pool2d(host, 2)  # type: ignore[arg-type]


def test_out_of_memory(arrays: Any) -> None:  # noqa: F811
    x = arrays.to(np.zeros((1, 1, 4, 4), np.float32))
    weight = arrays.to(np.zeros((1, 1, 1, 1), np.float32))
    with pytest.raises(fc.OutOfMemoryError, match="no memory on device"):
        fc.conv2d(x, weight, padding=600_000)
    assert arrays.back(fc.conv2d(x, weight)).shape == (1, 1, 4, 4)


def test_autograd(torch: Any) -> None:  # noqa: F811
    import fastconv.torch as ft

    x = torch.from_numpy(X).cuda().requires_grad_()
    weight = torch.from_numpy(WEIGHT).cuda().requires_grad_()
    y = ft.max_pool2d(ft.conv2d(x, weight, padding=1), 3, stride=2, padding=1)
    y.sum().backward()
    theirs = [t.detach().clone().requires_grad_() for t in (x, weight)]
    functional = torch.nn.functional
    z = functional.max_pool2d(functional.conv2d(*theirs, padding=1), 3, stride=2, padding=1)
    z.sum().backward()
    torch.testing.assert_close(y, z)
    for mine, other in zip((x, weight), theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-3)
