"""out=: the right result in the given array, or an error that leaves everything as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from memory_layouts import LAYOUTS, WRITABLE
from operator_calls import CONVOLUTIONS, WITH_OUT, Call

import fastconv as fc

each_call = pytest.mark.parametrize("call", WITH_OUT, ids=str)


def empty(call: Call) -> Any:
    return np.full_like(call.run(), 77)


def largest(call: Call) -> str:
    return "x" if "x" in call.arrays else "image"


@each_call
@pytest.mark.parametrize("layout", ["plain", *WRITABLE])
@pytest.mark.parametrize("x_layout", ["fortran", "channels last"])
def test_result_in_any_layout(call: Call, layout: str, x_layout: str) -> None:
    expected = call.run()
    out = WRITABLE.get(layout, np.array)(empty(call))
    assert call.run(out=out) is out
    np.testing.assert_array_equal(out, expected)
    out[...] = 77
    name = largest(call)
    moved = LAYOUTS[x_layout](call.arrays[name])
    assert call.run(**{name: moved}, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-6)


@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("layout", WRITABLE)
@pytest.mark.parametrize("algorithm", ["direct", "im2col"])
def test_only_the_elements_of_out_are_written(call: Call, layout: str, algorithm: str) -> None:
    """What lies between the elements of out belongs to somebody else."""
    out = WRITABLE[layout](empty(call))
    base = out
    while isinstance(base.base, np.ndarray):
        base = base.base
    memory = base.ravel(order="K")  # a view: every base is one block
    assert np.shares_memory(memory, base)
    mark = np.zeros(memory.size, bool)
    offsets = np.full(out.shape, (out.ctypes.data - base.ctypes.data) // out.itemsize)
    for axis, step in enumerate(out.strides):
        along = np.arange(out.shape[axis]) * (step // out.itemsize)
        offsets += along.reshape([-1 if a == axis else 1 for a in range(out.ndim)])
    mark[offsets] = True
    before = memory[~mark].copy()
    call.run(out=out, algorithm=algorithm)
    np.testing.assert_array_equal(memory[~mark], before)
    np.testing.assert_array_equal(out, call.run())


@each_call
def test_wrong_outs(call: Call) -> None:
    right = empty(call)
    wrong_shapes = [right[:1], right[..., :-1], right[None], right[0], right.reshape(-1)]
    wrong_shapes += [right[..., :0], np.zeros((), np.float32), np.zeros((1,) * 30, np.float32)]
    for out in wrong_shapes:
        with pytest.raises(fc.ShapeError, match=r"^out has shape .* needs"):
            call.run(out=out)
    for dtype in (np.float64, np.int32, np.float16, bool, object, complex, ">f4"):
        with pytest.raises(fc.DTypeError, match=r"^out has dtype"):
            call.run(out=right.astype(dtype))
    for out in (right.tolist(), 1, "x", (right,), [], np.float32(3), memoryview(right)):
        with pytest.raises(fc.ArgumentTypeError, match=r"^out is "):
            call.run(out=out)
    with pytest.raises(fc.ArgumentTypeError, match=r"^out is .*mask"):
        call.run(out=np.ma.masked_array(right))
    np.testing.assert_array_equal(right, 77)


@each_call
@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("read-only", "out is read-only"),
        ("frozen bytes", "out is read-only"),
        ("unaligned", "out is not aligned"),
        ("half aligned", "out is not aligned"),
    ],
)
def test_outs_that_cannot_be_written(call: Call, layout: str, message: str) -> None:
    with pytest.raises(fc.OptionError, match=message) as caught:
        call.run(out=LAYOUTS[layout](empty(call)))
    assert isinstance(caught.value, ValueError)


@each_call
def test_out_with_elements_that_share_memory(call: Call) -> None:
    right = empty(call)
    for axis in range(right.ndim):
        if right.shape[axis] == 1:
            continue
        shape = [1 if a == axis else n for a, n in enumerate(right.shape)]
        steps = list(np.zeros(shape, np.float32).strides)
        steps[axis] = 0
        repeated = np.lib.stride_tricks.as_strided(
            np.zeros(shape, np.float32), right.shape, steps, writeable=True
        )
        with pytest.raises(
            fc.OptionError, match=rf"out repeats its memory along axis {axis} \(stride 0"
        ):
            call.run(out=repeated)
    # Different strides, the same elements: windows that overlap.
    windows = np.lib.stride_tricks.as_strided(
        np.zeros(right.size + 8, np.float32), right.shape, (4,) * right.ndim, writeable=True
    )
    with pytest.raises(fc.OptionError, match=r"repeats its memory along axis .* 1 element"):
        call.run(out=windows)


def shared_buffer(call: Call, name: str) -> tuple[Any, Any, Any]:
    """A buffer with a copy of an array at its end, that copy, and the shape of the result."""
    array, result = call.arrays[name], call.run()
    buffer = np.full(array.size + result.size, 5, np.float32)
    placed = buffer[result.size :].reshape(array.shape)
    placed[...] = array
    return buffer, placed, result


FLOATS = [(c, n) for c in WITH_OUT for n, a in c.arrays.items() if a.dtype == np.float32]


@pytest.mark.parametrize(("call", "name"), FLOATS, ids=[f"{c}-{n}" for c, n in FLOATS])
def test_out_that_overlaps_an_input(call: Call, name: str) -> None:
    buffer, placed, result = shared_buffer(call, name)
    before = buffer.copy()
    for shift in (1, 2, min(placed.size, result.size) // 2, placed.size):
        out = buffer[shift : shift + result.size].reshape(result.shape)
        with pytest.raises(fc.OptionError, match=f"out shares memory with {name}"):
            call.run(**{name: placed}, out=out)
        np.testing.assert_array_equal(buffer, before)
    out = buffer[: result.size].reshape(result.shape)  # side by side
    assert call.run(**{name: placed}, out=out) is out
    np.testing.assert_array_equal(out, result)


@pytest.mark.parametrize(("call", "name"), FLOATS, ids=[f"{c}-{n}" for c, n in FLOATS])
def test_out_that_interleaves_with_an_input(call: Call, name: str) -> None:
    """Every other element is the input's, the others are the output's."""
    array, result = call.arrays[name], call.run()
    buffer = np.full((max(array.size, result.size), 2), 5, np.float32)
    placed = buffer[: array.size, 0].reshape(array.shape)
    out = buffer[: result.size, 1].reshape(result.shape)
    assert placed.base is not None
    assert out.base is not None
    placed[...] = array
    assert call.run(**{name: placed}, out=out) is out
    np.testing.assert_array_equal(out, result)
    np.testing.assert_array_equal(placed, array)


def test_out_equal_to_the_input() -> None:
    x = np.ones((1, 1, 5, 5), np.float32)
    with pytest.raises(fc.OptionError, match="out shares memory with x"):
        fc.conv2d(x, np.ones((1, 1, 1, 1), np.float32), out=x)
    with pytest.raises(fc.OptionError, match="out shares memory with x"):
        fc.max_pool2d(x, 1, out=x[..., ::-1])


def test_empty_out() -> None:
    x, weight = np.zeros((0, 2, 5, 5), np.float32), np.zeros((3, 2, 3, 3), np.float32)
    out = np.zeros((0, 3, 3, 3), np.float32)
    assert fc.conv2d(x, weight, out=out) is out
    assert fc.max_pool2d(x, 2, out=np.zeros((0, 2, 2, 2), np.float32)).shape == (0, 2, 2, 2)


def test_out_of_a_subclass_is_returned() -> None:
    class Marked(np.ndarray):
        pass

    call = CONVOLUTIONS[2]
    out = empty(call).view(Marked)
    assert call.run(out=out) is out
    np.testing.assert_array_equal(np.asarray(out), call.run())
