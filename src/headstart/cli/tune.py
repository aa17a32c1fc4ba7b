"""`headstart tune`."""

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
            help="What to search, as TOML or YAML; default: the model's own.",
        ),
    ] = None,
    also: Annotated[
        str, typer.Option("--also", help="Search these too: augmentation, label-smoothing.")
    ] = "",
    trials: Annotated[
        int | None,
        typer.Option("--trials", help="Recipes to try; default: 24, or what a time limit allows."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", help="Of the search; the best is retrained over the seeds after it."
        ),
    ] = 0,
    together: Annotated[
        int,
        typer.Option("--together", help="Recipes drawn at once: the most that run side by side."),
    ] = 8,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="URL", help="A database that several machines share."),
    ] = None,
    seeds: _app.Seeds = 3,
    time_limit: _app.TimeLimit = None,
    **given: Any,
) -> None:
    """Search the hyper-parameters of a model on DATA; retrain the best, judge it once on test images.

    Example: headstart tune train.csv --model mlp --time-limit 15m
    """
    _app.ask(
        "tune",
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
        time_limit=time_limit,
    )
