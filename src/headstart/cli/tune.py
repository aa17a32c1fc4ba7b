"""The command `headstart tune`."""

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
def tune(
    data: _options.DataArgument,
    model: _options.Model = "cnn",
    preset: _options.Preset = "balanced",
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="FILE",
            help="Search space, as a TOML or YAML file; default: that of the model.",
        ),
    ] = None,
    also: Annotated[
        str,
        typer.Option(
            "--also", help="Further hyper-parameters to search: augmentation, label-smoothing."
        ),
    ] = "",
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            help="Number of recipes per search; default: 24, or as many as fit into the time "
            "limit.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            help="Seed of the search. The best recipe is retrained with the seeds that follow.",
        ),
    ] = 0,
    together: Annotated[
        int,
        typer.Option(
            "--together", help="Number of recipes proposed at a time, which can run in parallel."
        ),
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
        int | None,
        typer.Option(
            "--seeds",
            help="Number of final runs of the best recipe and of the defaults; default: 3. With "
            "--folds, each has one per fold.",
        ),
    ] = None,
    folds: Annotated[
        str,
        typer.Option(
            "--folds",
            metavar="K|auto|none",
            help="Nested cross-validation: each of K folds is tested by the recipe of a search on "
            "the other images. One more search on all images gives the classifier. The K + 1 "
            "searches share the time limit; without one, the study takes K + 1 times as long. "
            "That is why auto means none here.",
        ),
    ] = "none",
    time_limit: _options.TimeLimit = None,
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
