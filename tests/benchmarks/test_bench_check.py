import types

import numpy as np
import pytest

import fastconv
from fastconv._layout import channels_last
from fastconv.benchmarks.check import check, check_problems
from fastconv.benchmarks.problem import Problem, make_arrays

PROBLEMS = [
    Problem("dense", "conv2d", (1, 3, 6, 6), (4, 3, 3, 3)),
    Problem("max", "max_pool2d", (1, 3, 6, 6), options={"kernel_size": 2}),
]


def library(change=lambda y: y, refuse=()):
    """The reference dressed up as the library, with results changed by ``change``."""

    def dressed(name):
        def call(x, *arrays, algorithm="auto", **options):
            if algorithm in refuse:
                raise fastconv.UnsupportedError("not here")
            y = getattr(fastconv.reference, name)(x, *arrays, **options)
            return change(y.astype(x.dtype))

        return call

    return types.SimpleNamespace(
        reference=fastconv.reference,
        UnsupportedError=fastconv.UnsupportedError,
        **{p.op: dressed(p.op) for p in PROBLEMS},
    )


def run(lib, **options):
    forced = []
    rows = list(
        check(
            PROBLEMS,
            ["one", "two"],
            lib,
            force_isa=forced.append,
            kernel_of=lambda row, isa, dtype: "kernel",
            **options,
        )
    )
    assert set(forced) == {"one", "two", None}
    assert forced[-1] is None
    return rows


def test_every_combination_is_visited():
    rows = run(library())
    assert len(rows) == 4 * 2 + 2
    for row in rows:
        assert set(row.results) == {(i, d) for i in ("one", "two") for d in ("float32", "float64")}
        assert not row.failures


def test_a_small_error_is_found_by_the_integer_values():
    rows = run(library(lambda y: y * y.dtype.type(1 + 4 * np.finfo(y.dtype).eps)))
    dense = next(r for r in rows if r.problem.name == "dense")
    assert "integer values" in dense.failures[0][2].message


def test_an_exception_is_a_failure():
    def broken(y):
        raise ZeroDivisionError("no")

    rows = run(library(broken), dtypes=["float32"])
    assert all(len(row.failures) == 2 for row in rows)
    assert rows[0].failures[0][2].message == "ZeroDivisionError: no"


def test_a_declined_algorithm_is_no_failure():
    rows = run(library(refuse=["im2col"]))
    declined = [r for r in rows if r.algorithm == "im2col"]
    assert declined
    assert all(value is None for r in declined for value in r.results.values())


def test_problems_cover_every_forward_operator_with_kernels():
    operators = {p.op for p in check_problems()}
    for family in ("conv", "conv_transpose", "max_pool", "avg_pool"):
        assert {f"{family}{rank}d" for rank in (1, 2, 3)} <= operators | {"conv_transpose3d"}
    assert {"min_pool2d", "lp_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"} <= operators
    assert {"correlate2d", "convolve2d"} <= operators


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_channels_last_changes_strides_only(shape):
    x = make_arrays(Problem("p", f"max_pool{len(shape) - 2}d", shape)).x
    y = channels_last(x)
    np.testing.assert_array_equal(x, y)
    assert y.strides[1] == y.itemsize
