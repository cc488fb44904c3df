"""What packaging tests share: the build's results, and running a command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Package:
    """What a build left behind."""

    wheel: Path
    sdist: Path
    build_dir: Path


def run(command: list[str | Path], **options: object) -> str:
    """Run a command and return its output; a failure shows all of it."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command[:3]} failed:\n{done.stdout}"
    return str(done.stdout)
