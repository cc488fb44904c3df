"""Builds the C++ kernel tests, exports the problems to them, and runs them.

``FASTCONV_RUNNER`` names an already built program.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPORT = ROOT / "tests/kernels/runner/export.py"


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command[:3]))}:\n{done.stdout[-8000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = os.environ.get("FASTCONV_RUNNER")
    if built:
        return Path(built)
    if not shutil.which("cmake"):
        pytest.skip("cmake is not installed: pip install 'fastconv[test]'")
    build = tmp_path_factory.mktemp("runner")
    options = ["-DFASTCONV_BUILD_PYTHON=OFF", "-DFASTCONV_BUILD_RUNNER=ON"]
    run("cmake", "-S", ROOT, "-B", build, *options)
    run("cmake", "--build", build, "-j", "2", "--target", "fastconv_runner")
    return build / "tests/kernels/runner/fastconv_runner"


def test_cpp_kernel_tests(runner: Path, tmp_path: Path) -> None:
    problems = tmp_path / "problems.bin"
    run(sys.executable, EXPORT, problems)
    out = run(runner, problems)
    passed, failed = map(int, re.findall(r"^(\d+) passed, (\d+) failed$", out, re.M)[-1])
    assert failed == 0
    assert passed > 1000


def test_runner_reports_a_wrong_result(runner: Path, tmp_path: Path) -> None:
    """The comparison can fail: one expected value is changed, and the program must notice."""
    problems = tmp_path / "problems.bin"
    run(sys.executable, EXPORT, "--break-one", problems)
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
