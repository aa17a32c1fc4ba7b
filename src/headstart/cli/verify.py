"""`headstart verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next, print_next_step

_ASK = "ask for the page again, or write it from its folder: headstart report STUDY"


@app.command()
def verify(
    report: Annotated[
        str, typer.Argument(metavar="REPORT", help="A report.html, or the folder that holds it.")
    ],
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Recompute the numbers of a report from the data inside it, and list the differences.

    The exit status is 0 if nothing differs, 1 if something does, and 2 if the file is not a report
    that can be verified.

    Example: headstart verify runs/compare-digits/report.html
    """
    from headstart import api

    _app.set_quiet(quiet)
    result = api.verify(report)
    _app.print_result(result, as_json, lambda verified: verified.table())
    is_silent = as_json or quiet
    folder = Path(report).parent if report.endswith(".html") else Path(report)
    if not any((folder / name).exists() for name in ("finding.json", "metrics.json")):
        # A page that was sent or copied: nothing here can write it again.
        print_next_step("open the page" if result["verified"] else _ASK, is_silent=is_silent)
    else:
        print_next("doctor" if result["verified"] else "report", folder, is_silent=is_silent)
    if not result["verified"]:
        raise typer.Exit(1)
