"""`headstart watch`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app


@app.command()
def watch(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder to watch, including subfolders.")
    ] = "runs",
    table: Annotated[
        bool, typer.Option("--table", help="Show a live table in the terminal, without a page.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the page; 0 for any free one.")
    ] = 0,
    browser: Annotated[
        bool,
        typer.Option("--browser/--no-browser", help="Whether to open the page in the browser."),
    ] = True,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the current runs and studies as one JSON object, and exit.",
            rich_help_panel="Output",
        ),
    ] = False,
    quiet: _options.Quiet = False,
) -> None:
    """Show runs and studies while they train: curves, trials, time left; stop and resume.

    The page is served to this machine only, until Ctrl-C. Runs continue without it.

    Example: headstart watch runs/
    """
    from headstart import api

    _app.set_quiet(quiet)
    if as_json:
        _app.print_result(api.watch_snapshot(folder), as_json, str)
    elif table:
        api.watch_in_terminal(folder)
    else:
        api.watch(folder, port=port, browser=browser)
