"""The command line: ``fastconv`` and ``python -m fastconv``."""

from __future__ import annotations

from fastconv.cli._group import OneLineGroup
from fastconv.cli.bench import bench
from fastconv.cli.check import check
from fastconv.cli.explain import explain
from fastconv.cli.info import info
from fastconv.cli.tune import tune

cli = OneLineGroup(
    "fastconv",
    commands=[info, bench, check, explain, tune],
    help="Convolution and pooling kernels: what is here, how fast, and whether it is right.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit: 0 well, 1 a wrong result, 2 wrong arguments."""
    cli(prog_name="fastconv")
