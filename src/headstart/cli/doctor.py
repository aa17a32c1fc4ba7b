"""`headstart doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import after_diagnosis, print_next

_DAMAGED = 2


@app.command()
def doctor(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Folders of runs or studies, or folders that hold some (default: runs).",
            show_default=False,
        ),
    ] = None,
    cache: Annotated[bool, typer.Option("--cache", help="Check the cache too.")] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Move damaged cache entries, damaged checkpoints and what killed processes left "
            "into .set-aside. Nothing is deleted.",
        ),
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Test bfloat16 on this machine now.")
    ] = False,
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Check runs, studies, the cache and the machine: what is damaged, and what to do.

    Nothing is changed unless --repair is given. The exit status is 0 if everything is healthy, 2 if
    something is damaged, and 3 if a folder cannot be examined.

    Example: headstart doctor runs/ --cache
    """
    from headstart import api

    _app.set_quiet(quiet)
    result = api.doctor(*(paths or []), cache=cache, repair=repair, self_test=self_test)
    _app.print_result(result, as_json, lambda examined: examined.table())
    print_next(*after_diagnosis(result, paths or []), is_silent=as_json or quiet)
    if not result["healthy"]:
        raise typer.Exit(_DAMAGED)
