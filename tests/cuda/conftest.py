"""Fixtures of the tests of CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import posing
import pytest
from fake_cupy import FakeCupy, ndarray


class Posing:
    """A GPU that is host memory, and the arrays on it."""

    def __init__(self, cupy: FakeCupy, steering: Any) -> None:
        self.cupy = cupy
        self.steering = steering

    def to(self, array: Any, device: int = 0) -> Any:
        """An array on the GPU; None stays None."""
        return None if array is None else ndarray(array, device)

    def back(self, result: Any) -> Any:
        """What a call gave, as NumPy arrays."""
        if isinstance(result, tuple):
            return tuple(self.back(part) for part in result)
        if result is None:
            return None
        assert type(result) is ndarray
        return result.host


@pytest.fixture
def gpu() -> Iterator[Posing]:
    with posing.installed() as (cupy, steering):
        yield Posing(cupy, steering)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)
