"""`headstart lr`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
def lr(
    data: _app.DataArgument,
    model: _app.Model = "cnn",
    preset: _app.Preset = "balanced",
    values: Annotated[
        str | None, typer.Option("--values", help="Learning rates; default: half decades from 0.0001 to 0.1 and beyond.")
    ] = None,
    seeds: _app.Seeds = 3,
    time_limit: _app.TimeLimit = None,
    epochs: _app.Epochs = None,
    batch: _app.Batch = None,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", help="muon, adam, adamw, sgd or rmsprop.", rich_help_panel="Training")
    ] = None,
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
    """Show what the learning rate does on DATA: the best, the range that is as good, where training breaks.

    Example: headstart lr fashion-mnist --model cnn-fashion-small --optimizer adam --epochs 5
    """
    given = _app.study_keys(locals(), "optimizer")
    from headstart import api
    from headstart.report import lr_table

    _app.start(quiet)
    finding = api.lr(
        data,
        model=model,
        preset=preset,
        values=values,
        seeds=seeds,
        time_limit=time_limit,
        workers=workers,
        ray=ray,
        track=track,
        out=out,
        **given,
    )
    _app.show_study(finding, as_json, lr_table)
