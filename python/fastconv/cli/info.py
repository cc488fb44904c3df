"""``fastconv info``: what this build has and this machine runs."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

import fastconv


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Show version, instruction sets, threads, compiler and CUDA state."""
    config = fastconv.show_config()
    click.echo(json.dumps(asdict(config), indent=1) if as_json else str(config))
