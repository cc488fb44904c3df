"""The files in which fastconv.tune keeps what it measured: one per problem, per machine.

Each is written under another name and then renamed, so that a reader never sees half of one, and
processes that tune at the same time do not disturb each other.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from fastconv import _core

# Changes whenever a file of before would be misunderstood.
_FORMAT = 1


def cache_folder() -> Path:
    """Folder of all that fastconv keeps: ``FASTCONV_CACHE_DIR``, or the platform's cache."""
    given = os.environ.get("FASTCONV_CACHE_DIR")
    if given:
        return Path(given)
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "fastconv"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "fastconv"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "fastconv"


def folder() -> Path:
    """Folder of the choices for this machine and version."""
    import hashlib

    machine = hashlib.sha256(_machine().encode()).hexdigest()[:16]
    return cache_folder() / "tuned" / f"{_version()}-{machine}"


def save(key: str, choice: dict[str, Any]) -> Path:
    """Write one choice; raises OSError where that is not possible."""
    import hashlib
    import json
    import tempfile

    into = folder()
    into.mkdir(parents=True, exist_ok=True)
    content = {
        "format": _FORMAT,
        "version": _version(),
        "machine": _machine(),
        "key": key,
        **choice,
    }
    path = into / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=into)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def load() -> None:
    """Hand every choice to the planner; files that make no sense are left out with a warning."""
    try:
        if not (cache_folder() / "tuned").is_dir():
            return
    except OSError:  # a folder that may not be looked into
        return
    faults: list[tuple[str, Exception]] = []
    into = folder()
    try:
        names = sorted(name for name in os.listdir(into) if name.endswith(".json"))
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            warnings.warn(f"fastconv's tuned choices cannot be read: {error}", stacklevel=2)
        return
    for name in names:
        try:
            _load_file(into / name)
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            faults.append((name, error))
    if faults:
        name, fault = faults[0]
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        warnings.warn(
            f"{into / name}{more}: not a choice that fastconv.tune made for this machine "
            f"({type(fault).__name__}: {fault}); it is ignored, and can be deleted",
            stacklevel=2,
        )


def _load_file(path: Path) -> None:
    import json

    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError("not an object")
    stamp = {"format": _FORMAT, "version": _version(), "machine": _machine()}
    for name, wanted in stamp.items():
        if content.get(name) != wanted:
            raise ValueError(f"{name} is {content.get(name)!r}, not {wanted!r}")
    _core.keep_tuned(
        content["key"],
        content["kernel"],
        content["limit"],
        content["threads"],
        content["cache"],
    )


def _version() -> str:
    import fastconv

    return fastconv.__version__


def _machine() -> str:
    facts = _core.info()
    return f"{facts['cpu']}, {facts['second_level_cache']} bytes of second-level cache"
