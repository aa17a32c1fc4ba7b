"""The command `headstart compare`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app


@app.command()
@_options.with_options(
    _options.training_options,
    _options.data_options,
    _options.tracking_options,
    _options.output_options,
)
def compare(
    data: _options.DataArgument,
    models: Annotated[
        str,
        typer.Option(
            "--models",
            help="Contenders, separated by commas: models, model:preset, recipe.json files or "
            "folders of finished runs or studies.",
        ),
    ] = "cnn,efficientnet-lite0",
    seeds: Annotated[
        str,
        typer.Option(
            "--seeds",
            metavar="N|auto",
            help="Number of runs per contender; with folds, the number of repeats. With auto, one "
            "split is used, and seeds are added until the comparison is decided or more would "
            "hardly help. At most 5 are trained with a time limit, 8 without, 12 with auto:12.",
        ),
    ] = "3",
    folds: Annotated[
        str,
        typer.Option(
            "--folds",
            metavar="K|auto|none",
            help="Cross-validate with K folds: every image is tested once per repeat, and --seeds "
            "is the number of repeats. Without folds (none), there is one test part. With auto, 5 "
            "folds are used for most data of fewer than 1,000 images, but not with a test part, "
            "--test, --train-images, --plan, --seeds auto or finished runs.",
        ),
    ] = "auto",
    time_limit: Annotated[
        str,
        typer.Option(
            "--time-limit",
            help="Time for everything, including the report; 'none' keeps the epochs of the "
            "recipes.",
        ),
    ] = "5m",
    when_slow: _options.WhenSlowOption = _options.WhenSlow.shorten,
    equivalence: Annotated[
        float,
        typer.Option(
            "--equivalence",
            help="Largest difference in accuracy that does not matter to you, in percentage "
            "points. Contenders whose difference is shown to be smaller are equivalent.",
        ),
    ] = 0.5,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="Exit with 0 if the last contender may replace the first one, 1 if it is worse, 4 "
            "if the evidence does not decide.",
        ),
    ] = False,
    **given: Any,
) -> None:
    """Compare models on DATA with the same split, seeds and time, and write a report.

    Example: headstart compare photos/ --time-limit 5m
    """
    from headstart import api

    result = _app.run_study(
        api.compare,
        data,
        given,
        models=models,
        seeds=int(seeds) if seeds.isdecimal() else seeds,
        folds=folds,
        time_limit=time_limit,
        when_slow=when_slow.value,
        equivalence=equivalence,
        gate=gate,
    )
    if gate and result["gate"]["exit_status"]:
        raise typer.Exit(result["gate"]["exit_status"])
