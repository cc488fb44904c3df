"""tune(): what is measured is used, kept per machine, and never in the way."""

from __future__ import annotations

import json
import multiprocessing
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import child_process
import numpy as np
import pytest

import fastconv as fc
from fastconv import _core, _tuned_files

X, WEIGHT = (1, 24, 20, 21), (32, 24, 3, 3)
MEASURED = "fastconv.tune measured"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own."""
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    _core.forget_tuned()
    fc.set_num_threads(None)


def numbers(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return np.random.default_rng(len(shape)).integers(-3, 4, shape).astype(dtype)


def tuned(**options: Any) -> Any:
    return fc.tune("conv2d", X, numbers(WEIGHT), padding=1, seconds=0.02, **options)


def explained(**options: Any) -> Any:
    return fc.explain("conv2d", X, WEIGHT, padding=1, **options)


def test_the_fastest_is_chosen_and_used() -> None:
    assert MEASURED not in explained().reason
    result = tuned()
    for candidates in (result.called, result.planned):
        assert len({c.kernel for c in candidates}) >= 2
        assert sum(c.by_rule for c in candidates) == 1
        rule = next(c for c in candidates if c.by_rule)
        assert candidates[0].by_rule or candidates[0].seconds <= 0.97 * rule.seconds
        assert all(c.seconds > 0 and c.threads >= 1 for c in candidates)
        assert min(c.seconds for c in candidates) >= 0.97 * candidates[0].seconds
    assert MEASURED in explained().reason
    assert explained().kernel == result.called[0].kernel
    planned = fc.plan("conv2d", X, numbers(WEIGHT), padding=1)
    assert MEASURED in planned.explanation
    assert result.planned[0].kernel in planned.explanation
    assert "chosen" in str(result)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("op", "x", "weight", "options"),
    [
        ("conv2d", X, WEIGHT, {"padding": 1}),
        ("conv2d", X[1:], WEIGHT, {"stride": 2}),
        ("conv1d", (2, 8, 50), (9, 8, 3), {}),
        ("conv3d", (1, 4, 5, 6, 7), (8, 4, 1, 1, 1), {}),
        ("conv_transpose2d", (1, 8, 6, 7), (8, 6, 4, 4), {"stride": 2}),
        ("conv2d", (1, 20, 9, 9), (20, 1, 3, 3), {"groups": 20}),
    ],
)
def test_every_choice_computes_the_same(
    op: str, x: Any, weight: Any, options: Any, dtype: Any, memory_format: Any
) -> None:
    """Each candidate in turn is made the choice; whole numbers do not round."""
    values, kernel = numbers(x, dtype), numbers(weight, dtype)
    bias = numbers((weight[1] if "transpose" in op else weight[0],), dtype)
    if memory_format == "channels_last":
        axis = len(x) - len(weight) + 1
        values = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, axis, -1)), -1, axis)
    expected = getattr(fc.reference, op)(values, kernel, bias, **options)
    arguments = (op, x, kernel, bias)
    result = fc.tune(*arguments, **options, memory_format=memory_format, seconds=0.001)
    for path in result.files:
        choice = json.loads(path.read_text())
        candidates = result.planned if " planned " in choice["key"] else result.called
        for one in candidates:
            _core.keep_tuned(choice["key"], one.kernel, 1, 1, one.cache)
            planned = fc.plan(*arguments, **options, memory_format=memory_format)
            for _ in range(2):
                got = getattr(fc, op)(values, kernel, bias, **options)
                np.testing.assert_array_equal(got, expected, err_msg=one.kernel)
                np.testing.assert_array_equal(planned(values), expected, err_msg=one.kernel)


def test_threads_do_not_change_a_bit_of_a_tuned_result() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 32, 40, 40), np.float32)
    weight = random.standard_normal((48, 32, 3, 3), np.float32)
    fc.set_num_threads(2)
    fc.tune("conv2d", x.shape, weight, padding=1, seconds=0.05)
    results = set()
    for count in (1, 2, 3):
        fc.set_num_threads(count)
        results.add(fc.conv2d(x, weight, padding=1).tobytes())
    assert len(results) == 1


def test_a_choice_counts_for_its_problem_alone() -> None:
    tuned()
    assert MEASURED in explained(bias=True, activation="relu").reason
    others: list[dict[str, Any]] = [
        {"dtype": np.float64},
        {"memory_format": "channels_last"},
        {"precision": "high"},
        {"algorithm": "direct"},
    ]
    for other in others:
        assert MEASURED not in explained(**other).reason
    assert MEASURED not in fc.explain("conv2d", X, WEIGHT, padding=2).reason
    isas = _core.info()["runnable_isas"]
    try:
        for isa in isas[1:]:
            _core.force_isa(isa)
            assert MEASURED not in explained().reason
    finally:
        _core.force_isa(None)


SHOW = f"""
import fastconv as fc
reason = fc.explain("conv2d", {X}, {WEIGHT}, padding=1).reason
print("measured" if "{MEASURED}" in reason else "rules")
"""


def test_another_process_follows_the_choice(cache: Path) -> None:
    assert child_process.run(SHOW, FASTCONV_CACHE_DIR=str(cache)).split() == ["rules"]
    files = tuned().files
    assert len(files) == 2
    assert {path.suffix for path in cache.rglob("*") if path.is_file()} == {".json"}
    assert child_process.run(SHOW, FASTCONV_CACHE_DIR=str(cache)).split() == ["measured"]
    for path in files:
        path.unlink()
    assert child_process.run(SHOW, FASTCONV_CACHE_DIR=str(cache)).split() == ["rules"]


def test_nothing_is_read_before_the_first_convolution(cache: Path) -> None:
    tuned()
    code = """
import sys
import numpy as np
import fastconv as fc
fc.max_pool2d(np.ones((1, 1, 4, 4), np.float32), 2)
print("fastconv._tuned_files" in sys.modules and loaded)
"""
    counting = """
import fastconv._tuned_files as files
loaded = 0
real = files._load_file
def count(path):
    global loaded
    loaded += 1
    real(path)
files._load_file = count
"""
    code = counting + code + 'fc.explain("conv1d", (1, 1, 3), (1, 1, 1))\nprint(loaded)\n'
    assert child_process.run(code, FASTCONV_CACHE_DIR=str(cache)).split() == ["0", "2"]


def damage(text: str, **changes: Any) -> str:
    return json.dumps({**json.loads(text), **changes})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "\x00" * 100,
        lambda text: "[1, 2]",
        lambda text: "{}",
        lambda text: "[" * 100_000,
        lambda text: damage(text, version="0.0.1"),
        lambda text: damage(text, machine="another"),
        lambda text: damage(text, format=99),
        lambda text: damage(text, kernel="no such kernel"),
        lambda text: damage(text, kernel=3),
        lambda text: damage(text, key=None),
        lambda text: damage(text, threads=0),
        lambda text: damage(text, threads=-5),
        lambda text: damage(text, limit=2**80),
        lambda text: damage(text, cache=0),
        lambda text: damage(text, cache=2**70),
        lambda text: damage(text, cache="many"),
    ],
)
def test_a_damaged_or_foreign_file_is_ignored_with_a_warning(cache: Path, spoil: Any) -> None:
    good, bad = tuned().files
    bad.write_text(spoil(bad.read_text()))
    _core.forget_tuned()
    with pytest.warns(UserWarning, match="it is ignored") as caught:
        _tuned_files.load()
    assert bad.name in str(caught[0].message)
    assert json.loads(good.read_text())["key"]
    assert MEASURED in explained().reason  # the other file counts


def test_a_choice_that_cannot_compute_the_problem_is_not_followed() -> None:
    path = next(p for p in tuned().files if " called " in p.read_text())
    key = json.loads(path.read_text())["key"]
    for kernel in ("direct, depthwise channels-last", "direct, channels-last"):
        _core.keep_tuned(key, kernel, 1, 1, 1 << 20)
        assert explained().kernel != kernel
        assert MEASURED not in explained().reason
    for cache in (1, 2**62):  # blocks of any size are right
        _core.keep_tuned(key, "im2col, planar", 1, 1, cache)
        assert explained().kernel == "im2col, planar"
        x = numbers(X)
        np.testing.assert_array_equal(
            fc.conv2d(x, numbers(WEIGHT), padding=1),
            fc.reference.conv2d(x, numbers(WEIGHT), padding=1),
        )


@pytest.mark.parametrize("where", ["file", "unreadable"])
def test_a_folder_that_cannot_be_used(cache: Path, where: str) -> None:
    if where == "file":
        cache.write_text("in the way")
    else:
        cache.mkdir()
        (cache / "tuned").write_text("in the way")
    with pytest.warns(UserWarning, match="this process only"):
        assert tuned().files == ()
    assert MEASURED in explained().reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _tuned_files.load()


def _tune_in_a_process(number: int) -> list[str]:
    weight = numbers(WEIGHT)
    result = fc.tune("conv2d", X, weight, padding=1 + number % 3, seconds=0.005)
    return [str(path) for path in result.files]


def test_processes_that_tune_at_once(cache: Path) -> None:
    """Several write the same files over and over; whoever reads finds whole ones."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        pending = pool.map_async(_tune_in_a_process, range(12))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            while not pending.ready():
                _tuned_files.load()
        names = {name for names in pending.get(60) for name in names}
    assert len(names) == 6
    assert {str(p) for p in cache.rglob("*") if p.is_file()} == names


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seconds": 0}, fc.OptionError, "seconds"),
        ({"seconds": -1.0}, fc.OptionError, "seconds"),
        ({"seconds": float("nan")}, fc.OptionError, "seconds"),
        ({"seconds": "long"}, fc.OptionError, "seconds"),
        ({"seconds": True}, fc.OptionError, "seconds"),
        ({"groups": 5}, fc.ShapeError, "groups"),
        ({"memory_format": "nhwc"}, fc.OptionError, "'contiguous', 'channels_last'"),
    ],
)
def test_bad_arguments(options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fc.tune("conv2d", X, numbers(WEIGHT), **options)


def test_a_plan_can_tune() -> None:
    weight = numbers(WEIGHT)
    planned = fc.plan("conv2d", X, weight, padding=1, tune=True)
    assert MEASURED in planned.explanation
    np.testing.assert_array_equal(
        planned(numbers(X)), fc.reference.conv2d(numbers(X), weight, padding=1)
    )
