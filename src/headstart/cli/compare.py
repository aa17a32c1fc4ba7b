"""The command `headstart compare`."""

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
            help="Contenders, separated by commas: models, model:preset, recipe.json files or "
            "folders of finished runs.",
        ),
    ] = "cnn,efficientnet-lite0",
    seeds: Annotated[int, typer.Option("--seeds", help="Number of runs per contender.")] = 3,
    time_limit: Annotated[
        str,
        typer.Option(
            "--time-limit",
            help="For everything, the report included; 'none' keeps the epochs of the recipes.",
        ),
    ] = "5m",
    **given: Any,
) -> None:
    """Compare models on DATA with the same split, seeds and time, and write a report.

    Example: headstart compare photos/ --time-limit 5m
    """
    from headstart import api

    _app.run_study(api.compare, data, given, models=models, seeds=seeds, time_limit=time_limit)
