"""`headstart backbones`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
@_app.shared(_app.recipe_options("weights", "cut", "pool"), _app.data_options, _app.output_options)
def backbones(
    data: _app.DataArgument,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            help="Backbones, such as efficientnet-lite0@96,timm/resnet18; default: installed ones at several sides.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", help="Training images to look at, at most.")
    ] = 2000,
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", help="Such as 90s, 15m: it costs images.")
    ] = None,
    **given: Any,
) -> None:
    """Rank pretrained backbones on DATA: a cross-validated linear probe, against images a second on this machine.

    Example: headstart backbones photos/ --candidates efficientnet-lite0,timm/mobilenetv4_conv_small
    """
    _app.ask(
        "backbones",
        data,
        given,
        candidates=candidates,
        images=images,
        time_limit=time_limit,
    )
