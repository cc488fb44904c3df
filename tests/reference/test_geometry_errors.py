"""Wrong arguments of the geometry functions and of the reference: each a clear error."""

import numpy as np
import pytest

from fastconv import reference
from fastconv._geometry import (
    Layer,
    conv_matrix,
    output_shape,
    receptive_field,
    same_padding,
)
from fastconv.errors import (
    ArgumentTypeError,
    DTypeError,
    OptionError,
    OutOfMemoryError,
    ShapeError,
)

X, W = (1, 4, 8, 8), (6, 4, 3, 3)
CONV_ERRORS = [
    ((4, 8), W, {}, ShapeError, "x must have 4 axes"),
    ((1, 1, 4, 8, 8), W, {}, ShapeError, "x must have 4 axes"),
    (X, (6, 4, 3), {}, ShapeError, "weight must have 4 axes"),
    ((1, 5, 8, 8), W, {}, ShapeError, "x has 5 channels, .* needs 4"),
    (X, W, {"groups": 2}, ShapeError, "x has 4 channels, .* needs 8"),
    (X, (3, 2, 3, 3), {"groups": 2}, ShapeError, "3 output channels .* groups=2"),
    (X, (0, 4, 3, 3), {}, ShapeError, "0 output channels"),
    (X, (6, 4, 0, 3), {}, ShapeError, "kernel must not be empty"),
    (X, (6, 4, 9, 3), {}, ShapeError, "axis 0.* kernel size 9"),
    ((1, 4, 0, 8), W, {"padding": 3}, ShapeError, "input size 0"),
    (X, W, {"groups": 0}, OptionError, "groups must be at least 1, got 0"),
    (X, W, {"groups": True}, ArgumentTypeError, "groups must be an integer, got the bool"),
    (X, W, {"stride": 0}, OptionError, "stride must be at least 1, got 0"),
    (X, W, {"stride": (1, -2)}, OptionError, r"stride\[1\] must be at least 1, got -2"),
    (X, W, {"stride": (1, 2, 3)}, ShapeError, r"stride must have one entry .* \(2\)"),
    (X, W, {"stride": 1.5}, ArgumentTypeError, "stride must be an integer, got 1.5"),
    (X, W, {"stride": None}, ArgumentTypeError, "stride must be an integer, got None"),
    (X, W, {"stride": False}, ArgumentTypeError, "bool False"),
    (X, W, {"dilation": 0}, OptionError, "dilation must be at least 1"),
    (X, W, {"dilation": 4}, ShapeError, "covers 9 with dilation 4"),
    (X, W, {"padding": -1}, OptionError, "padding must be at least 0, got -1"),
    (X, W, {"padding": ((1, 2), (0, -1))}, OptionError, r"padding\[1\]\[1\]"),
    (X, W, {"padding": ((1, 2, 3), 0)}, ShapeError, r"padding\[0\] .* 3 entries"),
    (X, W, {"padding": "full"}, OptionError, "'same' or 'valid', got 'full'"),
    (X, W, {"padding": "same", "stride": 2}, OptionError, "'same' needs stride 1"),
    (X, W, {"padding": 1.0}, ArgumentTypeError, "padding must be an integer, got 1.0"),
    (X, W, {"padding": {1: 1, 2: 2}}, ArgumentTypeError, "padding must be a sequence"),
]


@pytest.mark.parametrize(("x", "w", "options", "error", "message"), CONV_ERRORS)
def test_convolution(x, w, options, error, message):
    with pytest.raises(error, match=message):
        output_shape("conv2d", x, w, **options)
    with pytest.raises(error, match=message):
        reference.conv2d(np.zeros(x), np.zeros(w), **options)


@pytest.mark.parametrize(
    ("x", "w", "options", "error", "message"),
    [
        ((1, 4, 5), (3, 2, 3), {}, ShapeError, r"needs 3 \(= weight.shape\[0\]\)"),
        ((1, 4, 5), (4, 0, 3), {}, ShapeError, "none of them 0"),
        ((1, 4, 5), (4, 2, 3), {"groups": 3}, ShapeError, "multiple of groups"),
        ((1, 4, 0), (4, 2, 3), {}, ShapeError, "input size 0"),
        ((1, 4, 1), (4, 2, 2), {"padding": 1}, ShapeError, "the output is empty"),
        ((1, 4, 5), (4, 2, 3), {"output_padding": 1}, OptionError, "at most 0"),
        ((1, 4, 5), (4, 2, 3), {"output_padding": -1}, OptionError, "at least 0"),
        ((1, 4, 5), (4, 2, 3), {"padding": "same"}, OptionError, "pass numbers"),
    ],
)
def test_transposed_convolution(x, w, options, error, message):
    with pytest.raises(error, match=message):
        output_shape("conv_transpose1d", x, w, **options)
    with pytest.raises(error, match=message):
        reference.conv_transpose1d(np.zeros(x), np.zeros(w), **options)


@pytest.mark.parametrize(
    ("op", "x", "options", "error", "message"),
    [
        ("max_pool2d", (2, 8, 8), {"kernel_size": 0}, OptionError, "kernel_size must be at least"),
        ("max_pool2d", (2, 8, 8), {"kernel_size": 9}, ShapeError, "does not fit"),
        ("max_pool2d", (2, 8, 8), {"kernel_size": 3, "padding": 2}, OptionError, "at most 1"),
        ("max_pool2d", (2, 8, 8), {"kernel_size": 3, "stride": 0}, OptionError, "stride"),
        ("max_pool2d", (2, 8, 8), {"kernel_size": 3, "padding": "same"}, OptionError, "stride 1"),
        ("max_pool2d", (0, 8, 8), {"kernel_size": 3}, ShapeError, "at least 1 element"),
        ("max_pool2d", (2, 0, 8), {"kernel_size": 1}, ShapeError, "at least 1 element"),
        ("max_pool2d", (8, 8), {"kernel_size": 3}, ShapeError, "x must have 4 axes"),
        ("max_pool2d", (2, 8, 8), {"kernel_size": 3, "ceil_mode": 1}, ArgumentTypeError, "ceil"),
        (
            "min_pool1d",
            (2, 8),
            {"kernel_size": 2, "return_indices": None},
            ArgumentTypeError,
            "return_indices must be True or False",
        ),
        ("avg_pool1d", (2, 8), {"kernel_size": 2, "divisor_override": 0}, OptionError, "not be 0"),
        (
            "avg_pool1d",
            (2, 8),
            {"kernel_size": 2, "count_include_pad": "no"},
            ArgumentTypeError,
            "count_include_pad",
        ),
        ("lp_pool1d", (2, 8), {"norm_type": 0, "kernel_size": 2}, OptionError, "norm_type"),
        (
            "lp_pool1d",
            (2, 8),
            {"norm_type": float("inf"), "kernel_size": 2},
            OptionError,
            "max_pool",
        ),
        ("lp_pool1d", (2, 8), {"norm_type": "2", "kernel_size": 2}, ArgumentTypeError, "number"),
        ("adaptive_avg_pool2d", (2, 8, 8), {"output_size": -1}, OptionError, "output_size"),
        ("adaptive_avg_pool2d", (2, 8, 8), {"output_size": (1,)}, ShapeError, "one entry per"),
        ("adaptive_avg_pool2d", (2, 0, 8), {"output_size": 1}, ShapeError, "at least 1 element"),
        ("adaptive_max_pool1d", (0, 8), {"output_size": 1}, ShapeError, "at least 1 element"),
        ("unfold", (2, 8), {"kernel_size": 2}, ShapeError, "x must have 4 axes"),
        ("unfold", (2, 4, 4), {"kernel_size": 5}, ShapeError, "does not fit"),
        ("fold", (8, 9), {"output_size": 5, "kernel_size": 2}, ShapeError, "and 16"),
        ("fold", (9, 16), {"output_size": 5, "kernel_size": 2}, ShapeError, "multiple of 4"),
        ("fold", (1, 1, 8, 9), {"output_size": 5, "kernel_size": 2}, ShapeError, "x must be"),
    ],
)
def test_pooling_and_fold(op, x, options, error, message):
    with pytest.raises(error, match=message):
        getattr(reference, op)(np.ones(x), **options)
    if "return_indices" not in options:
        with pytest.raises(error, match=message):
            output_shape(op, x, **options)


def test_unpooling():
    x = np.ones((1, 1, 2, 2))
    with pytest.raises(OptionError, match="indices must lie between 0 and 15"):
        reference.max_unpool2d(x, np.full((1, 1, 2, 2), 16), 2)
    with pytest.raises(OptionError, match="got -1 to -1"):
        reference.max_unpool2d(x, np.full((1, 1, 2, 2), -1), 2)
    with pytest.raises(ShapeError, match="indices must have the shape of x"):
        reference.max_unpool2d(x, np.zeros((1, 1, 2, 3), int), 2)
    with pytest.raises(DTypeError, match="indices must be integers, got float64"):
        reference.max_unpool2d(x, x, 2)
    with pytest.raises(ShapeError, match="between 3 and 5 on spatial axis 0, got 6"):
        output_shape("max_unpool2d", (1, 1, 2, 2), 2, output_size=(6, 5))


@pytest.mark.parametrize(
    ("image", "kernel", "options", "error", "message"),
    [
        ((4,), (3, 3), {}, ShapeError, r"image must be \(H, W\)"),
        ((4, 0), (3, 3), {}, ShapeError, "none of them 0"),
        ((4, 4), (3, 3, 3), {}, ShapeError, "kernel must be"),
        ((4, 4), (5, 3), {"mode": "valid"}, ShapeError, "no larger than the image"),
        ((4, 4), (3, 3), {"mode": "half"}, OptionError, "'full', 'same', 'valid', got 'half'"),
        ((4, 4), (3, 3), {"boundary": "symm"}, OptionError, "boundary must be one of"),
        ((4, 4), (3, 3), {"mode": 1}, ArgumentTypeError, "mode must be one of"),
    ],
)
def test_image_filters(image, kernel, options, error, message):
    with pytest.raises(error, match=message):
        output_shape("convolve2d", image, kernel, **options)
    with pytest.raises(error, match=message):
        reference.convolve2d(np.ones(image), np.ones(kernel), **options)


def test_reference_takes_real_numbers_only():
    with pytest.raises(DTypeError, match="x must hold real numbers, got complex128"):
        reference.conv1d(np.ones((1, 1, 3)) * 1j, np.ones((1, 1, 2)))
    with pytest.raises(ShapeError, match=r"bias must be \(1,\).* got \(2,\)"):
        reference.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)), np.ones(2))
    with pytest.raises(OptionError, match="activation must be one of None, 'relu'"):
        reference.conv1d(np.ones((1, 1, 3)), np.ones((1, 1, 2)), activation="swish")
    with pytest.raises(ArgumentTypeError, match="fill_value must be a number"):
        reference.convolve2d(np.ones((3, 3)), np.ones((2, 2)), fill_value="0")
    with pytest.raises(OptionError, match="op must be one of 'conv1d'"):
        reference.magnitude("max_pool2d", np.ones((1, 4, 4)), kernel_size=2)


def test_output_shape_names_what_is_unknown_or_missing():
    with pytest.raises(OptionError, match=r"op must be one of conv1d, .*; got 'conv4d'"):
        output_shape("conv4d", X, W)
    with pytest.raises(ArgumentTypeError, match="op must be the name"):
        output_shape(reference.conv2d, X, W)
    with pytest.raises(OptionError, match="conv2d has no option 'strides'; its options are"):
        output_shape("conv2d", X, W, strides=2)
    with pytest.raises(ArgumentTypeError, match="conv2d needs weight_shape"):
        output_shape("conv2d", X)
    with pytest.raises(ArgumentTypeError, match="max_pool2d needs kernel_size"):
        output_shape("max_pool2d", X, stride=2)
    with pytest.raises(OptionError, match="given twice"):
        output_shape("max_pool2d", X, 2, kernel_size=2)
    with pytest.raises(ArgumentTypeError, match="fold needs output_size"):
        output_shape("fold", (4, 16), 2)
    with pytest.raises(ArgumentTypeError, match="x_shape must be a sequence of integers, got 5"):
        output_shape("conv2d", 5, W)
    with pytest.raises(ArgumentTypeError, match=r"x_shape\[1\] must be an integer, got 4.0"):
        output_shape("conv2d", (1, 4.0, 8, 8), W)
    with pytest.raises(OptionError, match=r"x_shape\[0\] must be at least 0, got -1"):
        output_shape("conv2d", (-1, 4, 8, 8), W)


def test_huge_sizes_are_computed_without_overflow():
    assert output_shape("conv1d", (1, 1, 2**70), (1, 1, 3)) == (1, 1, 2**70 - 2)


def test_same_padding():
    with pytest.raises(OptionError, match="kernel_size must be at least 1"):
        same_padding(0)
    with pytest.raises(ShapeError, match="dilation must have one entry"):
        same_padding((3, 3, 3), (1, 1))
    with pytest.raises(ArgumentTypeError, match="kernel_size must be an integer, got '3'"):
        same_padding("3")
    with pytest.raises(ArgumentTypeError, match="bool True"):
        same_padding(3, dilation=True)


def test_receptive_field():
    with pytest.raises(ArgumentTypeError, match="put a single layer into a list"):
        receptive_field(3)
    with pytest.raises(ArgumentTypeError, match="put a single layer into a list"):
        receptive_field({"kernel_size": 3})
    with pytest.raises(OptionError, match=r"layers\[0\] must have kernel_size .* got \['kernel'\]"):
        receptive_field([{"kernel": 3}])
    with pytest.raises(ShapeError, match=r"layers\[1\] must be \(kernel_size, stride"):
        receptive_field([3, (3, 1, 0, 1, 1)])
    with pytest.raises(ShapeError, match=r"disagree about .* \[2, 3\]"):
        receptive_field([Layer((3, 3)), Layer((3, 3, 3))])
    with pytest.raises(OptionError, match=r"layers\[0\]: stride must be at least 1"):
        receptive_field([Layer(3, stride=0)])
    with pytest.raises(ArgumentTypeError, match=r"layers\[1\] must be an integer, got None"):
        receptive_field([3, None])


def test_conv_matrix():
    weight = np.ones((2, 1, 3))
    with pytest.raises(ArgumentTypeError, match="weight must be a NumPy array, got list"):
        conv_matrix([[[1.0]]], (1, 3))
    with pytest.raises(DTypeError, match="weight must be floating-point, got int64"):
        conv_matrix(weight.astype(np.int64), (1, 5))
    with pytest.raises(ShapeError, match="1 to 3 kernel axes"):
        conv_matrix(np.ones((2, 2)), (1, 5))
    with pytest.raises(ShapeError, match="leave out the batch axis"):
        conv_matrix(weight, (1, 1, 5))
    with pytest.raises(ShapeError, match="x has 2 channels"):
        conv_matrix(weight, (2, 5))
    with pytest.raises(OutOfMemoryError, match="use a smaller input_shape"):
        conv_matrix(weight, (1, 2**40))
    assert conv_matrix(weight.astype(np.float32), (1, 5)).dtype == np.float32
