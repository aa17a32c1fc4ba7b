"""The command `headstart labels`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
@_app.shared(
    _app.training_options,
    _app.data_options,
    _app.executor_options,
    _app.tracking_options,
    _app.output_options,
)
def labels(
    data: _app.DataArgument,
    models: Annotated[
        str,
        typer.Option(
            "--models",
            help="Contenders, separated by commas: models, model:preset, recipe.json files.",
        ),
    ] = "cnn,efficientnet-lite0",
    per_class: Annotated[
        str | None,
        typer.Option(
            "--per-class",
            help="Numbers of labels per class; default: 10,30,100,300,1000 as far as possible.",
        ),
    ] = None,
    seeds: _app.Seeds = 3,
    folds: _app.FoldsOption = "none",
    time_limit: _app.TimeLimit = None,
    when_slow: _app.WhenSlowOption = _app.WhenSlow.shorten,
    **given: Any,
) -> None:
    """Measure accuracy against the number of labels on DATA, and compare the curves of models.

    Example: headstart labels photos/ --per-class 10,30,100
    """
    from headstart import api

    _app.run_study(
        api.labels,
        data,
        given,
        models=models,
        per_class=per_class,
        seeds=seeds,
        folds=folds,
        time_limit=time_limit,
        when_slow=when_slow.value,
    )
