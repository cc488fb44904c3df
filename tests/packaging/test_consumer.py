"""A C++ program that finds the installed wheel with find_package, and runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from package_build import run


def test_cpp_program_uses_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    if not shutil.which("cmake"):
        pytest.skip("cmake is not installed")
    source = Path(__file__).parent / "consumer"
    build = tmp_path / "build"
    run(["cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={installed / 'fastconv'}"])
    run(["cmake", "--build", build])
    out = run([build / "consumer"]).splitlines()
    assert out[0].split() == ["19", "25", "37", "43"]
    assert out[1].split() == ["4", "2", "-2", "-2", "0", "-6", "-14", "-10", "-20"]
    assert out[2].startswith("refused: ")
    assert "kernel" in out[2]
