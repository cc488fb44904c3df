"""One build of the package for all tests that need one: distributions, objects, C++ kernel tests.

``FASTCONV_PACKAGE_DIR`` names a directory that keeps the build between runs, and that several test
processes share: the first builds, the others wait.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The C++ kernel tests are built beside the wheel, from the same objects; they are not part of it.
_BUILD = """
import sys
from scikit_build_core import build
kind, out, build_dir = sys.argv[1:]
settings = {"build-dir": build_dir, "cmake.define.FASTCONV_BUILD_RUNNER": "ON"}
getattr(build, "build_" + kind)(out, settings)
"""


@dataclass(frozen=True)
class Package:
    """What the build left behind."""

    wheel: Path
    sdist: Path
    build_dir: Path

    @property
    def runner(self) -> Path:
        """The C++ kernel tests."""
        return self.build_dir / "tests/kernels/runner/fastconv_runner"


def run(command: list[str | Path], **options: object) -> str:
    """Run a command and return its output; a failure shows the end of it."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    shown = " ".join(str(part) for part in command[:3])
    assert done.returncode == 0, f"{shown} failed:\n{done.stdout[-8000:]}"
    return str(done.stdout)


@functools.cache
def build_package() -> Package:
    """Build the wheel, the source distribution and the C++ kernel tests, once per session."""
    pytest.importorskip("scikit_build_core", reason="building needs: pip install '.[test]'")
    kept = os.environ.get("FASTCONV_PACKAGE_DIR")
    out = Path(kept or tempfile.mkdtemp(prefix="fastconv-package-")).resolve()
    if not kept:
        atexit.register(shutil.rmtree, out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for kind, pattern in (("sdist", "*.tar.gz"), ("wheel", "*.whl")):
            if not list(out.glob(pattern)):
                run([sys.executable, "-c", _BUILD, kind, out, out / "build"], cwd=ROOT)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Package(wheel, sdist, out / "build")
