"""Threads, precision, instruction sets, algorithms: set in the program and from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import child_process
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastconv as fc
from fastconv import _core


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    fc.set_num_threads(None)
    fc.set_precision("highest")


BIG = ("conv2d", (4, 32, 64, 64), (32, 32, 3, 3))


def test_number_of_threads() -> None:
    default = fc.get_num_threads()
    assert default >= 1
    for count in (1, 2, 7, np.int64(3), 4096):
        fc.set_num_threads(count)
        assert fc.get_num_threads() == count == fc.show_config().threads
    fc.set_num_threads(3)
    assert fc.explain(*BIG).threads == 3
    fc.set_num_threads(None)
    assert fc.get_num_threads() == default


@pytest.mark.parametrize("count", [0, -1, 4097, 2**31, 2**63 - 1, -(2**63)])
def test_number_of_threads_outside_the_range(count: int) -> None:
    with pytest.raises(fc.OptionError, match=r"count is .* from 1 to 4096"):
        fc.set_num_threads(count)
    with pytest.raises(fc.OptionError, match=r"count is .* beyond 64 bits"):
        fc.set_num_threads(count << 64 | 1 << 64)


@pytest.mark.parametrize("count", [True, 1.0, "2", (1,), np.array([1, 2]), ...], ids=str)
def test_number_of_threads_of_another_type(count: Any) -> None:
    before = fc.get_num_threads()
    with pytest.raises(fc.ArgumentTypeError, match=r"count is .* must be an int"):
        fc.set_num_threads(count)
    assert fc.get_num_threads() == before


def test_many_threads_for_one_call() -> None:
    x = np.ones((4, 8, 40, 40), np.float32)
    weight = np.ones((8, 8, 3, 3), np.float32)
    expected = fc.conv2d(x, weight)
    fc.set_num_threads(64)
    np.testing.assert_array_equal(fc.conv2d(x, weight), expected)


def test_threadpoolctl_limits_the_default() -> None:
    with threadpool_limits(1):
        assert fc.get_num_threads() == 1
        assert fc.explain(*BIG).threads == 1
    with threadpool_limits(3):
        assert fc.get_num_threads() == 3
        fc.set_num_threads(2)  # what the program asks for counts
        assert fc.get_num_threads() == 2


def test_precision() -> None:
    assert fc.get_precision() == "highest"
    fc.set_precision("high")
    assert fc.get_precision() == "high" == fc.show_config().precision
    with fc.precision("medium"):
        assert fc.get_precision() == "medium"
        with fc.precision("highest"):
            assert fc.get_precision() == "highest"
        assert fc.get_precision() == "medium"
    assert fc.get_precision() == "high"
    with pytest.raises(ZeroDivisionError), fc.precision("medium"):
        raise ZeroDivisionError
    assert fc.get_precision() == "high"


def test_precision_belongs_to_a_thread() -> None:
    seen = []
    with fc.precision("medium"):
        other = threading.Thread(target=lambda: seen.append(fc.get_precision()))
        other.start()
        other.join()
    assert seen == ["highest"]


def test_set_precision_counts_for_all_threads() -> None:
    seen = []
    fc.set_precision("high")
    other = threading.Thread(target=lambda: seen.append(level_of_a_call()))
    other.start()
    other.join()
    assert seen == ["high"]
    with fc.precision("medium"):
        fc.set_precision("highest")
        assert fc.get_precision() == "medium"
    assert fc.get_precision() == "highest"


def test_precision_belongs_to_a_task() -> None:
    async def ask(level: Any) -> list[str]:
        with fc.precision(level):
            before = level_of_a_call()
            await asyncio.sleep(0)
            return [before, level_of_a_call()]

    async def both() -> Any:
        return await asyncio.gather(ask("high"), ask("medium"))

    assert asyncio.run(both()) == [["high"] * 2, ["medium"] * 2]


def level_of_a_call(**options: Any) -> str:
    """The accuracy that a call would compute with."""
    explanation = fc.explain("conv2d", (1, 4, 9, 9), (5, 4, 3, 3), **options)
    assert f"precision {explanation.precision}" in explanation.text
    return explanation.precision


def test_the_argument_wins_over_the_setting() -> None:
    assert level_of_a_call() == "highest"
    assert level_of_a_call(precision="medium") == "medium"
    fc.set_precision("medium")
    assert level_of_a_call() == "medium"
    assert level_of_a_call(precision="highest") == "highest"
    with fc.precision("high"):
        assert level_of_a_call() == "high"
        assert level_of_a_call(precision="medium") == "medium"


def test_a_plan_keeps_the_level_it_was_made_with() -> None:
    weight = np.ones((5, 4, 3, 3), np.float32)
    with fc.precision("medium"):
        planned = fc.plan("conv2d", (1, 4, 9, 9), weight)
    assert "precision medium" in planned.explanation
    assert "precision highest" in fc.plan("conv2d", (1, 4, 9, 9), weight).explanation


@pytest.mark.parametrize("value", [3, -1, "high", None, 2**70])
def test_a_wrong_value_in_the_context_is_an_error(value: Any) -> None:
    """Whatever finds the variable of ``precision()`` and sets it must not crash a call."""
    token = _core.precision_context.set(value)
    try:
        with pytest.raises(fc.FastconvError, match="level"):
            fc.conv2d(np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 1, 1), np.float32))
    finally:
        _core.precision_context.reset(token)


@pytest.mark.parametrize("level", ["", "HIGH", "low", None])
def test_unknown_precision(level: Any) -> None:
    with pytest.raises(fc.OptionError, match="'highest', 'high', 'medium'"):
        fc.set_precision(level)
    with pytest.raises(fc.OptionError, match="'highest', 'high', 'medium'"), fc.precision(level):
        pass
    assert fc.get_precision() == "highest"


def test_precision_of_another_type() -> None:
    with pytest.raises(fc.ArgumentTypeError, match="level"):
        fc.set_precision(3)  # type: ignore[arg-type]


def test_configuration() -> None:
    config = fc.show_config()
    assert config.isa in config.runnable_isas
    assert config.runnable_isas[-1] == "scalar"
    assert config.algorithms == ("auto", "direct", "im2col", "winograd", "fft")
    assert config.version == fc.__version__
    assert config.second_level_cache >= 2**15
    for fact in (config.cpu, config.compiler, config.cuda, config.isa, config.version):
        assert fact in str(config)


SHOW = """
import numpy as np
import fastconv as fc

x = np.arange(4 * 9 * 9, dtype=np.float32).reshape(1, 4, 9, 9) % 7
w = np.arange(5 * 4 * 9, dtype=np.float32).reshape(5, 4, 3, 3) % 5
np.testing.assert_array_equal(fc.conv2d(x, w, padding=1), fc.reference.conv2d(x, w, padding=1))
config = fc.show_config()
print(config.isa, config.threads, fc.explain("conv2d", x.shape, w.shape).algorithm)
"""


@pytest.mark.parametrize("isa", fc.show_config().runnable_isas)
def test_isa_from_outside(isa: str) -> None:
    assert child_process.run(SHOW, FASTCONV_ISA=isa).split()[0] == isa


@pytest.mark.parametrize("count", [1, 3, 4096])
def test_threads_from_outside(count: int) -> None:
    assert child_process.run(SHOW, FASTCONV_NUM_THREADS=str(count)).split()[1] == str(count)
    assert child_process.run(SHOW, FASTCONV_NUM_THREADS="", OMP_NUM_THREADS="2").split()[1] == "2"


@pytest.mark.parametrize("algorithm", ["direct", "im2col"])
def test_algorithm_from_outside(algorithm: str) -> None:
    assert child_process.run(SHOW, FASTCONV_ALGORITHM=algorithm).split()[2] == algorithm
    forced = SHOW.replace("w.shape)", "w.shape, algorithm='direct')")
    assert child_process.run(forced, FASTCONV_ALGORITHM="im2col").split()[2] == "direct"


@pytest.mark.parametrize("level", ["highest", "high", "medium"])
def test_precision_from_outside(level: str) -> None:
    code = """
import fastconv as fc
print(fc.get_precision(), fc.show_config().precision)
print(fc.explain("conv1d", (1, 1, 9), (1, 1, 3)).precision)
fc.set_precision("high")
print(fc.get_precision())
"""
    assert child_process.run(code, FASTCONV_PRECISION=level).split() == [level] * 3 + ["high"]


def test_empty_variables_are_unset() -> None:
    names = ("ISA", "ALGORITHM", "NUM_THREADS", "PRECISION")
    variables = {f"FASTCONV_{name}": "" for name in names}
    assert child_process.run(SHOW, **variables) == child_process.run(SHOW)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("FASTCONV_ISA", "mmx", "'scalar'"),
        ("FASTCONV_ISA", "AVX2", "'scalar'"),
        ("FASTCONV_ISA", "é", "'scalar'"),
        ("FASTCONV_ALGORITHM", "fast", "'auto', 'direct', 'im2col'"),
        ("FASTCONV_ALGORITHM", "Direct", "'auto', 'direct', 'im2col'"),
        ("FASTCONV_PRECISION", "low", "'highest', 'high', 'medium'"),
        ("FASTCONV_PRECISION", "HIGH", "'highest', 'high', 'medium'"),
        ("FASTCONV_RESULT_POOL", "-1", "a whole number from 0 to 1000000"),
        ("FASTCONV_RESULT_POOL", "1GB", "a whole number from 0 to 1000000"),
        ("FASTCONV_NUM_THREADS", "0", "a whole number from 1 to 4096"),
        ("FASTCONV_NUM_THREADS", "-2", "a whole number from 1 to 4096"),
        ("FASTCONV_NUM_THREADS", "many", "a whole number from 1 to 4096"),
        ("FASTCONV_NUM_THREADS", "2.5", "a whole number from 1 to 4096"),
        ("FASTCONV_NUM_THREADS", "4097", "a whole number from 1 to 4096"),
        ("FASTCONV_NUM_THREADS", "99999999999999999999", "a whole number from 1 to 4096"),
    ],
)
def test_wrong_variables(variable: str, value: str, allowed: str) -> None:
    text = child_process.run("import fastconv", expect=1, **{variable: value})
    last = text.strip().splitlines()[-1]
    assert "OptionError" in last
    assert variable in last
    assert value in last
    assert allowed in last


def test_bytes_that_are_no_text_in_a_variable() -> None:
    code = """
import os, subprocess, sys
environment = {**os.environb, b"FASTCONV_ISA": b"\\xff\\xfe"}
done = subprocess.run([sys.executable, "-c", "import fastconv"], env=environment,
                      stderr=subprocess.PIPE)
print(done.returncode, b"FASTCONV_ISA" in done.stderr, b"'scalar'" in done.stderr)
"""
    assert child_process.run(code).split() == ["1", "True", "True"]
