"""`headstart submit`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next


@app.command()
def submit(
    run: _options.RunArgument,
    test: Annotated[
        str,
        typer.Argument(
            metavar="TEST",
            help="A pixel CSV without labels, a CSV with a column of paths, or a folder of images.",
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="The file to write.")
    ] = "submission.csv",
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            metavar="FILE",
            help="The competition's sample submission: its columns, ids, order and kind of values.",
        ),
    ] = None,
    probability_of: Annotated[
        str | None,
        typer.Option(
            "--probability-of",
            metavar="CLASS",
            help="Class whose probability the sample asks for, if the sample does not name it.",
        ),
    ] = None,
    path_column: Annotated[
        str | None,
        typer.Option("--path-column", metavar="NAME", help="Column of image paths in TEST."),
    ] = None,
    safe_cells: _options.SafeCells = False,
    skip_bad: _options.SkipBadImages = False,
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Write a competition's submission: ImageId,Label, or the columns of its sample submission.

    Example: headstart submit runs/mine test.csv -o submission.csv
    """
    from headstart import api
    from headstart.report import submission_table

    _app.set_quiet(quiet)
    result = api.submit(
        run,
        test,
        out=out,
        sample=sample,
        probability_of=probability_of,
        path_column=path_column,
        safe_cells=safe_cells,
        skip_bad=skip_bad,
    )
    _app.print_result(result, as_json, submission_table)
    print_next("explain", run, "IMAGE", is_silent=as_json or quiet)
