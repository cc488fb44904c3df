"""Sizes whose products overflow 64 bits or memory: an error at once, or the right result.

Zero-stride views claim any size without owning memory. Every case runs in a process of its own
with little memory, so that neither a crash nor an allocation can do harm.
"""

from __future__ import annotations

from typing import Any

import child_process
import numpy as np
import pytest

import fastconv as fc
from fastconv import reference

PREPARE = """
import resource, time
import numpy as np
import fastconv as fc

resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

def zeros(*shape, dtype=np.float32):
    return np.broadcast_to(np.zeros((), dtype), shape)

def attempt(text, call):
    print(text, end=": ", flush=True)
    start = time.perf_counter()
    try:
        call()
    except (fc.ShapeError, fc.OptionError, fc.OutOfMemoryError) as error:
        assert len(str(error)) > 20, error
        print(type(error).__name__, error)
    else:
        raise SystemExit("no error")
    assert time.perf_counter() - start < 5, "slow"

X, W = np.ones((1, 2, 8, 9), np.float32), np.ones((3, 2, 3, 3), np.float32)
L, K = np.ones((1, 1, 8), np.float32), np.ones((1, 1, 3), np.float32)
"""

TOO_LARGE = [
    "fc.conv1d(zeros(1, 1, 2**40), K)",
    "fc.conv1d(zeros(1, 1, 2**60), K)",
    "fc.conv1d(zeros(1, 1, 2**60), K, stride=2**31)",
    "fc.conv1d(zeros(2**40, 1, 8), K)",
    "fc.conv1d(zeros(2**57, 1, 8), K)",
    "fc.conv1d(L, zeros(2**40, 1, 3))",
    "fc.conv1d(L, zeros(2**57, 1, 3))",
    "fc.conv1d(zeros(1, 2**50, 8), zeros(1, 2**50, 3))",
    "fc.conv1d(zeros(1, 1, 2**50), zeros(1, 1, 2**50))",
    "fc.conv2d(zeros(2**10, 2**20, 2**10, 2**10), zeros(1, 2**20, 1, 1))",
    "fc.conv3d(zeros(1, 1, 2**19, 2**20, 2**20), zeros(1, 1, 1, 1, 1))",
    "fc.conv2d(X, W, padding=2**31)",
    "fc.conv2d(X, W, padding=2**31 - 1)",
    "fc.conv2d(X, W, padding=((2**31, 0), (0, 2**31)))",
    "fc.conv2d(X, W, padding=2**63 - 1)",
    "fc.conv2d(X, W, padding='same', dilation=2**62)",
    "fc.conv2d(X, W, padding='same', dilation=2**63 - 1)",
    "fc.conv2d(X, W, dilation=2**63 - 1)",
    "fc.conv_transpose1d(L, K, stride=2**31)",
    "fc.conv_transpose1d(L, K, dilation=2**31)",
    "fc.conv_transpose1d(zeros(1, 1, 2**33 + 1), K, stride=2**31)",
    "fc.conv_transpose1d(zeros(1, 1, 2**40), K, stride=2**31)",
    "fc.conv_transpose1d(zeros(1, 1, 2**60), K, stride=2**31)",
    "fc.conv_transpose1d(L, zeros(1, 2**40, 3))",
    "fc.conv_transpose1d(zeros(1, 2**20, 8), zeros(2**20, 2**37, 3), groups=2**20)",
    "fc.max_pool1d(zeros(1, 1, 2**60), 2)",
    "fc.max_pool1d(zeros(1, 1, 2**60), 2**60)",
    "fc.max_pool2d(zeros(2**20, 2**20, 2**10, 2**10), 2)",
    "fc.min_pool3d(zeros(1, 1, 2**20, 2**20, 2**18), 2)",
    "fc.avg_pool1d(zeros(1, 1, 2**40), 2)",
    "fc.lp_pool1d(zeros(1, 1, 2**40), 2.0, 2)",
    "fc.adaptive_avg_pool1d(L, 2**62)",
    "fc.adaptive_avg_pool1d(L, 2**40)",
    "fc.adaptive_max_pool2d(X, (2**31, 2**31))",
    "fc.adaptive_max_pool1d(zeros(1, 1, 2**59), 2**58)",
    "fc.unfold(zeros(1, 1, 2**30, 2**30), 2)",
    "fc.unfold(zeros(1, 1, 2**40, 2**20), 2**10)",
    "fc.unfold(X, 2, padding=2**40)",
    "fc.unfold(X, 3, dilation=2**62, padding='same')",
    "fc.fold(np.ones((1, 4, 4), np.float32), 2**60, 2)",
    "fc.fold(np.ones((1, 4, 4), np.float32), 2**40, 2, stride=2**39)",
    "fc.max_unpool1d(zeros(1, 1, 2**34 + 1), zeros(1, 1, 2**34 + 1, dtype=np.int64), 2, 2**30)",
    "fc.max_unpool1d(zeros(1, 1, 2**40), zeros(1, 1, 2**40, dtype=np.int64), 2)",
    "fc.max_unpool1d(L, np.zeros((1, 1, 8), np.int64), 2**30)",
    "fc.convolve2d(zeros(2**30, 2**30), K[0])",
    "fc.convolve2d(zeros(2**60, 1), K[0])",
    "fc.convolve2d(zeros(3, 3), zeros(2**30, 2**30))",
    "fc.correlate2d(zeros(3, 3, 2**40), K[0])",
    "fc.correlate2d(zeros(2**20, 2**20, 3), K[0], 'same')",
    "fc.plan('conv1d', (1, 1, 2**63 - 1), K)",
    "fc.plan('conv1d', (1, 1, 2**64), K)",
    "fc.plan('conv1d', (2**62, 2**62, 2**62), K)",
    "fc.plan('conv1d', (1, 2**20, 9), zeros(2**20, 2**20, 3))",
    "fc.plan('conv1d', (1, 1, 2**40), K)(zeros(1, 1, 2**40))",
    "fc.explain('conv1d', (1, 1, 2**63 - 1), (1, 1, 3))",
    "fc.explain('conv1d', (1, 1, 2**40), (1, 1, 2**70))",
    "fc.explain('conv1d', (1, 1, 2**50), (2**40, 1, 3), bias=True)",
    "fc.explain('conv_transpose2d', (1, 2, 8, 8), (2, 3, 3, 3), bias=True, groups=2**62)",
    "fc.conv_matrix(K, (1, 2**30))",
    "fc.conv_matrix(K, (1, 2**62))",
    "fc.conv_matrix(K, (1, 10), padding=2**62)",
]


def test_too_large() -> None:
    """All in one process: after each failure the next one must work as well."""
    calls = "\n".join(f"attempt({call!r}, lambda: {call})" for call in TOO_LARGE)
    lines = child_process.run(PREPARE + calls).splitlines()
    assert len(lines) == len(TOO_LARGE)


STEPS: list[dict[str, Any]] = [
    {"stride": 2**31},
    {"stride": (1, 2**31)},
    {"stride": 2**20},
    {"padding": 2**31, "stride": 2**31},
    {"padding": 2**30, "stride": 2**28},
    {"padding": 2**31, "dilation": 2**31},
    {"padding": "same", "dilation": 2**20},
    {"padding": "same", "dilation": 1000},
    {"padding": ((0, 2**20), (2**20, 0)), "stride": (2**18, 2**19), "dilation": (3, 1)},
]


@pytest.mark.parametrize("options", STEPS, ids=str)
@pytest.mark.parametrize("algorithm", ["auto", "direct", "im2col"])
@pytest.mark.parametrize(("channels", "out"), [(2, 3), (16, 32)])
def test_huge_steps(options: dict[str, Any], algorithm: str, channels: int, out: int) -> None:
    generator = np.random.default_rng(channels)
    x = generator.integers(-3, 4, (1, channels, 8, 9)).astype(np.float32)
    weight = generator.integers(-3, 4, (out, channels, 3, 3)).astype(np.float32)
    expected = reference.conv2d(x, weight, **options)
    for given in (x, np.asfortranarray(x)):
        result = fc.conv2d(given, weight, algorithm=algorithm, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2**31},
        {"stride": 2**31, "output_padding": 5},
        {"stride": 2**31, "dilation": 2**31, "padding": 2**31 - 1},
        {"dilation": 2**31 - 1, "padding": 2**31 - 1},
    ],
    ids=str,
)
def test_huge_steps_of_a_transposed_convolution(options: dict[str, Any]) -> None:
    x, weight = np.full((1, 1, 1), 2, np.float32), np.arange(1, 4, dtype=np.float32)[None, None]
    result = fc.conv_transpose1d(x, weight, **options)
    np.testing.assert_array_equal(result, reference.conv_transpose1d(x, weight, **options))


def test_few_outputs_of_an_endless_input() -> None:
    x = np.broadcast_to(np.float32(2), (1, 1, 2**40))
    result = fc.conv1d(x, np.ones((1, 1, 3), np.float32), stride=2**31)
    np.testing.assert_array_equal(result, np.full((1, 1, 512), 6, np.float32))
