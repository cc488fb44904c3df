"""Python code in a process of its own, where a crash or a hang does no harm."""

from __future__ import annotations

import os
import subprocess
import sys

LIMIT = 60  # seconds


def run(code: str, *, expect: int = 0, **environment: str) -> str:
    """Run ``code`` and return what it printed, both streams; any other exit status fails.

    Settings of the package in this process's environment are not handed down.
    """
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("FASTCONV_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
        env={**inherited, **environment},
    )
    assert done.returncode == expect, f"exit status {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout
