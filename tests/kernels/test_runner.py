"""Exports the problems to the C++ kernel tests and runs them.

``FASTCONV_RUNNER`` names an already built program; without it the package is built.
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
    built = os.environ.get("FASTCONV_RUNNER")
    return Path(built) if built else build_package().runner


def test_cpp_kernel_tests(runner: Path, tmp_path: Path) -> None:
    problems = tmp_path / "problems.bin"
    run([sys.executable, EXPORT, problems])
    out = run([runner, problems])
    passed, failed = map(int, re.findall(r"^(\d+) passed, (\d+) failed$", out, re.M)[-1])
    assert failed == 0
    assert passed > 1000


def test_runner_reports_a_wrong_result(runner: Path, tmp_path: Path) -> None:
    """The comparison can fail: one expected value is changed, and the program must notice."""
    problems = tmp_path / "problems.bin"
    run([sys.executable, EXPORT, "--every", "20", "--break-one", problems])
    done = subprocess.run(
        [runner, problems, "--kernels-only"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def test_runner_names_a_bad_problem_file(runner: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"not a problem file\n")
    done = subprocess.run([runner, bad], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "bad.bin" in done.stderr
