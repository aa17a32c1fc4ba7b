"""`headstart report`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next


@app.command()
def report(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="Folder of a finished study or run.")
    ],
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Write the report of a finished study or run.

    Example: headstart report runs/mine
    """
    from headstart.report import report as draw_report

    _app.set_quiet(quiet)
    written = str(draw_report(study))
    print_next("verify", written, is_silent=as_json or quiet)
    _app.print_result({"report": written}, as_json, lambda result: f"Report: {result['report']}")
