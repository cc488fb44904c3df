import itertools

import numpy as np
import pytest

import fastconv
from fastconv.benchmarks.problem import (
    Problem,
    bytes_moved,
    call,
    geometry,
    make_arrays,
    multiply_adds,
    operations,
    output_shape,
)


def test_multiply_adds_of_a_convolution_count_every_tap():
    problem = Problem("p", "conv2d", (2, 6, 5, 7), (4, 3, 3, 2), options={"groups": 2, "stride": 2})
    taps = 0
    for _ in itertools.product(*map(range, output_shape(problem))):
        taps += 3 * 3 * 2
    assert multiply_adds(problem) == taps
    assert operations(problem) == 2 * taps


def test_multiply_adds_of_a_transposed_convolution_count_every_input_and_tap():
    problem = Problem("p", "conv_transpose2d", (1, 4, 3, 5), (4, 6, 2, 3), options={"stride": 2})
    assert multiply_adds(problem) == (4 * 3 * 5) * (6 * 2 * 3)


@pytest.mark.parametrize(("size", "out"), [(13, 6), (7, 7), (8, 2), (10, 3)])
def test_operations_of_adaptive_pooling_count_the_windows(size, out):
    problem = Problem("p", "adaptive_avg_pool1d", (2, 3, size), options={"output_size": out})
    windows = sum(-(-(o + 1) * size // out) - o * size // out for o in range(out))
    assert operations(problem) == 2 * 3 * windows


def test_bytes_count_each_array_once():
    problem = Problem("p", "conv1d", (2, 3, 10), (4, 3, 3), bias=True)
    elements = 2 * 3 * 10 + 4 * 3 * 3 + 4 + 2 * 4 * 8
    assert bytes_moved(problem) == 4 * elements
    assert bytes_moved(problem, "float64") == 8 * elements


def test_arrays_are_the_same_in_every_run_and_differ_between_problems():
    problem = Problem("p", "conv2d", (1, 3, 8, 8), (4, 3, 3, 3), bias=True)
    first, again = make_arrays(problem), make_arrays(problem)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        assert first.x.dtype == first.bias.dtype == np.float32
    other = make_arrays(Problem("q", *list(vars(problem).values())[1:]))
    assert not np.array_equal(first.x, other.x)
    # Guards against a generator or seed that changes unnoticed.
    assert first.x.std() == pytest.approx(1, abs=0.2)


def test_integer_values_are_small_whole_numbers():
    arrays = make_arrays(Problem("p", "conv2d", (1, 3, 8, 8), (4, 3, 3, 3)), fill="integer")
    assert set(np.unique(arrays.x)) == {-3, -2, -1, 0, 1, 2, 3}
    assert set(np.unique(arrays.weight)) <= {-3, -2, -1, 0, 1, 2, 3}


def test_unknown_fill_is_an_error():
    with pytest.raises(
        ValueError, match="fill must be one of normal, integer, infinite, got 'ones'"
    ):
        make_arrays(Problem("p", "conv2d", (1, 3, 8, 8), (4, 3, 3, 3)), fill="ones")


def test_geometry_resolves_every_form_of_padding():
    weight = (4, 3, 3, 4)
    same = Problem("p", "conv2d", (1, 3, 8, 8), weight, options={"padding": "same"})
    assert (geometry(same).pad_lo, geometry(same).pad_hi) == ((1, 1), (1, 2))
    pairs = Problem("p", "conv2d", (1, 3, 8, 8), weight, options={"padding": ((0, 2), (1, 3))})
    assert (geometry(pairs).pad_lo, geometry(pairs).pad_hi) == ((0, 1), (2, 3))
    pool = Problem("p", "max_pool2d", (1, 3, 8, 8), options={"kernel_size": (2, 3)})
    assert geometry(pool).stride == (2, 3)


@pytest.mark.parametrize(
    "problem",
    [
        Problem("a", "conv2d", (1, 3, 8, 9), (4, 3, 3, 3), True, {"padding": 1}),
        Problem("b", "conv_transpose1d", (1, 3, 8), (3, 2, 3), False, {"stride": 2}),
        Problem("c", "max_pool2d", (1, 3, 8, 9), options={"kernel_size": 2}),
        Problem("d", "correlate2d", (8, 9), (3, 3), options={"mode": "same"}),
    ],
    ids=lambda p: p.op,
)
def test_calls_agree_between_library_and_reference(problem):
    arrays = make_arrays(problem)
    got, expected = call(fastconv, problem, arrays), call(fastconv.reference, problem, arrays)
    assert got.shape == output_shape(problem)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
