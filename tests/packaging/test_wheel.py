"""What the wheel and the source distribution contain."""

from __future__ import annotations

import email
import re
import tarfile
import zipfile

from package_build import ROOT, Package

FRAMEWORKS = {"torch", "jax", "jaxlib", "tensorflow", "cupy", "onnx", "onnxruntime"}
# Of these the CUDA module is two thirds.
FIFTEEN_MEGABYTES = 15_000_000


def test_wheel_is_small(package: Package) -> None:
    assert package.wheel.stat().st_size < FIFTEEN_MEGABYTES


def test_wheel_holds_types_headers_and_cmake_config(package: Package) -> None:
    names = set(zipfile.ZipFile(package.wheel).namelist())
    assert "fastconv/py.typed" in names
    stubs = {str(path.relative_to(ROOT / "python")) for path in (ROOT / "python").rglob("*.pyi")}
    assert stubs
    assert stubs <= names
    headers = {path.name for path in (ROOT / "cpp/include/fastconv").glob("*.h")}
    assert {f"fastconv/include/fastconv/{name}" for name in headers} <= names
    for name in ("fastconvConfig.cmake", "fastconvConfigVersion.cmake", "fastconvTargets.cmake"):
        assert f"fastconv/lib/cmake/fastconv/{name}" in names
    assert [name for name in names if re.fullmatch(r"fastconv/_core\..*\.so", name)]
    assert [name for name in names if re.fullmatch(r"fastconv/lib/libfastconv\.so.*", name)]


def test_wheel_holds_nothing_but_the_package(package: Package) -> None:
    names = zipfile.ZipFile(package.wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {part for part in top if not part.endswith(".dist-info")} == {"fastconv"}
    strays = [name for name in names if re.search(r"__pycache__|\.o$|\.cpp$|\.inl$|tests?/", name)]
    assert strays == []


def test_no_framework_is_required(package: Package) -> None:
    archive = zipfile.ZipFile(package.wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    message = email.message_from_bytes(archive.read(metadata))
    required = [
        re.split(r"[^\w-]", line)[0].lower()
        for line in message.get_all("Requires-Dist", [])
        if "extra ==" not in line
    ]
    assert "numpy" in required
    assert FRAMEWORKS.isdisjoint(required)


def test_sdist_can_be_built_from(package: Package) -> None:
    with tarfile.open(package.sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    sources = {
        str(path.relative_to(ROOT))
        for folder in ("cpp", "src", "cmake", "python")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE"} <= names
    assert sources <= names
