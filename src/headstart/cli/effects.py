"""`headstart effects`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app
from headstart.cli._app import app


@app.command()
def effects(
    data: _app.DataArgument,
    model: _app.Model = "cnn",
    preset: _app.Preset = "balanced",
    of: Annotated[
        str | None,
        typer.Option(
            "--of",
            help="Of dropout,l2,layers,nodes,activation,batch,optimizer,augmentation (default: these), label_smoothing,schedule.",
        ),
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
    """Show what each knob of a recipe does on DATA: one turned at a time, over seeds, with intervals.

    Example: headstart effects digits --model mlp --of dropout,l2,layers,nodes
    """
    given = _app.study_keys(locals())
    from headstart import api
    from headstart.report import effects_table

    _app.start(quiet)
    finding = api.effects(
        data,
        model=model,
        preset=preset,
        of=of,
        seeds=seeds,
        time_limit=time_limit,
        workers=workers,
        ray=ray,
        track=track,
        out=out,
        **given,
    )
    _app.show_study(finding, as_json, effects_table)
