"""Object files of instruction-set units bring nothing that could run on the wrong machine.

The linker keeps one copy of a weak symbol. Were a unit to define one outside its own namespace,
the kept copy might hold instructions that the machine lacks; a static initialiser would run them at
load.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from package_build import Package, run

UNITS = ("scalar", "avx2", "avx512", "neon")


@pytest.fixture(scope="module")
def unit_objects(package: Package) -> dict[str, list[Path]]:
    if not shutil.which("nm") or not shutil.which("objdump"):
        pytest.fail("nm and objdump are needed: install binutils")
    found = {
        unit: sorted((package.build_dir / f"CMakeFiles/fastconv_{unit}.dir").rglob("*.o"))
        for unit in UNITS
    }
    return {unit: objects for unit, objects in found.items() if objects}


def test_units_were_built(unit_objects: dict[str, list[Path]]) -> None:
    assert "scalar" in unit_objects
    assert len(unit_objects) > 1


def test_units_define_symbols_in_their_own_namespace(unit_objects: dict[str, list[Path]]) -> None:
    for unit, objects in unit_objects.items():
        for path in objects:
            symbols = [
                line.split(maxsplit=2)[1:]
                for line in run(["nm", "-C", "--defined-only", path]).splitlines()
                if line and not line.endswith(":")
            ]
            assert symbols
            shared = [name for kind, name in symbols if kind in "TDBRVWu"]
            # The unit's table is all that others see of it.
            table = f"fastconv::k{unit.capitalize()}Unit"
            assert table in shared
            outside = [n for n in shared if f"fastconv::{unit}::" not in n and n != table]
            assert outside == [], f"{path.name} of {unit} defines {outside}"


def test_units_have_no_static_initialisers(unit_objects: dict[str, list[Path]]) -> None:
    for unit, objects in unit_objects.items():
        for path in objects:
            sections = run(["objdump", "-h", path])
            assert not re.search(r"\.(init_array|ctors)", sections), f"{path.name} of {unit}"


def test_units_call_nothing_of_the_standard_library(unit_objects: dict[str, list[Path]]) -> None:
    for unit, objects in unit_objects.items():
        for path in objects:
            missing = run(["nm", "-C", "--undefined-only", path])
            assert not re.search(r"\bstd::|operator new|__cxa_", missing), f"{path.name} of {unit}"
