"""The command `headstart effects`."""

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
def effects(
    data: _options.DataArgument,
    model: _options.Model = "cnn",
    preset: _options.Preset = "balanced",
    of: Annotated[
        str | None,
        typer.Option(
            "--of",
            help="Hyper-parameters: dropout,l2,layers,nodes,activation,batch,optimizer, "
            "augmentation (these are the default), label_smoothing, schedule.",
        ),
    ] = None,
    seeds: _options.Seeds = 3,
    folds: _options.FoldsOption = "none",
    time_limit: _options.TimeLimit = None,
    when_slow: _options.WhenSlowOption = _options.WhenSlow.shorten,
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
