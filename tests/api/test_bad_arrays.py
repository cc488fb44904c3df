"""Array arguments that are no arrays, or of another type, byte order or shape."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from operator_calls import CALLS, Call

import fastconv as fc

ARRAYS = [(call, name) for call in CALLS for name in call.arrays]
IDS = [f"{call}-{name}" for call, name in ARRAYS]
each_array = pytest.mark.parametrize(("call", "name"), ARRAYS, ids=IDS)


def not_arrays(array: Any) -> list[Any]:
    return [
        array.tolist(),
        tuple(array.tolist()),
        1.5,
        7,
        True,
        "x",
        b"x",
        np.float32(1.5),
        np.int64(3),
        object(),
        memoryview(array),
        np.ma.masked_array(array, array > 0),
        np.ma.masked_array(array),
        iter(array),
        np.ndarray,
    ]


@each_array
def test_other_things_than_arrays(call: Call, name: str) -> None:
    for given in not_arrays(call.arrays[name]):
        with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} ") as caught:
            call.run(**{name: given})
        assert isinstance(caught.value, TypeError)
        assert len(str(caught.value)) > len(name) + 20
    if name != "bias":
        with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} "):
            call.run(**{name: None})


@each_array
def test_other_dtypes(call: Call, name: str) -> None:
    array = call.arrays[name]
    dtypes = ["?", "i1", "u1", "i4", "u8", "c8", "c16", "O", "S4", "U4", "M8[s]", "m8[s]"]
    dtypes += [[("a", "f4")], ">f4", ">f8", ">f2", np.longdouble]
    dtypes += [ml_dtypes.float8_e5m2, ml_dtypes.int4]
    dtypes += [">i8", "f2", "f4", "f8"] if name == "indices" else ["i8"]
    for dtype in dtypes:
        with pytest.raises(fc.DTypeError, match=rf"^{name} ") as caught:
            call.run(**{name: np.zeros(array.shape, dtype)})
        assert isinstance(caught.value, TypeError)
        assert "convert" in str(caught.value)


@pytest.mark.parametrize(
    ("call", "name"), [(c, n) for c, n in ARRAYS if c.op.startswith(("conv", "correlate"))]
)
def test_no_silent_mixture_of_dtypes(call: Call, name: str) -> None:
    with pytest.raises(fc.DTypeError, match=r"float32.*float64|float64.*float32") as caught:
        call.run(**{name: call.arrays[name].astype(np.float64)})
    assert name in str(caught.value)


@each_array
def test_wrong_numbers_of_axes(call: Call, name: str) -> None:
    array = call.arrays[name]
    taken = {array.ndim, array.ndim - 1} if name in ("x", "image") else {array.ndim}
    for ndim in range(9):
        if ndim in taken:
            continue
        shape = (1,) * (ndim - array.ndim) + array.shape[max(0, array.ndim - ndim) :]
        with pytest.raises(fc.ShapeError, match=rf"\b{name}\b") as caught:
            call.run(**{name: np.zeros(shape, array.dtype)})
        assert isinstance(caught.value, ValueError)


@each_array
def test_many_axes(call: Call, name: str) -> None:
    array = np.zeros((1,) * 40, call.arrays[name].dtype)
    with pytest.raises(fc.ShapeError, match=rf"\b{name}\b"):
        call.run(**{name: array})


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_subclasses_of_arrays_are_arrays(call: Call) -> None:
    class Marked(np.ndarray):
        pass

    marked = {name: array.view(Marked) for name, array in call.arrays.items()}
    np.testing.assert_array_equal(call.run(**marked), call.run())


X = np.ones((2, 4, 6, 9), np.float32)
W = np.ones((6, 4, 3, 3), np.float32)
B = np.ones(6, np.float32)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"weight": W[:, :3]}, {}, "x has shape .*4 channels.*weight"),
        ({}, {"groups": 2}, "groups=2 needs 8"),
        ({"weight": W[:, :2]}, {"groups": 3}, "groups=3 needs 6"),
        ({"weight": W[:5, :2]}, {"groups": 2}, "groups is 2, which does not divide"),
        ({"weight": W[:, :1]}, {"groups": 4}, "groups is 4, which does not divide"),
        ({}, {"groups": 2**62}, "groups is 4611686018427387904, more than"),
        ({"weight": W[:0]}, {}, "no output channels"),
        ({"weight": W[:, :0]}, {}, "x has shape"),
        ({"weight": W[..., :0]}, {}, "kernel size must be at least 1"),
        ({"x": X[:, :0]}, {}, "x has shape"),
        ({"x": X[:, :, :0]}, {"padding": 3}, "x has the spatial size"),
        ({"x": X[:, :, :2]}, {}, "kernel .* more than the padded input"),
        ({}, {"dilation": 4}, "kernel .* more than the padded input"),
        ({"bias": B[:5]}, {}, r"bias has shape \(5,\); it must be \(6,\)"),
        ({"bias": B[:0]}, {}, r"bias has shape \(0,\)"),
        ({"bias": B[None]}, {}, r"bias has shape \(1, 6\)"),
    ],
)
def test_convolution_sizes_that_do_not_fit(arrays: Any, options: Any, message: str) -> None:
    with pytest.raises(fc.ShapeError, match=message):
        fc.conv2d(**{"x": X, "weight": W, **arrays}, **options)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"weight": W[:3]}, {}, "x has shape .*4 channels.*weight"),
        ({"x": X[:, :0], "weight": W[:0]}, {}, "without channels"),
        ({"weight": W[:4, :0]}, {}, "no output channels"),
        ({"weight": W[:4]}, {"groups": 3}, "groups is 3, which does not divide"),
        ({"weight": W[:4]}, {"groups": 5}, "groups is 5, more than"),
        ({"x": X[:, :, :0]}, {}, "every axis must be at least 1"),
        ({"weight": W[:4]}, {"padding": 9}, "use less padding"),
    ],
)
def test_transposed_sizes_that_do_not_fit(arrays: Any, options: Any, message: str) -> None:
    with pytest.raises(fc.ShapeError, match=message):
        fc.conv_transpose2d(**{"x": X, "weight": W[:4], **arrays}, **options)


@pytest.mark.parametrize("op", ["convolve2d", "correlate2d"])
@pytest.mark.parametrize(
    ("image", "kernel", "mode", "message"),
    [
        (X[0, 0], W[0, 0, :0], "full", "kernel has shape"),
        (X[0, 0, :0], W[0, 0], "same", "image has shape"),
        (X[0, :, :, :0], W[0, 0], "full", "image has shape"),
        (X[0, 0, :2], W[0, 0], "valid", "more than the padded input"),
    ],
)
def test_image_sizes_that_do_not_fit(
    op: str, image: Any, kernel: Any, mode: Any, message: str
) -> None:
    with pytest.raises(fc.ShapeError, match=message):
        getattr(fc, op)(image, kernel, mode)


@pytest.mark.parametrize("bad", [-1, 216, 2**40, -(2**63), 2**63 - 1])
def test_indices_outside_the_plane(bad: int) -> None:
    indices = np.zeros((2, 4, 6, 9), np.int64)
    indices[1, 2, 3, 4] = bad
    with pytest.raises(fc.OptionError, match=f"indices must lie between 0 and 215.*{bad}"):
        fc.max_unpool2d(X, indices, 2)


def test_indices_of_another_shape() -> None:
    with pytest.raises(fc.ShapeError, match="indices must have the shape of x"):
        fc.max_unpool2d(X, np.zeros((2, 4, 6, 8), np.int64), 2)
