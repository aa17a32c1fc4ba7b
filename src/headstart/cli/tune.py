"""`headstart tune`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
def tune(
    data: _app.DataArgument,
    model: _app.Model = "cnn",
    preset: _app.Preset = "balanced",
    space: Annotated[
        str | None, typer.Option("--space", metavar="FILE", help="What to search, as TOML or YAML; default: the model's own.")
    ] = None,
    also: Annotated[str, typer.Option("--also", help="Search these too: augmentation, label-smoothing.")] = "",
    trials: Annotated[
        int | None, typer.Option("--trials", help="Recipes to try; default: 24, or what a time limit allows.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the search; the best is retrained over the seeds after it.")] = 0,
    together: Annotated[int, typer.Option("--together", help="Recipes drawn at once: the most that run side by side.")] = 8,
    storage: Annotated[
        str | None, typer.Option("--storage", metavar="URL", help="A database that several machines share.")
    ] = None,
    seeds: _app.Seeds = 3,
    time_limit: _app.TimeLimit = None,
    epochs: _app.Epochs = None,
    batch: _app.Batch = None,
    other: _app.Settings = None,
    workers: _app.Workers = 1,
    ray: _app.Ray = None,
    validation: _app.Validation = None,
    test: _app.Test = None,
    train_images: _app.TrainImages = None,
    split_seed: _app.SplitSeed = 0,
    image_size: _app.ImageSize = None,
    resize: _app.ResizeOption = _app.Resize.pad,
    pixel_max: _app.PixelMax = None,
    group_by: _app.GroupBy = None,
    track: _app.Track = None,
    out: _app.Out = None,
    as_json: _app.AsJson = False,
    quiet: _app.Quiet = False,
) -> None:
    """Search the hyper-parameters of a model on DATA; retrain the best, judge it once on test images.

    Example: headstart tune train.csv --model mlp --time-limit 15m
    """
    given = _app.study_keys(locals())
    from headstart import api
    from headstart.report import tune_table

    _app.start(quiet)
    finding = api.tune(
        data,
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
        workers=workers,
        ray=ray,
        track=track,
        out=out,
        **given,
    )
    _app.show_study(finding, as_json, tune_table)
