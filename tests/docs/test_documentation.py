"""What the pages show runs, and what they name exists."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doc_pages import PAGES, ROOT, Block, blocks, local_links, paths, read

import fastconv
from fastconv import errors

OPERATORS = ROOT / "docs/operators.md"
AT_LEAST = 5


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Examples may change settings and write files."""
    monkeypatch.chdir(tmp_path)
    with fastconv.precision(fastconv.get_precision()):
        yield
    fastconv.set_num_threads(None)


def needed_by(name: str) -> str | None:
    """Return the package that a page or a module about an adapter needs, where it is missing."""
    for adapter in ("torch", "onnx"):
        if re.search(rf"\b{adapter}\b", name) and importlib.util.find_spec(adapter) is None:
            return adapter
    return None


def run_block(page: Path, block: Block, names: dict[str, Any]) -> None:
    """Run one block; a failure points at the line of the page."""
    if block.language == "python":
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, str(page), "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(
        block.text, names, page_name(page), str(page), block.line - 1
    )
    report: list[str] = []
    result = doctest.DocTestRunner().run(test, out=report.append, clear_globs=False)
    names.update(test.globs)
    assert result.attempted > 0, f"{page_name(page)}:{block.line} shows no example"
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_examples_of_a_page_run_in_order(page: Path) -> None:
    if needed_by(page.stem):
        pytest.skip(f"its examples need {page.stem}: pip install 'fastconv[{page.stem}]'")
    names: dict[str, Any] = {}
    for block in blocks(page, "python", "pycon"):
        run_block(page, block, names)


def test_there_are_examples_to_run() -> None:
    for page in (ROOT / "README.md", OPERATORS, ROOT / "docs/course.md", ROOT / "docs/numerics.md"):
        assert len(blocks(page, "python", "pycon")) >= AT_LEAST, page_name(page)


def test_a_wrong_example_is_noticed() -> None:
    page = ROOT / "README.md"
    with pytest.raises(AssertionError):
        run_block(page, Block("python", "assert 1 == 2\n", 1), {})
    with pytest.raises(AssertionError):
        run_block(page, Block("pycon", ">>> 1 + 1\n3\n", 1), {})


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    dead = [target for target in local_links(page) if not (page.parent / target).exists()]
    assert dead == []
    unknown = [path for path in paths(page) if not list(ROOT.glob(path.rstrip("/")))]
    assert unknown == []


def test_the_first_block_of_the_readme_holds_the_two_commands() -> None:
    first = blocks(ROOT / "README.md")[0]
    run, test = first.text.splitlines()
    assert "fastconv bench" in run
    assert "pytest" in test
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        name for names in re.findall(r"\.\[([\w,]+)\]", first.text) for name in names.split(",")
    ]
    assert extras
    assert set(extras) <= set(project["optional-dependencies"])


def public_functions() -> dict[str, Any]:
    return {
        name: value
        for name in fastconv.__all__
        if inspect.isfunction(value := getattr(fastconv, name))
    }


def signature(function: Any) -> str:
    """``name(arguments and defaults)`` without types."""
    parts: list[str] = []
    starred = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        text = parameter.name
        if parameter.kind is parameter.VAR_KEYWORD:
            text = f"**{text}"
        elif parameter.default is not parameter.empty:
            default = parameter.default
            shown = default.__name__ if isinstance(default, type) else repr(default)
            text += f"={shown}".replace("'", '"')
        parts.append(text)
    return f"{function.__name__}({', '.join(parts)})"


@pytest.mark.parametrize("name", public_functions())
def test_signatures_of_the_operator_page_are_the_real_ones(name: str) -> None:
    text = " ".join(" ".join(block.text for block in blocks(OPERATORS, "text")).split())
    wanted = signature(getattr(fastconv, name))
    general = re.sub(r"^(\w+?)[123]d(\w*)\(", r"\1{1,2,3}d\2(", wanted)
    assert general in text or wanted in text, f"docs/operators.md does not show {wanted}"


def test_every_error_and_variable_is_explained() -> None:
    text = read(OPERATORS)
    classes = [name for name, value in vars(errors).items() if inspect.isclass(value)]
    assert len(classes) > AT_LEAST
    sources = [*ROOT.glob("cpp/core/*.cpp"), *ROOT.glob("python/fastconv/**/*.py")]
    variables = {
        name for path in sources for name in re.findall(r'"(FASTCONV_\w+)"', path.read_text())
    }
    assert {"FASTCONV_ISA", "FASTCONV_ALGORITHM", "FASTCONV_PRECISION"} <= variables
    assert [word for word in (*classes, *variables) if f"`{word}`" not in text] == []


def documented_modules() -> list[str]:
    return [
        module.name
        for module in pkgutil.walk_packages(fastconv.__path__, "fastconv.")
        if not re.search(r"\.(benchmarks|__main__|_core)\b", module.name)
        and not needed_by(module.name)
    ]


def test_examples_in_docstrings_run() -> None:
    attempted = 0
    for name in documented_modules():
        outcome = doctest.testmod(importlib.import_module(name), extraglobs={"np": np})
        assert outcome.failed == 0, name
        attempted += outcome.attempted
    assert attempted > AT_LEAST


@pytest.mark.parametrize("name", public_functions())
def test_every_public_function_has_a_docstring_with_its_arguments(name: str) -> None:
    function = getattr(fastconv, name)
    text = inspect.getdoc(function) or ""
    assert text
    if ":func:" in text:  # says where its arguments are explained
        return
    missing = [p for p in inspect.signature(function).parameters if f"{p}:" not in text]
    assert missing == []


def cpp_blocks() -> list[tuple[Path, Block]]:
    return [
        (page, block)
        for page in PAGES
        for block in blocks(page, "cpp")
        if "int main(" in block.text
    ]


def test_cpp_programs_compile_and_run(tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    package = Path(fastconv.__file__).parent
    programs = cpp_blocks()
    assert programs
    for number, (page, block) in enumerate(programs):
        source, program = tmp_path / f"{number}.cpp", tmp_path / str(number)
        source.write_text(block.text)
        where = f"{page_name(page)}:{block.line}"
        options = ["-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{package / 'include'}"]
        libraries = [f"-L{package / 'lib'}", "-lfastconv", f"-Wl,-rpath,{package / 'lib'}"]
        built = subprocess.run(
            [compiler, *options, source, "-o", program, *libraries], capture_output=True, text=True
        )
        assert built.returncode == 0, f"{where}\n{built.stderr}"
        done = subprocess.run([program], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{where}\n{done.stderr}"
