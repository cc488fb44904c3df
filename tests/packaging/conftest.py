"""Fixtures of the packaging tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from package_build import Package, build_package, run


@pytest.fixture(scope="session")
def package() -> Package:
    return build_package()


@pytest.fixture(scope="session")
def installed(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel installed in it and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target]
    run([*pip, package.wheel])
    return target
