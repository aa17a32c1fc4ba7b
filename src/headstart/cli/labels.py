"""`headstart labels`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
def labels(
    data: _app.DataArgument,
    models: Annotated[
        str, typer.Option("--models", help="Contenders, by commas: models, model:preset, recipe.json files.")
    ] = "cnn,efficientnet-lite0",
    per_class: Annotated[
        str | None,
        typer.Option("--per-class", help="Labels of each class; default: 10,30,100,300,1000, as far as there are images."),
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
    """Show what labels are worth on DATA: accuracy against their number, and how many one model needs to match another.

    Example: headstart labels photos/ --per-class 10,30,100
    """
    given = _app.study_keys(locals())
    from headstart import api
    from headstart.report import labels_table

    _app.start(quiet)
    finding = api.labels(
        data,
        models=models,
        per_class=per_class,
        seeds=seeds,
        time_limit=time_limit,
        workers=workers,
        ray=ray,
        track=track,
        out=out,
        **given,
    )
    _app.show_study(finding, as_json, labels_table)
