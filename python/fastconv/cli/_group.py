"""A click group that reports wrong arguments in one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from fastconv.errors import FastconvError


class OneLineGroup(click.Group):
    """Errors of arguments and of the library are one line on standard error and exit code 2."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; arguments as of ``click.Command.main``."""
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.ClickException as error:
            self._fail(error.format_message(), _command_path(error, prog_name))
        except FastconvError as error:
            self._fail(str(error), prog_name or "fastconv")
        except click.Abort:
            click.echo("interrupted", err=True)
            sys.exit(130)
        if standalone_mode:
            sys.exit(result if isinstance(result, int) else 0)
        return result

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the list."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            known = ", ".join(self.commands)
            raise click.UsageError(f"there is no command {args[0]!r}; the commands are {known}")
        return super().resolve_command(ctx, args)

    def _fail(self, message: str, path: str) -> None:
        line = " ".join(message.split())
        click.echo(f"{path}: {line}", err=True)
        sys.exit(2)


def _command_path(error: click.ClickException, prog_name: str | None) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else prog_name or "fastconv"
