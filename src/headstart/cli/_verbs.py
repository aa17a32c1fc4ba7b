"""The group of all verbs: how it looks up a verb, prints its help, and runs it."""

from __future__ import annotations

from typing import Any

import typer

from headstart.errors import ResourceError


class Verbs(typer.core.TyperGroup):
    """The verbs, which end with a message when a connection is closed by the other side.

    Typer would end quietly, as if the reader of the output were gone.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a verb whose flags show no type in the help: they take no value."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _hide_types_of_flags(command, ctx)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _hide_types_of_flags(self, ctx)
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ResourceError(
                "a connection was closed by the other side, such as a database or a tracker.",
                "Check that it is running. Then run the same command again.",
            ) from error


def _hide_types_of_flags(command: Any, ctx: Any) -> None:
    """Remove the type of flags from the help, which is `<bool>` in some versions of Typer."""
    for option in command.get_params(ctx):
        if getattr(option, "is_flag", False) and option.metavar is None:
            option.metavar = ""
