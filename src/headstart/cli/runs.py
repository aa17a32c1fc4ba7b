"""`headstart runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
def runs(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Where to look, also in folders below.")
    ] = "runs",
    as_json: _app.AsJson = False,
) -> None:
    """List runs, finished and unfinished, with their results."""
    from headstart import api
    from headstart.report import runs_table

    _app.show({"runs": api.runs(folder)}, as_json, lambda result: runs_table(result["runs"]))
