"""The command `headstart backbones`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app


@app.command()
@_options.with_options(
    _options.recipe_options("weights", "cut", "pool"),
    _options.data_options,
    _options.output_options,
)
def backbones(
    data: _options.DataArgument,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            help="Backbones, such as efficientnet-lite0@96,timm/resnet18; default: those that are "
            "installed, at several image sizes.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", help="Largest number of training images per probe.")
    ] = 2000,
    time_limit: Annotated[
        str | None,
        typer.Option(
            "--time-limit",
            help="Time for all probes, such as 90s or 15m; a short limit uses fewer images.",
        ),
    ] = None,
    **given: Any,
) -> None:
    """Rank pretrained backbones on DATA by cross-validated linear probes and by speed.

    Example: headstart backbones photos/ --candidates efficientnet-lite0,timm/mobilenetv4_conv_small
    """
    from headstart import api

    _app.run_study(
        api.backbones,
        data,
        given,
        candidates=candidates,
        images=images,
        time_limit=time_limit,
    )
