"""State dicts: parameters by name, into networks and files and back."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.errors import (
    ArgumentTypeError,
    BackendUnavailableError,
    DTypeError,
    OptionError,
    StateDictError,
)
from fastconv.nn._module import Array, Buffer, Module, Parameter

_SUFFIXES = (".npz", ".safetensors")


def load_state(module: Module, state: Any, strict: bool) -> tuple[list[str], list[str]]:
    """See :meth:`Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(
            f"state must be a mapping of names to arrays, got {type(state).__name__}; pass what "
            "state_dict or nn.load returns"
        )
    targets = dict(module.named_state())
    missing = [name for name in targets if name not in state]
    unexpected = [name for name in state if name not in targets]
    problems: list[str] = []
    if strict:
        problems += [f"missing: {name} {targets[name].data.shape}" for name in missing]
        problems += [f"unexpected: {name}" for name in unexpected]
    converted: dict[str, Array] = {}
    for name, target in targets.items():
        if name in state:
            try:
                converted[name] = _fitting(state[name], target)
            except StateDictError as error:
                problems.append(f"{name}: {error}")
    if problems:
        raise StateDictError(
            f"the state does not fit {type(module).__name__}, and nothing was changed; pass the "
            "state of the same architecture, or strict=False to accept missing and unexpected "
            "names:\n  " + "\n  ".join(problems)
        )
    for name, values in converted.items():
        targets[name].data = values
    return missing, unexpected


def _fitting(value: Any, target: Parameter | Buffer) -> Array:
    """Copy ``value`` as an array for ``target``."""
    if not hasattr(value, "__array__"):
        raise StateDictError(f"an array is needed, got {type(value).__name__}")
    try:
        given = np.asarray(value)
    except (TypeError, RuntimeError, ValueError) as error:
        raise StateDictError(f"cannot be read as a NumPy array: {error}") from None
    wanted = target.data
    if given.shape != wanted.shape:
        raise StateDictError(f"shape {wanted.shape} is needed, got {given.shape}")
    # Kind "V" is what NumPy calls bfloat16, with the package ml_dtypes.
    floating = given.dtype.kind == "f" or given.dtype.name == "bfloat16"
    if floating != (wanted.dtype.kind == "f") or not (floating or given.dtype.kind in "iu"):
        raise StateDictError(f"dtype {wanted.dtype} is needed, got {given.dtype}")
    return np.array(given, dtype=wanted.dtype, order="C")


def save(state: Any, path: Any) -> None:
    """Write a network's parameters and buffers into a file.

    The file appears whole or not at all: it is written beside its place and then renamed.

    Args:
        state: A module, or a mapping of names to arrays.
        path: File name; its ending chooses the format: ".npz" (NumPy's) or ".safetensors" (needs
            the package safetensors).

    Raises:
        OptionError: Another ending.
        ArgumentTypeError: state is neither a module nor a mapping of names to arrays.
        DTypeError: An array of something else than numbers.
        BackendUnavailableError: safetensors is not installed.
        OSError: The file cannot be written.
    """
    file = _checked_path(path)
    if isinstance(state, Module):
        state = {name: value.data for name, value in state.named_state()}
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(
            f"state must be a module or a mapping of names to arrays, got {type(state).__name__}"
        )
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise ArgumentTypeError(
                f"state must map names to NumPy arrays, got {type(value).__name__} for {name!r}; "
                "convert it with numpy.asarray"
            )
        if value.dtype.kind not in "biufc":
            raise DTypeError(
                f"state must hold arrays of numbers, got dtype {value.dtype} for {name!r}; convert "
                "it with astype"
            )
    write = _write_npz if file.suffix == ".npz" else _write_safetensors()
    if not file.parent.is_dir():
        raise FileNotFoundError(
            f"the folder of {str(path)!r} does not exist; create it first, nothing was written"
        )
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    os.close(handle)
    try:
        write(dict(state), temporary)
        _give_usual_permissions(temporary)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: Any) -> dict[str, Array]:
    """Read what :func:`save` wrote, or any file of arrays in one of its formats.

    Args:
        path: File name ending in ".npz" or ".safetensors".

    Returns:
        Names to arrays, for ``load_state_dict``.

    Raises:
        StateDictError: The file is damaged, cut short, or holds something else than arrays.
        FileNotFoundError: There is no such file.
        OptionError: Another ending.
        BackendUnavailableError: safetensors is not installed.
    """
    file = _checked_path(path)
    read = _read_npz if file.suffix == ".npz" else _read_safetensors()
    try:
        return read(file)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (
        ValueError, OSError, EOFError, KeyError, TypeError, zlib.error, zipfile.BadZipFile,
        NotImplementedError, SyntaxError,
    ) as error:  # fmt: skip
        raise StateDictError(
            f"{file} is not a whole {file.suffix} file of arrays: {error}; it may be damaged or "
            "cut short: copy or save it again"
        ) from error


def _checked_path(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(
            f"path must be a file name, got {type(path).__name__}; pass a str or a Path"
        )
    file = Path(path)
    if file.suffix not in _SUFFIXES:
        raise OptionError(
            f"path must end in {' or '.join(_SUFFIXES)}, got {str(file)!r}; the ending chooses the "
            "format"
        )
    return file


def _give_usual_permissions(temporary: str) -> None:
    """Temporary files are private; the result is as open as any new file."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)


def _write_npz(state: dict[str, Array], path: str) -> None:
    # As numpy.savez, which cannot take every name as a keyword.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, values in state.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, values, allow_pickle=False)


def _read_npz(path: Path) -> dict[str, Array]:
    with path.open("rb") as stream:
        # numpy.load would take other formats too, and pickles.
        if not zipfile.is_zipfile(stream):
            raise zipfile.BadZipFile("it is no zip archive")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise BackendUnavailableError(
            "files ending in .safetensors need the package safetensors: pip install "
            "'fastconv[nn]', or use .npz"
        ) from None
    return safetensors


def _write_safetensors() -> Callable[[dict[str, Array], str], None]:
    library = _safetensors()

    def write(state: dict[str, Array], path: str) -> None:
        library.numpy.save_file(
            {k: np.ascontiguousarray(v).reshape(v.shape) for k, v in state.items()}, path
        )

    return write


def _read_safetensors() -> Callable[[Path], dict[str, Array]]:
    library = _safetensors()

    def read(path: Path) -> dict[str, Array]:
        try:
            state: dict[str, Array] = library.numpy.load_file(path)
        except library.SafetensorError as error:
            raise ValueError(str(error)) from error
        return state

    return read
