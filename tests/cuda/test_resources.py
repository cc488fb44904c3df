"""What ptxas reports of the CUDA kernels: hot kernels keep everything in registers.

A kernel that spills, or that has a stack frame, waits for local memory in its innermost loop, and
nothing but its speed would show it. So the build's report is a test: for the architectures that the
package has machine code for, or those of ``FASTCONV_TEST_ARCHITECTURES=75,80,86,...``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURES = os.environ.get("FASTCONV_TEST_ARCHITECTURES", "80,90").split(",")
# Families whose every kernel is hot.
HOT = sorted(
    path for text in ("*mma*.cu", "*_gemm.cu") for path in (ROOT / "cuda/kernels").glob(text)
)

needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on PATH")


class Kernel(NamedTuple):
    """One kernel for one architecture."""

    name: str
    architecture: str
    registers: int
    stack: int
    spilled: int


def parse(report: str) -> list[Kernel]:
    """The kernels of a report of ``ptxas -v``, in its order."""
    entry = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\w+)'")
    frame = re.compile(
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    )
    kernels = []
    name, architecture, stack, spilled = "", "", 0, 0
    for line in report.splitlines():
        if found := entry.search(line):
            name, architecture, stack, spilled = found[1], found[2], 0, 0
        elif found := frame.search(line):
            stack, spilled = stack + int(found[1]), spilled + int(found[2]) + int(found[3])
        elif found := re.search(r"Used (\d+) registers", line):
            kernels.append(Kernel(name, architecture, int(found[1]), stack, spilled))
    return kernels


def compile_kernels(source: Path, architecture: str, to: Path) -> list[Kernel]:
    """Compile one file to machine code and return its kernels."""
    done = subprocess.run(
        [
            "nvcc",
            "-std=c++20",
            f"-I{ROOT}",
            f"-I{ROOT / 'cpp'}",
            f"-I{ROOT / 'cpp/include'}",
            f"-arch=sm_{architecture}",
            "-Xptxas=-v",
            "-Werror=all-warnings",
            "-cubin",
            str(source),
            f"-o={to}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return parse(done.stdout)


@needs_nvcc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", HOT, ids=lambda path: path.stem)
def test_hot_kernels_keep_everything_in_registers(
    source: Path, architecture: str, tmp_path: Path
) -> None:
    kernels = compile_kernels(source, architecture, tmp_path / "kernels.cubin")
    assert kernels, "ptxas reported no kernel"
    wrong = [kernel for kernel in kernels if kernel.stack or kernel.spilled]
    assert not wrong, f"kernels with spills or a stack frame: {wrong}"


@needs_nvcc
def test_the_gate_sees_a_stack_frame(tmp_path: Path) -> None:
    source = tmp_path / "spilling.cu"
    source.write_text(
        "__global__ void indexed(int* to, const int* at) {\n"
        "  int local[64];\n"
        "  for (int i = 0; i < 64; ++i) local[at[i]] = i;\n"
        "  *to = local[at[64]];\n"
        "}\n"
    )
    (kernel,) = compile_kernels(source, "80", tmp_path / "kernels.cubin")
    assert kernel.stack >= 256
    assert kernel.registers > 0
