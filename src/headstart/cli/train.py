"""`headstart train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next
from headstart.errors import InputError
from headstart.models.recipes import train_flags

if TYPE_CHECKING:
    from headstart.api import Run

_EPOCHS, _TIME_LIMIT, *_OTHERS = train_flags().values()
# Values of options that are not given, apart from None.
_DEFAULTS = {"model": "cnn", "preset": "balanced", "seed": 0, "split_seed": 0}


@app.command()
@_options.with_options(
    _options.recipe_options(*(flag.key for flag in _OTHERS)),
    _options.data_options,
    _options.tracking_options,
    _options.output_options,
)
def train(
    data: _options.OptionalData = None,
    model: _options.Model = "cnn",
    preset: _options.Preset = "balanced",
    seed: Annotated[
        int,
        typer.Option("--seed", help="Seed of initial weights, image order and augmentation."),
    ] = 0,
    epochs: Annotated[
        str | None,
        typer.Option(
            _EPOCHS.spelling,
            help=f"{_EPOCHS.help} +10 extends the finished run by ten.",
            rich_help_panel=_EPOCHS.panel,
        ),
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(
            _TIME_LIMIT.spelling,
            help=_TIME_LIMIT.help,
            rich_help_panel=_TIME_LIMIT.panel,
        ),
    ] = None,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary",
            help="Print layers, shapes, parameters and multiply-adds, and train nothing.",
            rich_help_panel="Network",
        ),
    ] = False,
    repeat: Annotated[
        str | None,
        typer.Option(
            "--repeat",
            metavar="RUN",
            help="Train this run again, with its recipe, split, seed and steps.",
        ),
    ] = None,
    **given: Any,
) -> None:
    """Train one model on DATA.

    Example: headstart train fashion-mnist --model cnn --epochs 8
    """
    output = _app.pop_output_options(given)
    named = {"model": model, "preset": preset, "seed": seed, "time_limit": time_limit}
    budget = {"epochs": _app.number_or_text(epochs)}
    keys = _app.with_settings({**named, **budget, **given}, output.settings)
    from headstart import api

    _app.set_quiet(output.quiet)
    if repeat is not None:
        track = keys.pop("track")
        _refuse_options_of_repeat({**keys, "summary": summary or None})
        _show_run(api.repeat(repeat, data, track=track, out=output.out), output)
        return
    if data is None:
        raise InputError(
            "DATA is missing.", "Pass a dataset, such as: headstart train fashion-mnist"
        )
    if summary:
        _show_summary(data, keys, output.as_json)
        return
    _show_run(api.train(data, out=output.out, **keys), output)


def _refuse_options_of_repeat(keys: Mapping[str, Any]) -> None:
    """Raise InputError for an option that a repeated run would ignore."""
    for key, value in keys.items():
        if value is not None and value != _DEFAULTS.get(key):
            raise InputError(
                f"{key} cannot be combined with --repeat: a repeated run has the recipe, the split "
                "and the seed of the first one.",
                "Leave one of them out.",
            )


def _show_run(run: Run, output: _app.Output) -> None:
    """Print a finished run, the next command, and as the last line the folder of the run."""
    from headstart.report import run_table

    _app.print_result(run, output.as_json, run_table)
    print_next("report", run["run"], is_silent=output.as_json or output.quiet)


def _show_summary(data: str, keys: Mapping[str, Any], as_json: bool) -> None:
    """Print the layers that `headstart train` would train."""
    from headstart import api
    from headstart.report import layers_table

    ignored = ("seed", "track", "epochs", "time_limit")  # none of them changes a layer
    layers = api.network(data, **{key: keys[key] for key in keys if key not in ignored})
    _app.print_result(
        {"model": keys["model"], "layers": layers},
        as_json,
        lambda result: layers_table(result["layers"]),
    )
