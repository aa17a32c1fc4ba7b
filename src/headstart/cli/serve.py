"""`headstart serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app


@app.command()
def serve(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Folder of a finished run or study, or an .onnx file."),
    ],
    port: Annotated[
        int, typer.Option("--port", help="Port to listen on; 0 for any free one.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to listen on; beyond this machine, such as 0.0.0.0, a token is needed.",
        ),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Another name by which clients reach the server, such as a proxy's; repeatable.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object on stdout once it listens: run, url, token, page.",
        ),
    ] = False,
    quiet: _options.Quiet = False,
) -> None:
    """Serve a run: a page to draw or drop an image on, and POST /predict for programs.

    Example: headstart serve runs/mine
    """
    from headstart import api

    _app.set_quiet(quiet)
    api.serve(run, port=port, host=host, allow_hosts=allow_host or (), as_json=as_json)
