import hashlib
import threading
import time

import numpy as np
import pytest

import fastconv
from fastconv.benchmarks.contestant import DeclinedError, Prepared, Settings
from fastconv.benchmarks.own import Fastconv, FastconvPlan
from fastconv.benchmarks.problem import Problem, call, make_arrays
from fastconv.benchmarks.runner import measure_layers
from fastconv.benchmarks.suites import Layer
from fastconv.benchmarks.timing import Effort, race, wait_until_quiet

SHORT = Effort(seconds=0.004, rounds=2, limit=0.02)
LAYERS = [
    Layer("s", Problem("first", "conv2d", (1, 3, 8, 8), (4, 3, 3, 3))),
    Layer("s", Problem("pool", "max_pool2d", (1, 3, 8, 8), options={"kernel_size": 2})),
    Layer("t", Problem("again", "conv2d", (1, 3, 8, 8), (4, 3, 3, 3))),
]


class Contestant:
    """The reference under another name, with a fault of choice."""

    distributions = ()

    def __init__(self, key, fault=None):
        self.key = self.title = key
        self.fault = fault
        self.prepared = 0

    def prepare(self, problem, arrays, settings):
        self.prepared += 1
        if self.fault == "declines":
            raise DeclinedError("not here")
        if self.fault == "raises":
            raise RuntimeError("broken\nin two lines")

        def run():
            y = call(fastconv.reference, problem, arrays).astype(settings.dtype)
            return y * np.float32(1.01) if self.fault == "wrong" else y

        return Prepared(run)


class Observer:
    def __init__(self, stop_after=99):
        self.names, self.stop_after = [], stop_after

    def starting(self, layer):
        self.names.append(layer.problem.name)

    def finished(self, result):
        assert result.layer.problem.name == self.names[-1]

    def stopped(self):
        return len(self.names) >= self.stop_after


def run(contestants, observer=None, **keywords):
    return measure_layers(
        LAYERS,
        contestants,
        Settings(threads=1),
        SHORT,
        observer or Observer(),
        reference=fastconv.reference,
        **keywords,
    )


def test_right_contestants_are_timed_and_others_are_not():
    results = run(
        [
            Contestant("fastconv"),
            Contestant("good"),
            *(Contestant(f, f) for f in ("declines", "raises", "wrong")),
        ]
    )
    measured = results[0].measurements
    assert measured["fastconv"].seconds > 0
    assert measured["good"].seconds > 0
    assert measured["good"].error <= 1
    assert [measured[k].seconds for k in ("declines", "raises", "wrong")] == [None] * 3
    assert measured["declines"].declined == "not here"
    assert measured["raises"].declined == "RuntimeError: broken"
    assert "expected" in measured["wrong"].wrong
    assert results[0].best_peer() == "good"


@pytest.mark.parametrize("fault", ["wrong", "raises"])
def test_a_fault_of_fastconv_is_reported_as_wrong(fault):
    results = run([Contestant("fastconv", fault), Contestant("good")])
    assert results[0].own.wrong
    assert results[0].own.seconds is None
    assert results[0].speedup("good") is None
    assert results[0].seconds("good") > 0


def test_equal_layers_are_measured_once():
    own = Contestant("fastconv")
    results = run([own], explain=lambda problem, settings: problem.op)
    assert [r.layer.problem.name for r in results] == ["first", "pool", "again"]
    assert own.prepared == 2
    assert results[0].measurements == results[2].measurements
    assert (results[2].layer.suite, results[2].plan) == ("t", "conv2d")


def test_a_stop_keeps_what_was_measured():
    observer = Observer(stop_after=2)
    results = run([Contestant("fastconv")], observer)
    assert [r.layer.problem.name for r in results] == ["first", "pool"]


def test_medians_tell_slow_from_fast():
    timings = race(
        {"slow": lambda: time.sleep(0.004), "fast": lambda: time.sleep(0.001), "none": int},
        Effort(seconds=0.03, rounds=3, limit=0.1),
    )
    assert timings["slow"].median == pytest.approx(0.004, rel=0.5)
    assert timings["fast"].median == pytest.approx(0.001, rel=0.7)
    assert timings["none"].median < 2e-6
    assert timings["none"].best <= timings["none"].median
    assert timings["none"].calls > 1000


def test_pauses_last_until_other_threads_have_stopped():
    """Worker threads that spin would take a core from the next contestant."""
    ended = []

    def work():  # without the interpreter's lock, as worker threads do
        hashlib.pbkdf2_hmac("sha256", b"", b"", 50_000)
        ended.append(True)

    threading.Thread(target=work).start()
    wait_until_quiet()
    assert ended


def test_very_slow_calls_are_made_twice_at_least_and_not_often():
    calls = []

    def slow():
        calls.append(1)
        time.sleep(0.03)

    timing = race({"slow": slow}, Effort(seconds=0.05, rounds=10, limit=0.05))["slow"]
    assert timing.calls == 2
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("contestant", "gradient"), [(Fastconv, ""), (Fastconv, "x"), (FastconvPlan, "")]
)
@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (3, 8, 9)])
def test_arrays_have_the_layout_of_the_run(contestant, gradient, shape):
    """Results have the layout of the input, so they tell what the kernel got."""
    problem = Problem("layout", "conv2d", shape, (4, 3, 3, 3), gradient=gradient)
    arrays = make_arrays(problem, "float32")
    results = []
    for layout in ("contiguous", "channels_last"):
        settings = Settings(threads=1, memory_format=layout)
        results.append(contestant().prepare(problem, arrays, settings).run())
    fastconv.set_num_threads(None)
    assert [y.strides[-3] == y.itemsize for y in results] == [False, True]
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)
