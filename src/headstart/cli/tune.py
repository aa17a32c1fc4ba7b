"""The command `headstart tune`."""

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
def tune(
    data: _app.DataArgument,
    model: _app.Model = "cnn",
    preset: _app.Preset = "balanced",
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="FILE",
            help="Search space, as a TOML or YAML file; default: that of the model.",
        ),
    ] = None,
    also: Annotated[
        str, typer.Option("--also", help="Groups to search as well: augmentation, label-smoothing.")
    ] = "",
    trials: Annotated[
        int | None,
        typer.Option("--trials", help="Number of recipes; default: 24, or as many as fit."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", help="Seed of the search. The seeds after it retrain the best recipe."
        ),
    ] = 0,
    together: Annotated[
        int,
        typer.Option("--together", help="Recipes drawn at a time; as many can run in parallel."),
    ] = 8,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="Database through which several machines share one search.",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option("--seeds", help="Runs of the best recipe, and of the defaults, at the end."),
    ] = 3,
    folds: Annotated[
        str, typer.Option("--folds", help="Only 'none': a search needs test images of its own.")
    ] = "none",
    time_limit: _app.TimeLimit = None,
    **given: Any,
) -> None:
    """Search the hyper-parameters of a model on DATA, and evaluate the best recipe once.

    Example: headstart tune train.csv --model mlp --time-limit 15m
    """
    from headstart import api

    _app.run_study(
        api.tune,
        data,
        given,
        model=model,
        preset=preset,
        space=space,
        also=also,
        trials=trials,
        seed=seed,
        together=together,
        storage=storage,
        seeds=seeds,
        folds=folds,
        time_limit=time_limit,
    )
