"""``fastconv info``: what this build has and this machine runs."""

from __future__ import annotations

import json

import click
import fastconv


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Show version, instruction sets, threads, compiler and CUDA state."""
    config = fastconv.show_config()
    if as_json:
        click.echo(json.dumps(config, indent=1))
        return
    width = max(map(len, config))
    for name, value in config.items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        click.echo(f"{name:<{width}}  {text}")
