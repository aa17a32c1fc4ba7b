"""`headstart predict`."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next
from headstart.errors import InputError


@app.command()
def predict(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN IMAGE",
            help="Folder of a finished run or study, then image files, folders of images, or - for "
            "standard input.",
        ),
    ] = None,
    onnx: Annotated[
        str | None,
        typer.Option(
            "--onnx",
            metavar="FILE",
            help="An exported .onnx file instead of RUN; it starts in under a second.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", help="Number of classes to print per image. Default: 3; JSON has all."
        ),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            "--coverage",
            metavar="SHARE",
            help="Also give a set of classes that contains the true one for this share of images, "
            "such as 0.95. Images whose set has several classes are uncertain.",
        ),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write all probabilities to a CSV file."),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Draw the images and their probabilities: a .png or .svg file.",
        ),
    ] = None,
    safe_cells: _options.SafeCells = False,
    skip_bad: _options.SkipBadImages = False,
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Predict the classes of images.

    Example: headstart predict runs/mine photo.jpg --top 3 --figure predictions.png
    """
    from headstart import api
    from headstart.report import predictions_table

    _app.set_quiet(quiet)
    if onnx is not None and not onnx.lower().endswith(".onnx"):
        raise InputError(
            f"invalid --onnx: expected an .onnx file, got {onnx}.",
            "Write one with: headstart export RUN -o model.onnx",
        )
    run, *images = [onnx, *(words or [])] if onnx is not None else (words or [""])
    if not run:
        raise InputError(
            "RUN is missing.",
            "Pass a run and images, such as: headstart predict runs/mine photo.jpg",
        )
    result = api.predict(
        run,
        images,
        top=top,
        coverage=coverage,
        csv=csv,
        figure=figure,
        safe_cells=safe_cells,
        skip_bad=skip_bad,
    )
    _app.print_result(result, as_json, predictions_table)
    if run.lower().endswith(".onnx"):
        print_next("serve", run, is_silent=as_json or quiet)
    else:
        first = result["predictions"][0]["image"]
        print_next("explain", run, first, is_silent=as_json or quiet)
