"""`headstart runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
def runs(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder to search, subfolders included.")
    ] = "runs",
    as_json: _app.AsJson = False,
) -> None:
    """List finished and unfinished runs with their results."""
    from headstart import api
    from headstart.report import runs_table

    _app.show({"runs": api.runs(folder)}, as_json, lambda result: runs_table(result["runs"]))
