"""The committed stubs say what the modules really hold."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from package_build import run


def test_stubs_match_the_modules(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="comparing stubs needs mypy: pip install 'fastconv[dev]'")
    environment = {**os.environ, "PYTHONPATH": str(installed), "MYPYPATH": str(installed)}
    stubtest = [sys.executable, "-m", "mypy.stubtest"]
    out = run(
        [*stubtest, "fastconv._core", "--concise"],
        cwd=tmp_path,
        env=environment,
    )
    assert "error" not in out
