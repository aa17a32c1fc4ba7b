"""`headstart export`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from headstart.cli import _app, _options
from headstart.cli._app import app
from headstart.cli._next_command import print_next, print_next_step


class _Form(StrEnum):
    onnx = "onnx"
    torch = "torch"


@app.command()
def export(
    run: _options.RunArgument,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The file. Default: model.onnx in the run folder."
        ),
    ] = None,
    form: Annotated[
        _Form, typer.Option("--format", help="onnx, or torch for a program of torch.export.")
    ] = _Form.onnx,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Write an 8-bit ONNX file as well, and report what it costs."),
    ] = False,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            help="Write a web page that classifies photos, camera pictures and drawings offline.",
        ),
    ] = False,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="PATH",
            help="onnxruntime-web for --page, as an archive or a folder. Default: it is fetched "
            "by npm.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help="The run's dataset, if it moved."),
    ] = None,
    as_json: _options.AsJson = False,
    quiet: _options.Quiet = False,
) -> None:
    """Write a run's classifier as one file for other programs, and check it on validation images.

    Example: headstart export runs/mine -o model.onnx --int8
    """
    from headstart import api
    from headstart.report import export_table

    _app.set_quiet(quiet)
    result = api.export(
        run, data=data, out=out, form=form.value, int8=int8, page=page, runtime=runtime
    )
    _app.print_result(result, as_json, export_table)
    if result["page"]:
        print_next_step(f"open {result['page']} in a browser", is_silent=as_json or quiet)
        return

    words: tuple[str, ...] = ("serve", run)
    if result["onnx"]:
        words = ("predict", "--onnx", result["onnx"], "IMAGE")
    print_next(*words, is_silent=as_json or quiet)
