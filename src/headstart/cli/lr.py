"""The command `headstart lr`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
@_app.shared(
    _app.recipe_options("optimizer"),
    _app.training_options,
    _app.data_options,
    _app.executor_options,
    _app.tracking_options,
    _app.output_options,
)
def lr(
    data: _app.DataArgument,
    model: _app.Model = "cnn",
    preset: _app.Preset = "balanced",
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            help="Learning rates, separated by commas; default: half decades from 0.0001 up.",
        ),
    ] = None,
    seeds: _app.Seeds = 3,
    folds: _app.FoldsOption = "none",
    time_limit: _app.TimeLimit = None,
    when_slow: _app.WhenSlowOption = _app.WhenSlow.shorten,
    **given: Any,
) -> None:
    """Compare learning rates on DATA: the best, those not shown to be worse, where it diverges.

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
