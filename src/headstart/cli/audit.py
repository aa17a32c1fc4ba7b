"""The command `headstart audit`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next_step
from headstart.formatting import printable


@app.command()
@_options.with_options(_options.data_options)
def audit(
    data: _options.DataArgument,
    fix: Annotated[
        str | None,
        typer.Option(
            "--fix",
            metavar="FILE.csv",
            help="Write a plan: images to drop or relabel. Other commands apply it with --plan.",
        ),
    ] = None,
    review: Annotated[
        bool,
        typer.Option(
            "--review",
            help="Open the page in a browser, decide on each image with a key, and save the plan.",
        ),
    ] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Skip the search for wrong labels, which needs training."),
    ] = False,
    out: _options.Out = None,
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
    **given: Any,
) -> None:
    """Report problems in DATA: leaks, wrong labels, copies, shortcuts, unreadable files.

    The exit status is 0 even if problems are found. Your files are never changed.

    Example: headstart audit photos/ --fix plan.csv
    """
    from headstart import api

    _app.set_quiet(quiet)
    given["resize"] = given["resize"] and given["resize"].value
    result = api.audit(data, fix=fix, review=review, quick=quick, out=out, **given)
    _app.print_result(result, as_json, lambda printed: printed.table())
    print_next_step(result.finding.next_command, is_silent=as_json or quiet)
    if not as_json:
        print(printable(f"Report: {result.finding.report}"))
