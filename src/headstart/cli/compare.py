"""`headstart compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
def compare(
    data: _app.DataArgument,
    models: Annotated[
        str,
        typer.Option(
            "--models", help="Contenders, by commas: models, model:preset, recipe.json files, folders of finished runs."
        ),
    ] = "cnn,efficientnet-lite0",
    seeds: Annotated[int, typer.Option("--seeds", help="Runs of each contender.")] = 3,
    time_limit: Annotated[
        str,
        typer.Option(
            "--time-limit",
            help="For everything, the report included; 'none' lets recipes run as long as they want.",
        ),
    ] = "5m",
    epochs: _app.Epochs = None,
    batch: _app.Batch = None,
    other: _app.Settings = None,
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
    """Compare models on DATA: same splits, seeds and seconds, paired tests, a verdict and a report.

    Example: headstart compare photos/ --time-limit 5m
    """
    given = _app.study_keys(locals())
    from headstart import api
    from headstart.report import compare_table

    _app.start(quiet)
    finding = api.compare(data, models=models, seeds=seeds, time_limit=time_limit, track=track, out=out, **given)
    _app.show_study(finding, as_json, compare_table)
