"""Runs every CUDA kernel as host code under the shim, against the reference, without a GPU.

``FASTCONV_CUDA_RUNNER`` names an already built program; without it the package is built.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from package_build import ROOT, build_package, run

EXPORT = ROOT / "tests/kernels/runner/export.py"


@pytest.fixture(scope="module")
def runner() -> Path:
    built = os.environ.get("FASTCONV_CUDA_RUNNER")
    if built:
        return Path(built)
    return build_package().build_dir / "tests/cuda/runner/fastconv_cuda_runner"


def test_every_kernel(runner: Path, tmp_path: Path) -> None:
    problems = tmp_path / "problems.bin"
    # Emulated tensor cores are slow: one problem in four, of every operator.
    run([sys.executable, EXPORT, "--every", "4", problems])
    out = run([runner, problems])
    passed, failed = map(int, re.findall(r"^(\d+) passed, (\d+) failed$", out, re.M)[-1])
    assert failed == 0
    assert passed > 10000


def test_runner_reports_a_wrong_result(runner: Path, tmp_path: Path) -> None:
    """The comparison can fail: one expected value is changed, and the program must notice."""
    problems = tmp_path / "problems.bin"
    run([sys.executable, EXPORT, "--every", "5", "--break-one", problems])
    done = subprocess.run(
        [runner, problems, "implicit"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "FAILED" in done.stdout
