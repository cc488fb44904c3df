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
    assert "19 25 37 43" in run([build / "consumer"])
