"""`headstart data list` and `headstart data get`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app
from headstart.cli._app import app

commands: typer.Typer = typer.Typer(
    no_args_is_help=True, help="Named datasets: list them, get one."
)
app.add_typer(commands, name="data")


@commands.command("list")
def list_(as_json: _app.AsJson = False) -> None:
    """List the named datasets, and which are here already."""
    from headstart import api
    from headstart.report import datasets_table

    _app.show(
        {"datasets": api.datasets()}, as_json, lambda result: datasets_table(result["datasets"])
    )


@commands.command()
def get(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="fashion-mnist, mnist, cifar10 or digits.")
    ],
    as_json: _app.AsJson = False,
    quiet: _app.Quiet = False,
) -> None:
    """Get a named dataset, check it, and keep it decoded in the cache."""
    from headstart import api

    _app.start(quiet)

    def draw(found: dict[str, Any]) -> str:
        height, width, channels = found["image_shape"]
        size = (
            f"{found['images']:,} images of {width}x{height}x{channels}, {found['classes']} classes"
        )
        return f"{found['name']}: {size}, from {found['from']}"

    _app.show(api.get_dataset(name), as_json, draw)
