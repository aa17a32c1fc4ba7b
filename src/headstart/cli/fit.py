"""The command `headstart fit`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app


@app.command()
@_options.with_options(
    _options.recipe_options("epochs", "batch"),
    _options.data_options,
    _options.tracking_options,
    _options.output_options,
)
def fit(
    data: _options.DataArgument,
    time_limit: Annotated[
        str,
        typer.Option(
            "--time-limit", help="Time for everything, including the report: 90s, 10m or 1h."
        ),
    ] = "10m",
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Metric for the selection on validation images: accuracy (the default), macro-f1, "
            "balanced-accuracy, log-loss, or FILE.py:function.",
        ),
    ] = None,
    single: Annotated[
        bool, typer.Option("--single", help="Choose one network, not an average of several.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the runs.")] = 0,
    max_ms: Annotated[
        float | None,
        typer.Option(
            "--max-ms",
            help="Longest time per image on this machine, in milliseconds.",
        ),
    ] = None,
    **given: Any,
) -> None:
    """Find the best classifier for DATA within a time limit.

    Example: headstart fit photos/ --time-limit 10m
    """
    from headstart import api

    _app.run_study(
        api.fit,
        data,
        given,
        time_limit=time_limit,
        metric=metric,
        single=single,
        seed=seed,
        max_ms=max_ms,
    )
