"""`headstart data list` and `headstart data get`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next

commands: typer.Typer = typer.Typer(
    no_args_is_help=True,
    help="List the named datasets, or get one.\n\nExample: headstart data list",
)
app.add_typer(commands, name="data")


@commands.command("list")
def list_(as_json: _options.AsJson = False) -> None:
    """List the named datasets, and show which are in the cache.

    Example: headstart data list
    """
    from headstart import api
    from headstart.report import datasets_table

    _app.print_result(
        {"datasets": api.datasets()}, as_json, lambda result: datasets_table(result["datasets"])
    )
    print_next("fit", "digits", "--time-limit", "2m", is_silent=as_json)


@commands.command()
def get(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="fashion-mnist, mnist, cifar10 or digits.")
    ],
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Download and verify a named dataset, and store it decoded in the cache.

    Example: headstart data get fashion-mnist
    """
    from headstart import api

    _app.set_quiet(quiet)

    def draw(dataset: Mapping[str, Any]) -> str:
        height, width, channels = dataset["image_shape"]
        images = f"{dataset['images']:,} images of {width}x{height}x{channels}"
        return f"{dataset['name']}: {images}, {dataset['classes']} classes, from {dataset['from']}"

    _app.print_result(api.get_dataset(name), as_json, draw)
    print_next("fit", name, is_silent=as_json or quiet)
