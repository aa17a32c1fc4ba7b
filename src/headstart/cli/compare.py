"""`headstart compare`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
@_app.shared(_app.training_options, _app.data_options, _app.tracking_options, _app.output_options)
def compare(
    data: _app.DataArgument,
    models: Annotated[
        str,
        typer.Option(
            "--models",
            help="Contenders, by commas: models, model:preset, recipe.json files, folders of finished runs.",
        ),
    ] = "cnn,efficientnet-lite0",
    seeds: Annotated[int, typer.Option("--seeds", help="Runs of each contender.")] = 3,
    time_limit: Annotated[
        str,
        typer.Option(
            "--time-limit",
            help="For everything, the report included; 'none' lets recipes run as long as they want.",
        ),
    ] = "5m",
    **given: Any,
) -> None:
    """Compare models on DATA: same splits, seeds and seconds, paired tests, a verdict and a report.

    Example: headstart compare photos/ --time-limit 5m
    """
    _app.ask("compare", data, given, models=models, seeds=seeds, time_limit=time_limit)
