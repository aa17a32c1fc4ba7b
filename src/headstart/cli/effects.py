"""The command `headstart effects`."""

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
def effects(
    data: _app.DataArgument,
    model: _app.Model = "cnn",
    preset: _app.Preset = "balanced",
    of: Annotated[
        str | None,
        typer.Option(
            "--of",
            help="Hyper-parameters: dropout,l2,layers,nodes,activation,batch,optimizer, "
            "augmentation (these are the default), label_smoothing, schedule.",
        ),
    ] = None,
    seeds: _app.Seeds = 3,
    folds: _app.FoldsOption = "none",
    time_limit: _app.TimeLimit = None,
    when_slow: _app.WhenSlowOption = _app.WhenSlow.shorten,
    **given: Any,
) -> None:
    """Change one hyper-parameter of a recipe at a time on DATA, and test each change.

    Example: headstart effects digits --model mlp --of dropout,l2,layers,nodes
    """
    from headstart import api

    _app.run_study(
        api.effects,
        data,
        given,
        model=model,
        preset=preset,
        of=of,
        seeds=seeds,
        folds=folds,
        time_limit=time_limit,
        when_slow=when_slow.value,
    )
