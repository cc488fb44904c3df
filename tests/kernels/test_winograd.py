"""What is particular to Winograd's algorithm: when it is taken, and what it leaves to others.

Its results on every instruction set are tested by the C++ kernel tests, its errors by
test_precision.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cases
import fastconv as fc
from fastconv import _core, reference
from fastconv.benchmarks.problem import Problem
from neighbourhood import neighbourhood

ISAS = [isa for isa in _core.info()["runnable_isas"] if isa != "scalar"]
LEVELS = ("highest", "high")
DENSE = Problem("dense", "conv2d", (1, 64, 28, 28), (64, 64, 3, 3), options={"padding": 1})
DENSE_WEIGHT = cases.gaussian(DENSE).weight
# Enough work for several threads, shared by tiles, and by output channels where tiles are few.
THREADED = [
    DENSE,
    Problem("images", "conv2d", (5, 40, 14, 13), (70, 40, 3, 3), True, {"padding": 1}),
    Problem("few tiles", "conv2d", (1, 96, 5, 6), (200, 96, 3, 3), options={"activation": "silu"}),
    Problem("groups", "conv2d", (2, 66, 20, 20), (66, 33, 3, 3), options={"groups": 2}),
    Problem("signal", "conv1d", (1, 48, 2000), (50, 48, 3), options={"padding": 1}),
    Problem("dilated", "conv1d", (1, 48, 2000), (50, 48, 3), options={"dilation": 64}),
    Problem("volume", "conv3d", (1, 20, 6, 16, 16), (40, 20, 3, 3, 3), options={"padding": 1}),
    Problem("up", "conv_transpose2d", (1, 48, 20, 20), (48, 40, 3, 3), options={"dilation": 2}),
    Problem("pairs", "conv1d", (1, 48, 2000), (50, 48, 2), options={"dilation": 16}),
    Problem("fives", "conv2d", (1, 48, 20, 20), (70, 48, 5, 5), options={"padding": 2}),
    Problem("stride", "conv2d", (2, 48, 29, 30), (70, 48, 3, 3), True, {"stride": 2}),
    Problem("even", "conv2d", (1, 96, 8, 10), (200, 96, 4, 4), options={"stride": 2}),
    Problem("double", "conv_transpose2d", (2, 48, 15, 14), (48, 40, 4, 4), options={"stride": 2}),
    Problem("uneven", "conv_transpose2d", (1, 96, 5, 6), (96, 90, 3, 3), options={"stride": 2}),
]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    _core.force_isa(request.param)
    yield request.param
    _core.force_isa(None)


def forced(problem: Problem, operands: cases.Operands, level: str) -> Any:
    return cases.call(fc, problem, operands, algorithm="winograd", precision=level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("problem", THREADED, ids=lambda p: p.name)
def test_threads_do_not_change_a_bit(problem: Problem, level: str, isa: str) -> None:
    operands = cases.gaussian(problem)
    results = []
    for count in (1, 2, 3, 7):
        fc.set_num_threads(count)
        results.append(forced(problem, operands, level).tobytes())
    fc.set_num_threads(None)
    assert len(set(results)) == 1


@pytest.mark.parametrize(
    ("level", "channels", "kernel", "allowed"),
    [
        ("highest", 31, (3, 3), {"2x2"}),
        ("highest", 64, (3, 3), {"2x2", "4x2"}),
        ("highest", 128, (3, 3), {"2x2", "4x2", "4x4"}),
        ("highest", 63, (3, 1), {"2x2"}),
        ("high", 16, (3, 3), {"2x2", "4x2", "4x4"}),
    ],
)
def test_tiles_follow_level_and_length_of_sums(
    level: Any, channels: int, kernel: tuple[int, int], allowed: set[str], isa: str
) -> None:
    taken = set()
    for size in (8, 14, 28, 56, 112):
        story = fc.explain(
            "conv2d",
            (1, channels, size, size),
            (64, channels, *kernel),
            algorithm="winograd",
            precision=level,
        )
        assert story.algorithm == "winograd"
        taken.add(story.kernel.removeprefix("winograd, ").removesuffix(" tiles"))
    assert taken <= allowed
    assert taken & (allowed - {"2x2"} or allowed)


@pytest.mark.parametrize(
    ("op", "kernel", "options", "tiles"),
    [
        ("conv2d", (2, 2), {}, "3x3"),
        ("conv2d", (1, 2), {"dilation": 3}, "3x3"),
        ("conv2d", (5, 5), {"padding": 2}, "2x2"),
        ("conv2d", (3, 3), {"stride": 2, "padding": 1}, "3x3"),
        ("conv2d", (4, 4), {"stride": 2, "padding": 1}, "3x3"),
        ("conv2d", (4, 1), {"stride": (2, 1)}, "3x3"),
        ("conv_transpose2d", (4, 4), {"stride": 2, "padding": 1}, "3x3"),
        ("conv_transpose2d", (3, 3), {"stride": 2, "padding": 1}, "3x3"),
        ("conv2d", (6, 6), {"stride": 2, "precision": "high"}, "4x4"),
        ("conv_transpose2d", (5, 5), {"stride": 2, "precision": "high"}, "4x4"),
    ],
    ids=str,
)
def test_tiles_follow_the_kernel_and_its_phases(
    op: str, kernel: tuple[int, int], options: dict[str, Any], tiles: str, isa: str
) -> None:
    shape, weight = (2, 128, 56, 56), np.ones((128, 128, *kernel), np.float32)
    story = fc.explain(op, shape, weight.shape, algorithm="winograd", **options)
    assert story.kernel == f"winograd, {tiles} tiles"
    if isa != "amx":
        assert "algorithm: winograd" in fc.plan(op, shape, weight, **options).explanation


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("planned", [False, True])
def test_highest_keeps_whole_numbers_whole(planned: bool, size: int, isa: str) -> None:
    """Tiles of six points along an axis round them."""
    shape, weight_shape = (2, 128, 20, 21), (32, 128, size, size)
    problem = Problem("whole", "conv2d", shape, weight_shape, True, {"padding": 1})
    operands = cases.exact_integers(problem)
    x, weight, bias = operands.x, operands.weight, operands.bias
    for given in (x, np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1), x[..., ::-1]):
        if planned:
            y = fc.plan("conv2d", x.shape, weight, bias, padding=1)(given)
        else:
            y = fc.conv2d(given, weight, bias, padding=1)
        right = cases.call(reference, problem, operands._replace(x=given)).astype(np.float32)
        np.testing.assert_array_equal(y, right)


def test_large_weights_on_zeros_decide_the_error_of_a_transform(isa: str) -> None:
    """Where only small kernel elements meet the pixels.

    A direct sum keeps its bound, relative to what is really multiplied.
    """
    eps = np.finfo(np.float32).eps
    x, weight = cases.gaussian(DENSE).x[:, :, :8, :8].copy(), cases.gaussian(DENSE).weight.copy()
    x[:, :, :, 0::2] = 0
    weight[:, :, :, 1] *= np.float32(1e-6)
    problem = Problem("gaps", "conv2d", x.shape, weight.shape)
    operands = cases.Operands(x, weight)
    exact = cases.call(reference, problem, operands)
    sums = reference.magnitude("conv2d", x, weight)
    direct = cases.call(fc, problem, operands, algorithm="direct", precision="highest")
    assert np.all(np.abs(direct - exact) <= 32 * eps * sums)
    error = np.abs(forced(problem, operands, "highest") - exact)
    assert np.max(error / (eps * sums)) > 1000
    assert np.all(error <= 32 * eps * neighbourhood(problem, operands))


def test_high_takes_it_where_it_pays(isa: str) -> None:
    taken = {}
    for channels, size in ((4, 56), (64, 56), (256, 28)):
        story = fc.explain(
            "conv2d",
            (1, channels, size, size),
            (channels, channels, 3, 3),
            padding=1,
            precision="high",
        )
        taken[channels] = story.algorithm
    assert taken[4] == "direct"
    if isa != "amx":
        assert taken == {4: "direct", 64: "winograd", 256: "winograd"}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["x", "weight"])
def test_what_a_transform_cannot_hold_is_computed_directly(
    where: str, value: float, level: str, isa: str
) -> None:
    """One infinity would reach a whole tile."""
    operands = cases.gaussian(DENSE)
    array = getattr(operands, where).copy()
    array.reshape(-1)[array.size // 3] = value
    operands = operands._replace(**{where: array})
    direct = cases.call(fc, DENSE, operands, algorithm="direct", precision=level)
    np.testing.assert_array_equal(forced(DENSE, operands, level), direct)
    planned = fc.plan(
        "conv2d",
        DENSE.x_shape,
        operands.weight,
        padding=1,
        algorithm="winograd",
        precision=level,
    )
    np.testing.assert_array_equal(planned(operands.x), direct)


@pytest.mark.parametrize("level", LEVELS)
def test_overflow_in_a_transform_is_no_overflow_of_the_result(level: str, isa: str) -> None:
    operands = cases.gaussian(DENSE)
    x, weight = operands.x.copy(), operands.weight * np.float32(1e-3)
    x[:, :, ::3] = np.copysign(np.finfo(np.float32).max / 2, x[:, :, ::3])
    operands = cases.Operands(x, weight)
    exact = cases.call(reference, DENSE, operands)
    bound = 100 * np.finfo(np.float32).eps * neighbourhood(DENSE, operands)
    assert np.all(np.abs(forced(DENSE, operands, level) - exact) <= bound)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stride": 3}, "at stride 2"),
        ({"dtype": np.float64}, "float32"),
        ({"kernel": (7, 7)}, "2, 3 or 5"),
        ({"kernel": (1, 1)}, "2, 3 or 5"),
        ({"kernel": (2, 3)}, "as high as wide"),
        ({"kernel": (4, 4), "stride": 2, "dilation": 2}, "at stride 2"),
        ({"kernel": (5, 5)}, "too short"),
        ({"kernel": (2, 2)}, "too short"),
        ({"stride": 2}, "too short"),
        ({"op": "conv_transpose2d", "stride": 2}, "too short"),
    ],
    ids=str,
)
def test_what_it_cannot_do_is_an_error(options: dict[str, Any], reason: str) -> None:
    options = dict(options)
    op, kernel = options.pop("op", "conv2d"), options.pop("kernel", (3, 3))
    dtype = options.pop("dtype", np.float32)
    x, weight = np.ones((1, 4, 9, 9), dtype), np.ones((4, 4, *kernel), dtype)
    with pytest.raises(fc.UnsupportedError, match=reason):
        getattr(fc, op)(x, weight, algorithm="winograd", **options)
