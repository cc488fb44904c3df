"""The reference on examples that can be computed by hand."""

import doctest
import importlib

import numpy as np
import pytest

from fastconv import reference
from fastconv._geometry import conv_matrix, output_shape, receptive_field, same_padding

IMAGE = np.arange(9.0).reshape(1, 1, 3, 3)
KERNEL = np.arange(4.0).reshape(1, 1, 2, 2)
TABLE = np.array([[2, 3, 6, 7, 6, 7], [2, 5, 3, 4, 3, 2], [1, 7, 3, 1, 4, 9], [9, 5, 4, 8, 1, 2]])


def test_cross_correlation_of_a_small_image():
    expected = [[[[19, 25], [37, 43]]]]
    np.testing.assert_array_equal(reference.conv2d(IMAGE, KERNEL), expected)


def test_padding_widens_the_image_on_all_sides():
    y = reference.conv2d(IMAGE, KERNEL, padding=1)
    assert y.shape == (1, 1, 4, 4)
    expected = [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]
    np.testing.assert_array_equal(y[0, 0], expected)


def test_channels_are_summed():
    x = np.concatenate([IMAGE, IMAGE + 1], axis=1)
    weight = np.concatenate([KERNEL, KERNEL + 1], axis=1)
    expected = [[[[56, 72], [104, 120]]]]
    np.testing.assert_array_equal(reference.conv2d(x, weight), expected)


def test_laplacian_answers_to_an_edge_only():
    step = np.repeat([0.0, 0.0, 0.0, 10.0, 10.0, 10.0], 5).reshape(6, 5).T
    laplacian = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    y = reference.correlate2d(step, laplacian, mode="same", boundary="nearest")
    np.testing.assert_array_equal(y, np.tile([0, 0, 10, -10, 0, 0], (5, 1)))


@pytest.mark.parametrize(
    ("x", "weight", "options", "expected"),
    [
        ((3, 32, 32), (6, 3, 5, 5), {}, (6, 28, 28)),
        ((1, 7, 7), (1, 1, 3, 3), {}, (1, 5, 5)),
        ((1, 7, 7), (1, 1, 3, 3), {"stride": 2}, (1, 3, 3)),
        ((1, 7, 7), (1, 1, 3, 3), {"stride": 3}, (1, 2, 2)),
        ((1, 7, 7), (1, 1, 3, 3), {"padding": 1}, (1, 7, 7)),
        ((1, 7, 7), (1, 1, 3, 3), {"padding": 1, "stride": 3}, (1, 3, 3)),
        ((1, 9, 6), (1, 1, 3, 3), {"stride": (1, 2)}, (1, 7, 2)),
        ((1, 9, 6), (1, 1, 3, 3), {"stride": (1, 2), "padding": (1, 4)}, (1, 9, 6)),
        ((1, 16, 32, 32), (32, 16, 3, 3), {"padding": 2, "dilation": 2}, (1, 32, 32, 32)),
        ((1, 3, 227, 227), (96, 3, 11, 11), {"stride": 4}, (1, 96, 55, 55)),
    ],
)
def test_output_sizes(x, weight, options, expected):
    assert output_shape("conv2d", x, weight, **options) == expected
    assert reference.conv2d(np.zeros(x), np.zeros(weight), **options).shape == expected


def test_max_pooling():
    y, indices = reference.max_pool2d(IMAGE, 2, stride=1, return_indices=True)
    np.testing.assert_array_equal(y, [[[[4, 5], [7, 8]]]])
    np.testing.assert_array_equal(indices, [[[[4, 5], [7, 8]]]])


def test_pooling_of_a_table():
    x = TABLE[np.newaxis]
    np.testing.assert_array_equal(reference.max_pool2d(x, 2), [[[5, 7, 7], [9, 8, 9]]])
    np.testing.assert_array_equal(reference.min_pool2d(x, 2), [[[2, 3, 2], [1, 1, 1]]])
    np.testing.assert_array_equal(reference.avg_pool2d(x, 2), [[[3, 5, 4.5], [5.5, 4, 4]]])
    np.testing.assert_allclose(
        reference.adaptive_avg_pool2d(x, 2), [[[3.5, 29 / 6], [29 / 6, 25 / 6]]], rtol=1e-15
    )


def test_relu_zeroes_the_negatives():
    x = [[15, 20, -10, 35], [18, -110, 25, 100], [20, -15, 25, -10], [101, 75, 18, 23]]
    expected = [[15, 20, 0, 35], [18, 0, 25, 100], [20, 0, 25, 0], [101, 75, 18, 23]]
    np.testing.assert_array_equal(reference.relu(x), expected)


def test_convolution_is_a_mostly_zero_matrix_of_a_few_weights():
    weight = np.arange(1.0, 19).reshape(2, 1, 3, 3)
    matrix = conv_matrix(weight, (1, 4, 4))
    assert matrix.shape == (8, 16)
    assert set(np.unique(matrix)) == {0.0, *range(1, 19)}
    assert (np.count_nonzero(matrix, axis=1) == 9).all()
    # Toeplitz by blocks: two outputs further on (one row), the weights move by one image row.
    np.testing.assert_array_equal(matrix[0, :12], matrix[2, 4:])


def test_two_small_kernels_see_as_much_as_a_large_one():
    field = receptive_field([3, 3])
    assert field.size == (5, 5)
    assert field.stride == (1, 1)
    assert field.center == (2.0, 2.0)
    padded = receptive_field([{"kernel_size": 3, "padding": 1}, (3, 1, 1)])
    assert padded.size == (5, 5)
    assert padded.start == (-2, -2)
    assert padded.center == (0.0, 0.0)


def test_pooling_enlarges_the_receptive_field():
    assert receptive_field([(3,), (2, 2), (3,)]).size == (8, 8)


def test_size_keeping_padding():
    assert same_padding(3) == ((1, 1),)
    assert same_padding((5, 3), dilation=(1, 2)) == ((2, 2), (2, 2))
    assert same_padding(4) == ((1, 2),)


def test_lenet_shapes():
    shape = (1, 28, 28)
    for op, weight, options, expected in [
        ("conv2d", (6, 1, 5, 5), {"padding": 2}, (6, 28, 28)),
        ("avg_pool2d", None, {"kernel_size": 2, "stride": 2}, (6, 14, 14)),
        ("conv2d", (16, 6, 5, 5), {}, (16, 10, 10)),
        ("avg_pool2d", None, {"kernel_size": 2, "stride": 2}, (16, 5, 5)),
    ]:
        shape = output_shape(op, shape, weight, **options)
        assert shape == expected


@pytest.mark.parametrize(
    "module",
    [
        "_geometry",
        "_conv_matrix",
        "_output_shape",
        "_receptive_field",
        "reference.conv",
        "reference.image",
        "reference.magnitude",
        "reference.max_pool",
    ],
)
def test_examples_in_docstrings(module):
    outcome = doctest.testmod(importlib.import_module(f"fastconv.{module}"), extraglobs={"np": np})
    assert outcome.attempted > 0
    assert outcome.failed == 0
