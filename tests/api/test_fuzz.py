"""A few seconds of random calls; run fuzz.py itself for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("seed", [1, 2])
def test_random_calls(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzz.py"), str(seed), "4"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "with a result" in done.stdout
