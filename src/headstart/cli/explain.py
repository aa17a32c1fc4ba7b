"""`headstart explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next


@app.command()
def explain(
    run: _options.RunArgument,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An image file, or - for standard input.")
    ],
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="RUN", help="Another run, drawn below; repeatable."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="Class to explain. Default: the class that each run predicts.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.png",
            help="The figure. Default: explanation-IMAGE.png in the current folder.",
        ),
    ] = None,
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Show which pixels a prediction depends on, by Grad-CAM and occlusion, for one or more runs.

    Example: headstart explain runs/cnn photo.jpg --against runs/transfer
    """
    from headstart import api
    from headstart.report import explanation_lines

    _app.set_quiet(quiet)
    _app.print_result(
        api.explain(run, image, against=against or (), label=label, out=out),
        as_json,
        explanation_lines,
    )
    print_next("serve", run, is_silent=as_json or quiet)
