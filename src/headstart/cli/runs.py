"""`headstart runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import after_listing, print_next


@app.command()
def runs(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder to search, including subfolders.")
    ] = "runs",
    as_json: _options.AsJson = False,
) -> None:
    """List finished and unfinished runs with their results.

    Example: headstart runs
    """
    from headstart import api
    from headstart.report import runs_table

    listed = api.runs(folder)
    _app.print_result({"runs": listed}, as_json, lambda result: runs_table(result["runs"]))
    print_next(*after_listing(listed), is_silent=as_json)
