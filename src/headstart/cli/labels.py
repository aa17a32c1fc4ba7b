"""The command `headstart labels`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app


@app.command()
@_options.with_options(
    _options.training_options,
    _options.data_options,
    _options.executor_options,
    _options.tracking_options,
    _options.output_options,
)
def labels(
    data: _options.DataArgument,
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
    seeds: _options.Seeds = 3,
    folds: _options.FoldsOption = "none",
    time_limit: _options.TimeLimit = None,
    when_slow: _options.WhenSlowOption = _options.WhenSlow.shorten,
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
