"""The command `headstart lr`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app


@app.command()
@_options.with_options(
    _options.recipe_options("optimizer"),
    _options.training_options,
    _options.data_options,
    _options.executor_options,
    _options.tracking_options,
    _options.output_options,
)
def lr(
    data: _options.DataArgument,
    model: _options.Model = "cnn",
    preset: _options.Preset = "balanced",
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            help="Learning rates, separated by commas; default: half decades from 0.0001 up.",
        ),
    ] = None,
    seeds: _options.Seeds = 3,
    folds: _options.FoldsOption = "none",
    time_limit: _options.TimeLimit = None,
    when_slow: _options.WhenSlowOption = _options.WhenSlow.shorten,
    **given: Any,
) -> None:
    """Compare learning rates on DATA: the best, those not significantly worse, where it diverges.

    Example: headstart lr fashion-mnist --model cnn-fashion-small --optimizer adam --epochs 5
    """
    from headstart import api

    _app.run_study(
        api.lr,
        data,
        given,
        model=model,
        preset=preset,
        values=values,
        seeds=seeds,
        folds=folds,
        time_limit=time_limit,
        when_slow=when_slow.value,
    )
