"""The reference's image filters against scipy.signal and scipy.ndimage."""

import numpy as np
import pytest

import cases
from fastconv import reference

signal = pytest.importorskip("scipy.signal")
ndimage = pytest.importorskip("scipy.ndimage")

SIGNAL_BOUNDARIES = {"fill": "fill", "reflect": "symm", "wrap": "wrap"}
SIGNAL_CASES = [
    problem
    for problem in cases.IMAGE_CASES
    if problem.options.get("boundary", "fill") in SIGNAL_BOUNDARIES
]
NDIMAGE_CASES = [
    problem
    for problem in cases.IMAGE_CASES
    if problem.options.get("mode") == "same" and all(k % 2 for k in problem.weight_shape)
]


def _per_channel(image, function):
    if image.ndim == 2:
        return function(image)
    return np.stack([function(image[..., c]) for c in range(image.shape[2])], axis=-1)


@pytest.mark.parametrize("problem", SIGNAL_CASES, ids=lambda problem: problem.name)
def test_equals_scipy_signal(problem):
    image, kernel, *_ = cases.gaussian(problem, np.float64)
    options = dict(problem.options)
    expected = _per_channel(
        image,
        lambda plane: getattr(signal, problem.op)(
            plane,
            kernel,
            options.get("mode", "full"),
            SIGNAL_BOUNDARIES[options.get("boundary", "fill")],
            options.get("fill_value", 0.0),
        ),
    )
    actual = cases.call(reference, problem, cases.Operands(image, kernel))
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("problem", NDIMAGE_CASES, ids=lambda problem: problem.name)
def test_equals_scipy_ndimage_for_odd_kernels(problem):
    image, kernel, *_ = cases.gaussian(problem, np.float64)
    function = ndimage.convolve if problem.op == "convolve2d" else ndimage.correlate
    mode = problem.options.get("boundary", "fill").replace("fill", "constant")
    value = problem.options.get("fill_value", 0.0)
    expected = _per_channel(image, lambda plane: function(plane, kernel, mode=mode, cval=value))
    actual = cases.call(reference, problem, cases.Operands(image, kernel))
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


def test_convolution_rotates_the_kernel():
    image, kernel = np.random.default_rng(0).standard_normal((2, 5, 5))
    np.testing.assert_allclose(
        reference.convolve2d(image, kernel), reference.correlate2d(image, kernel[::-1, ::-1])
    )
    # Convolution commutes; correlation does not.
    np.testing.assert_allclose(
        reference.convolve2d(image, kernel), reference.convolve2d(kernel, image), atol=1e-14
    )


def test_an_infinite_kernel_element_outside_the_image_gives_no_nan():
    kernel = np.array([[np.inf, 1.0, 1.0]])
    y = reference.correlate2d(np.ones((1, 3)), kernel, mode="same")
    np.testing.assert_array_equal(y, [[2.0, np.inf, np.inf]])
