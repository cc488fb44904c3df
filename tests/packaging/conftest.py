"""One build of the source distribution and of the wheel, for all packaging tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from package_build import ROOT, Package, run

_BUILD = """
import sys
from scikit_build_core import build
kind, out, build_dir = sys.argv[1:]
getattr(build, "build_" + kind)(out, {"build-dir": build_dir})
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Wheel, source distribution and build tree.

    ``FASTCONV_PACKAGE_DIR`` names a directory that keeps them between runs.
    """
    pytest.importorskip("scikit_build_core", reason="building needs fastconv[test]")
    kept = os.environ.get("FASTCONV_PACKAGE_DIR")
    out = Path(kept) if kept else tmp_path_factory.mktemp("package")
    out.mkdir(parents=True, exist_ok=True)
    build_dir = out / "build"
    for kind, pattern in (("sdist", "*.tar.gz"), ("wheel", "*.whl")):
        if not list(out.glob(pattern)):
            run([sys.executable, "-c", _BUILD, kind, out, build_dir], cwd=ROOT)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Package(wheel, sdist, build_dir)


@pytest.fixture(scope="session")
def installed(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel installed in it and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            target,
            package.wheel,
        ]
    )
    return target
