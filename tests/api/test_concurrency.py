"""Many Python threads, forked processes, and Ctrl-C."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import child_process
import numpy as np
import pytest
from operator_calls import CALLS, CONVOLUTIONS

import fastconv as fc


def test_calls_from_many_python_threads() -> None:
    """Different operators at once, each with threads of its own."""
    fc.set_num_threads(2)
    try:
        calls = [*CALLS] * 4
        expected = [call.run() for call in calls]
        with ThreadPoolExecutor(16) as pool:
            for _ in range(5):
                for result, right in zip(pool.map(lambda c: c.run(), calls), expected, strict=True):
                    np.testing.assert_array_equal(result, right)
    finally:
        fc.set_num_threads(None)


def large(seed: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    return (
        generator.integers(-3, 4, (2, 16, 40, 40)).astype(np.float32),
        generator.integers(-3, 4, (20, 16, 3, 3)).astype(np.float32),
    )


@pytest.mark.parametrize("algorithm", ["auto", "direct", "im2col"])
def test_large_calls_from_many_python_threads(algorithm: str) -> None:
    problems = [large(seed) for seed in range(6)]
    expected = [fc.reference.conv2d(*problem) for problem in problems]
    fc.set_num_threads(3)
    try:
        with ThreadPoolExecutor(6) as pool:
            for _ in range(4):
                results = pool.map(lambda p: fc.conv2d(*p, algorithm=algorithm), problems)
                for result, right in zip(results, expected, strict=True):
                    np.testing.assert_array_equal(result, right)
    finally:
        fc.set_num_threads(None)


def test_one_plan_in_many_python_threads() -> None:
    x, weight = large(0)
    inputs = [x * factor for factor in (1, 2, 3, -1)]
    for algorithm in ("direct", "im2col"):
        planned = fc.plan("conv2d", x.shape, weight, algorithm=algorithm)
        expected = [fc.reference.conv2d(given, weight) for given in inputs]
        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                for result, right in zip(pool.map(planned, inputs), expected, strict=True):
                    np.testing.assert_array_equal(result, right)


def test_settings_change_while_calls_run() -> None:
    x, weight = large(1)
    expected = fc.reference.conv2d(x, weight)

    def change(count: int) -> None:
        fc.set_num_threads(count % 4 + 1)

    try:
        with ThreadPoolExecutor(4) as pool:
            results = [pool.submit(fc.conv2d, x, weight) for _ in range(40)]
            list(pool.map(change, range(100)))
            for result in results:
                np.testing.assert_array_equal(result.result(), expected)
    finally:
        fc.set_num_threads(None)


def test_other_python_threads_run_during_a_call() -> None:
    """The interpreter's lock is released: a long call does not stop the others."""
    code = """
import threading, time
import numpy as np
import fastconv as fc

x, w = np.ones((8, 64, 100, 100), np.float32), np.ones((64, 64, 3, 3), np.float32)
running, ticks = True, 0

def tick():
    global ticks
    while running:
        ticks += 1
        time.sleep(0.001)

thread = threading.Thread(target=tick)
thread.start()
before = ticks
start = time.perf_counter()
while time.perf_counter() - start < 0.5:
    fc.conv2d(x, w)
running = False
thread.join()
print(ticks - before)
"""
    assert int(child_process.run(code)) > 50


PARENT = """
import multiprocessing, os, sys, time
import numpy as np
import fastconv as fc

fc.set_num_threads(2)
generator = np.random.default_rng(0)
x = generator.integers(-3, 4, (4, 16, 40, 40)).astype(np.float32)
w = generator.integers(-3, 4, (20, 16, 3, 3)).astype(np.float32)
right = fc.reference.conv2d(x, w)
planned = fc.plan("conv2d", x.shape, w)
assert fc.explain("conv2d", x.shape, w.shape).threads == 2

def check(_=None):
    for algorithm in ("direct", "im2col"):
        np.testing.assert_array_equal(fc.conv2d(x, w, algorithm=algorithm), right)
    np.testing.assert_array_equal(planned(x), right)
    assert fc.max_pool2d(x, 2).shape == (4, 16, 20, 20)
    assert fc.unfold(x, 3).shape == (4, 144, 38 * 38)
    return True

check()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.parametrize(
    "code",
    [
        """
for _ in range(3):
    child = os.fork()
    if child == 0:
        check()
        grandchild = os.fork()
        if grandchild == 0:
            check()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    check()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
        """
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert all(pool.map(check, range(9)))
check()
""",
        """
import threading
stop = False
def work():
    while not stop:
        check()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        check()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop = True
for thread in threads:
    thread.join()
""",
        """
with multiprocessing.get_context("spawn").Pool(1) as pool:
    assert pool.map(abs, [-1]) == [1]
check()
""",
    ],
    ids=["fork", "pool", "fork while threads run", "spawn"],
)
def test_fork(code: str) -> None:
    assert child_process.run(PARENT + code + "\nprint('done')").strip().endswith("done")


def test_control_c_stops_a_loop_of_calls() -> None:
    code = """
import os, signal, threading
import numpy as np
import fastconv as fc

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
x, w = np.ones((2, 16, 40, 40), np.float32), np.ones((20, 16, 3, 3), np.float32)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True:
        fc.conv2d(x, w)
except KeyboardInterrupt:
    print("interrupted", fc.conv2d(x, w).shape)
"""
    assert "interrupted (2, 20, 38, 38)" in child_process.run(code)


def test_results_do_not_depend_on_what_ran_before() -> None:
    """Workspaces stay between calls: what an earlier call left there must not show."""
    poison = np.full((1, 70, 50, 50), np.nan, np.float32)
    for call in CONVOLUTIONS:
        for algorithm in ("direct", "im2col"):
            right = call.run(algorithm=algorithm)
            fc.conv2d(poison, np.full((70, 70, 3, 3), np.nan, np.float32), algorithm=algorithm)
            np.testing.assert_array_equal(call.run(algorithm=algorithm), right)
