import numpy as np
import pytest

import fastconv
from fastconv.benchmarks import verify
from fastconv.benchmarks.contestant import Settings
from fastconv.benchmarks.problem import (
    Arrays,
    Problem,
    call,
    element_type,
    make_arrays,
    output_shape,
)
from fastconv.benchmarks.verify import OWN_FACTOR, Verifier, tolerance

PROBLEMS = [
    Problem("dense", "conv2d", (3, 12, 20, 19), (18, 12, 3, 3), True, {"padding": 1}),
    Problem("strided", "conv2d", (2, 4, 21, 19), (6, 4, 5, 3), False, {"stride": (2, 3)}),
    Problem("far", "conv2d", (1, 8, 15, 15), (8, 8, 3, 3), False, {"padding": 6, "dilation": 6}),
    Problem("groups", "conv2d", (2, 12, 9, 9), (18, 4, 3, 3), True, {"groups": 3}),
    Problem("depthwise", "conv1d", (2, 30, 50), (30, 1, 7), False, {"groups": 30, "padding": 3}),
    Problem("causal", "conv1d", (1, 4, 50), (8, 4, 2), True, {"padding": ((8, 0),), "dilation": 8}),
    Problem("volume", "conv3d", (1, 4, 6, 7, 8), (5, 4, 3, 3, 3), False, {"padding": 1}),
    Problem("up", "conv_transpose2d", (2, 6, 8, 9), (6, 5, 4, 4), True, {"stride": 2, "groups": 2}),
    Problem("max", "max_pool2d", (2, 12, 20, 19), options={"kernel_size": 3, "padding": 1}),
    Problem("average", "avg_pool1d", (2, 12, 60), options={"kernel_size": 3}),
    Problem("norm", "lp_pool2d", (1, 5, 9, 9), options={"norm_type": 2.0, "kernel_size": 3}),
    Problem("image", "correlate2d", (40, 37), (5, 5), options={"mode": "same"}),
    Problem("colour", "correlate2d", (30, 27, 3), (3, 4), options={"mode": "same"}),
]


def exact(problem):
    arrays = make_arrays(problem)
    return arrays, call(fastconv.reference, problem, arrays).astype(np.float32)


@pytest.fixture(params=[None, 2000], ids=["whole", "parts"])
def extent(request, monkeypatch):
    """The reference computes everything, or three parts of about 2000 multiply-adds."""
    if request.param:
        monkeypatch.setattr(verify, "_WHOLE", 0)
        monkeypatch.setattr(verify, "_PART", request.param)
    return request.param


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_the_rounded_reference_is_right(problem, extent):
    arrays, answer = exact(problem)
    verifier = Verifier(fastconv.reference, problem, arrays, "float32")
    outcome = verifier.compare(answer, 1.0)
    assert outcome.ok, outcome.message
    assert verifier.outputs_checked > 0
    if extent is None:
        assert verifier.outputs_checked == answer.size


@pytest.mark.parametrize("corner", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_one_wrong_output_at_either_end_is_found(problem, corner, extent):
    arrays, answer = exact(problem)
    answer.flat[corner] += 0.01
    outcome = Verifier(fastconv.reference, problem, arrays, "float32").compare(answer, OWN_FACTOR)
    assert not outcome.ok
    where = tuple(0 if corner == 0 else n - 1 for n in output_shape(problem))
    if not (problem.is_filter and extent):
        assert f"at {where}" in outcome.message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_found(bad):
    problem = PROBLEMS[0]
    arrays, answer = exact(problem)
    answer[0, 0, 3, 3] = bad
    outcome = Verifier(fastconv.reference, problem, arrays, "float32").compare(answer, OWN_FACTOR)
    assert not outcome.ok
    assert "(0, 0, 3, 3)" in outcome.message


def test_maxima_must_be_exact():
    problem = PROBLEMS[8]
    arrays, answer = exact(problem)
    answer.flat[5] = np.nextafter(answer.flat[5], np.float32(np.inf))
    outcome = Verifier(fastconv.reference, problem, arrays, "float32").compare(answer, OWN_FACTOR)
    assert not outcome.ok


def test_shape_and_type_are_part_of_the_answer():
    problem = PROBLEMS[0]
    arrays, answer = exact(problem)
    verifier = Verifier(fastconv.reference, problem, arrays, "float32")
    assert "returned float64" in verifier.compare(answer.astype(np.float64), OWN_FACTOR).message
    assert "expected float32 (3, 18" in verifier.compare(answer[:1], OWN_FACTOR).message


def test_the_error_is_measured_in_units_of_the_sum_of_magnitudes():
    problem = Problem("p", "conv1d", (1, 1, 4), (1, 1, 4))
    arrays, answer = exact(problem)
    scale = float(np.abs(arrays.x * arrays.weight).sum())
    eps = float(np.finfo(np.float32).eps)
    answer = (answer.astype(np.float64) + 5 * eps * scale).astype(np.float32)
    outcome = Verifier(fastconv.reference, problem, arrays, "float32").compare(answer, OWN_FACTOR)
    assert outcome.error == pytest.approx(5, abs=1)
    assert outcome.ok


LEVELS = ("highest", "high", "medium")


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_of_precision_allows_what_it_leaves_out(level):
    problem = Problem("p", "conv1d", (1, 1, 4), (1, 1, 4))
    arrays, answer = exact(problem)
    scale = float(np.abs(arrays.x * arrays.weight).sum())
    settings = Settings(threads=1, precision=level)
    verifier = Verifier(fastconv.reference, problem, arrays, "float32")
    allowed = tolerance(settings, own=True)
    left_out = {"highest": 0.0, "high": 3 * 2.0**-16, "medium": 2.0**-7}[level]
    limit = (left_out * (1 + 2.0**-7) + OWN_FACTOR * 2.0**-23) * scale
    for share, ok in ((0.95, True), (1.05, False)):
        changed = (answer.astype(np.float64) + share * limit).astype(np.float32)
        assert verifier.compare(changed, allowed).ok == ok


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_results_are_allowed_their_last_bit_and_no_more(dtype):
    problem = Problem("p", "conv2d", (1, 40, 6, 6), (8, 40, 3, 3))
    arrays = make_arrays(problem, dtype)
    right = call(fastconv.reference, problem, arrays).astype(element_type(dtype))
    verifier = Verifier(fastconv.reference, problem, arrays, dtype)
    allowed = tolerance(Settings(threads=1, dtype=dtype), own=True)
    assert verifier.compare(right, allowed).ok
    wrong = (right.astype(np.float64) * (1 + 4 * allowed.rounding)).astype(right.dtype)
    assert not verifier.compare(wrong, allowed).ok


def test_peers_in_bfloat16_are_allowed_what_that_costs():
    medium = Settings(threads=1, precision="medium")
    assert medium.peer_dtype == "bfloat16"
    assert Settings(threads=1, precision="high").peer_dtype == "float32"
    problem = PROBLEMS[0]
    arrays = make_arrays(problem)
    rounded = Arrays(*(a.astype(element_type("bfloat16")).astype(np.float64) for a in arrays[:3]))
    answer = call(fastconv.reference, problem, rounded)
    stored = answer.astype(element_type("bfloat16")).astype(np.float32)
    verifier = Verifier(fastconv.reference, problem, arrays, "float32")
    assert verifier.compare(stored, tolerance(medium, own=False)).ok
    assert not verifier.compare(stored, tolerance(Settings(threads=1), own=False)).ok
    assert not verifier.compare(stored * np.float32(1.1), tolerance(medium, own=False)).ok
