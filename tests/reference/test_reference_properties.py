"""Properties that hold for any sizes: shapes, linearity, shifts, adjoints, matrices."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import cases
from fastconv import reference
from fastconv._geometry import conv_matrix, output_shape, receptive_field, same_padding

small = st.integers(1, 3)


@st.composite
def convolutions(draw, ranks=(1, 3), most_groups=3):
    """Shapes and options of a legal convolution of any rank, small enough for dense matrices."""
    rank = draw(st.integers(*ranks))

    def axes(strategy):
        return draw(st.tuples(*[strategy] * rank))

    kernel, dilation, stride = axes(small), axes(small), axes(st.integers(1, 4))
    padding = axes(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    sizes = axes(st.integers(1, 6))
    for n, (lo, hi), k, d in zip(sizes, padding, kernel, dilation, strict=True):
        assume(n + lo + hi >= d * (k - 1) + 1)
    groups = draw(st.integers(1, most_groups))
    group_in, group_out = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x_shape = (draw(st.integers(0, 2)), groups * group_in, *sizes)
    return rank, x_shape, (groups * group_out, group_in, *kernel), options


def _normal(seed, *shapes):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape) for shape in shapes]


@given(convolutions(), st.integers(0, 1000))
def test_output_shape_is_the_shape_of_the_output(problem, seed):
    rank, x_shape, w_shape, options = problem
    x, w = _normal(seed, x_shape, w_shape)
    y = getattr(reference, f"conv{rank}d")(x, w, **options)
    assert output_shape(f"conv{rank}d", x_shape, w_shape, **options) == y.shape


@given(convolutions(), st.integers(0, 1000))
def test_convolution_sums_the_taps_that_the_formula_names(problem, seed):
    """One output element at a time, straight from the definition."""
    rank, x_shape, w_shape, options = problem
    x, w = _normal(seed, x_shape, w_shape)
    y = getattr(reference, f"conv{rank}d")(x, w, **options)
    assume(y.size)
    generator = np.random.default_rng(seed)
    n, o, *position = (int(generator.integers(size)) for size in y.shape)
    group = o // (w_shape[0] // options["groups"])
    total = 0.0
    for c in range(w_shape[1]):
        for tap in np.ndindex(*w_shape[2:]):
            source = [
                p * s + t * d - lo
                for p, s, t, d, (lo, _) in zip(
                    position,
                    options["stride"],
                    tap,
                    options["dilation"],
                    options["padding"],
                    strict=True,
                )
            ]
            if all(0 <= i < size for i, size in zip(source, x_shape[2:], strict=True)):
                total += x[(n, group * w_shape[1] + c, *source)] * w[(o, c, *tap)]
    assert y[(n, o, *position)] == pytest.approx(total, rel=1e-12, abs=1e-12)


@given(convolutions(), st.integers(0, 1000), st.floats(-3, 3), st.floats(-3, 3))
def test_convolution_is_linear_in_both_arguments(problem, seed, a, b):
    rank, x_shape, w_shape, options = problem
    x1, x2, w1, w2 = _normal(seed, x_shape, x_shape, w_shape, w_shape)
    conv = getattr(reference, f"conv{rank}d")

    def f(x, w):
        return conv(x, w, **options)

    np.testing.assert_allclose(
        f(a * x1 + b * x2, w1), a * f(x1, w1) + b * f(x2, w1), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        f(x1, a * w1 + b * w2), a * f(x1, w1) + b * f(x1, w2), rtol=1e-9, atol=1e-9
    )


@given(convolutions(), st.integers(0, 1000))
def test_a_convolution_is_its_matrix(problem, seed):
    rank, x_shape, w_shape, options = problem
    x, w = _normal(seed, x_shape[1:], w_shape)
    y = getattr(reference, f"conv{rank}d")(x, w, **options)
    matrix = conv_matrix(w, x_shape[1:], **options)
    assert matrix.shape == (y.size, x.size)
    np.testing.assert_allclose(matrix @ x.ravel(), y.ravel(), rtol=1e-10, atol=1e-10)


@given(convolutions(), st.integers(0, 1000))
def test_transposed_convolution_is_the_adjoint(problem, seed):
    """<conv(x), y> == <x, conv_transpose(y)> with the same weight."""
    rank, x_shape, w_shape, options = problem
    x, w = _normal(seed, x_shape, w_shape)
    conv_x = getattr(reference, f"conv{rank}d")(x, w, **options)
    (y,) = _normal(seed + 1, conv_x.shape)
    # The rest of the division by the stride is what output_padding restores; it must be smaller
    # than the stride, which it always is.
    rest = tuple(
        (n + lo + hi - d * (k - 1) - 1) % s
        for n, (lo, hi), d, k, s in zip(
            x_shape[2:],
            options["padding"],
            options["dilation"],
            w_shape[2:],
            options["stride"],
            strict=True,
        )
    )
    adjoint = getattr(reference, f"conv_transpose{rank}d")(y, w, output_padding=rest, **options)
    assert adjoint.shape == x.shape
    assert np.vdot(conv_x, y) == pytest.approx(np.vdot(x, adjoint), rel=1e-10, abs=1e-10)


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(0, 1000))
def test_a_shift_of_the_input_shifts_the_output(rank, kernel, dilation, seed):
    """Away from the borders: compare the outputs that both inputs give in full."""
    extent = dilation * (kernel - 1) + 1
    size = extent + 3
    x, w = _normal(seed, (1, 2, *[size] * rank), (3, 2, *[kernel] * rank))
    conv = getattr(reference, f"conv{rank}d")
    y = conv(x, w, dilation=dilation)
    moved = conv(x[..., 1:], w, dilation=dilation)
    np.testing.assert_allclose(moved, y[..., 1:], rtol=1e-12, atol=1e-12)


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)), st.tuples(small, small), st.integers(0, 1000)
)
def test_same_padding_keeps_the_size(kernel, dilation, seed):
    x, w = _normal(seed, (1, 1, 5, 8), (1, 1, *kernel))
    explicit = reference.conv2d(x, w, padding=same_padding(kernel, dilation), dilation=dilation)
    assert explicit.shape == x.shape
    named = reference.conv2d(x, w, padding="same", dilation=dilation)
    np.testing.assert_array_equal(named, explicit)


@given(convolutions(ranks=(2, 2), most_groups=1), st.integers(0, 1000))
def test_fold_is_the_adjoint_of_unfold_and_unfold_makes_a_convolution(problem, seed):
    _, x_shape, w_shape, options = problem
    options = {key: options[key] for key in ("stride", "padding", "dilation")}
    x, w = _normal(seed, x_shape, w_shape)
    columns = reference.unfold(x, w_shape[2:], **options)
    assert columns.shape == output_shape("unfold", x_shape, w_shape[2:], **options)
    product = w.reshape(w_shape[0], -1) @ columns
    y = reference.conv2d(x, w, **options)
    np.testing.assert_allclose(product.reshape(y.shape), y, rtol=1e-11, atol=1e-11)
    (c,) = _normal(seed + 1, columns.shape)
    folded = reference.fold(c, x_shape[2:], w_shape[2:], **options)
    assert np.vdot(columns, c) == pytest.approx(np.vdot(x, folded), rel=1e-10, abs=1e-10)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 1000))
def test_max_unpool_puts_maxima_back_where_they_were(rank, kernel, stride, ceil_mode, seed):
    (x,) = _normal(seed, (2, 2, *[kernel + 2] * rank))
    pooled, indices = getattr(reference, f"max_pool{rank}d")(
        x, kernel, stride, ceil_mode=ceil_mode, return_indices=True
    )
    planes = x.reshape(4, -1)
    np.testing.assert_array_equal(
        np.take_along_axis(planes, indices.reshape(4, -1), 1), pooled.reshape(4, -1)
    )
    default = [(n - 1) * stride + kernel for n in pooled.shape[2:]]
    assume(all(abs(n - usual) < stride for n, usual in zip(x.shape[2:], default, strict=True)))
    restored = getattr(reference, f"max_unpool{rank}d")(
        pooled, indices, kernel, stride, output_size=x.shape[2:]
    )
    where = restored != 0
    np.testing.assert_array_equal(restored[where], x[where])
    assert np.isin(pooled, restored).all()


@given(st.lists(st.tuples(small, small, st.integers(0, 2), small), max_size=4), st.integers(0, 99))
def test_receptive_field_is_what_changes_an_output(layers, seed):
    """Perturb each input; those that move output 0 span the field, cut at the borders."""
    size = receptive_field([(1, 1, 0), *layers]).size[0] + 20
    field = receptive_field([tuple((entry,) for entry in layer) for layer in layers] or [(1,)])

    def network(x):
        for kernel, stride, padding, dilation in layers:
            weight = np.ones((1, 1, kernel))
            x = reference.conv1d(x, weight, None, stride, padding, dilation)
        return x[..., 0]

    moved = np.flatnonzero(network(np.eye(size)[:, np.newaxis]))
    first, last = field.start[0], field.start[0] + field.size[0] - 1
    # Dilation and stride may leave holes, but the first and the last element are always seen,
    # unless a padded border hides them.
    assert moved.size == 0 or moved.min() >= max(first, 0)
    assert moved.size == 0 or moved.max() <= last
    if all(padding == 0 for _, _, padding, _ in layers):
        assert moved.min() == first
        assert moved.max() == last


@pytest.mark.parametrize(
    "problem", [*cases.CONV_CASES, *cases.TRANSPOSED_CASES], ids=lambda problem: problem.name
)
def test_magnitude_is_the_sum_of_absolute_products(problem):
    operands = cases.exact_integers(problem, np.float64)
    magnitude = reference.magnitude(problem.op, *operands.positional, **problem.options)
    options = {key: value for key, value in problem.options.items() if key != "activation"}
    sums = getattr(reference, problem.op)(*operands.positional, **options)
    assert magnitude.shape == sums.shape
    assert (magnitude >= np.abs(sums)).all()
    ones = cases.Operands(*(a if a is None else np.abs(a) for a in operands))
    np.testing.assert_array_equal(
        magnitude, getattr(reference, problem.op)(*ones.positional, **options)
    )


@pytest.mark.parametrize("problem", cases.ALL_CASES, ids=lambda problem: problem.name)
def test_whole_numbers_are_exact_in_float32(problem):
    """What exact_integers promises: no sum leaves the range where float32 holds whole numbers."""
    operands = cases.exact_integers(problem)
    assert operands.x.dtype == np.float32
    products = math.prod(problem.weight_shape[1:]) if problem.weight_shape else 1
    assert 9 * products + 3 < 2**24
    for array in operands.positional[: 2 + problem.bias]:
        assert np.array_equal(array, np.rint(array))


def test_weights_on_padding_are_never_multiplied():
    weight = np.array([[[np.inf, 1.0, np.nan]]])
    y = reference.conv1d(np.ones((1, 1, 1)), weight, padding=1)
    np.testing.assert_array_equal(y, [[[1.0]]])
    y = reference.conv_transpose1d(np.ones((1, 1, 1)), weight, padding=1)
    np.testing.assert_array_equal(y, [[[1.0]]])


def test_repeated_unpooling_positions_keep_the_last_value():
    y = reference.max_unpool2d(np.arange(1.0, 5).reshape(1, 2, 2), [[[3, 0], [3, 3]]], 2)
    assert y[0, 0, 3] == 4.0
    assert y[0, 0, 0] == 2.0
    assert np.count_nonzero(y) == 2


def test_a_window_that_steps_over_the_input_has_no_position():
    values, indices = reference.max_pool1d(np.ones((1, 1)), 2, 1, 1, 2, return_indices=True)
    np.testing.assert_array_equal(values, [[-np.inf]])
    np.testing.assert_array_equal(indices, [[-1]])


def test_problems_have_their_own_names_and_the_same_arrays_in_every_run():
    names = [problem.name for problem in cases.ALL_CASES]
    assert len(set(names)) == len(names)
    problem = cases.CONV_CASES[0]
    first, again = cases.gaussian(problem), cases.gaussian(problem)
    other = cases.gaussian(problem, seed=1)
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)
