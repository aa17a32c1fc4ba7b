"""`headstart train`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app
from headstart.cli._app import app
from headstart.errors import InputError

_PANEL, _AUGMENTATION, _NETWORK = "Training", "Augmentation (training images only)", "Network"
_BACKBONE = "Backbone"
# Parameters of the verb that are no keys of the recipe or the data.
_NOT_KEYS = {
    *("data", "model", "preset", "seed", "time_limit", "summary", "repeat", "track"),
    *("given", "other", "out", "as_json", "quiet"),
}


def _option(name: str, text: str, panel: str = _PANEL) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel)


@app.command()
@_app.shared(_app.data_options, _app.tracking_options, _app.output_options)
def train(
    data: _app.OptionalData = None,
    model: _app.Model = "cnn",
    preset: _app.Preset = "balanced",
    seed: Annotated[
        int, typer.Option("--seed", help="Of initial weights, order and augmentation.")
    ] = 0,
    epochs: Annotated[
        str | None,
        _option(
            "--epochs",
            "Passes over the training images; +10 goes on from the finished run for ten more.",
        ),
    ] = None,
    time_limit: Annotated[
        str | None,
        _option("--time-limit", "Such as 90s, 5m, 1h: the schedule is planned to end in time."),
    ] = None,
    lr: Annotated[float | None, _option("--lr", "Highest learning rate.")] = None,
    batch: _app.Batch = None,
    optimizer: Annotated[
        str | None, _option("--optimizer", "muon, adam, adamw, sgd or rmsprop.")
    ] = None,
    schedule: Annotated[
        str | None, _option("--schedule", "Of the learning rate: constant, linear or cosine.")
    ] = None,
    l2: Annotated[float | None, _option("--l2", "Weight decay.")] = None,
    label_smoothing: Annotated[
        float | None, _option("--label-smoothing", "Share of the target spread over all classes.")
    ] = None,
    class_weights: Annotated[str | None, _option("--class-weights", "none or balanced.")] = None,
    patience: Annotated[
        int | None,
        _option("--patience", "Stop after this many epochs without a lower validation loss."),
    ] = None,
    target: Annotated[
        float | None, _option("--target", "Stop at this validation accuracy, such as 0.97.")
    ] = None,
    precision: Annotated[str | None, _option("--precision", "auto, float32 or bfloat16.")] = None,
    layers: Annotated[
        int | None, _option("--layers", "Hidden layers (mlp) or blocks (cnn).", _NETWORK)
    ] = None,
    nodes: Annotated[
        int | None, _option("--nodes", "Units of a layer, or filters of the first block.", _NETWORK)
    ] = None,
    activation: Annotated[
        str | None, _option("--activation", "relu, tanh or gelu.", _NETWORK)
    ] = None,
    dropout: Annotated[
        float | None, _option("--dropout", "Part of the units dropped while training.", _NETWORK)
    ] = None,
    transfer: Annotated[
        str | None,
        _option(
            "--transfer",
            "frozen (the head learns), finetune (all of it), scratch (random weights).",
            _BACKBONE,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        _option("--weights", "Of a backbone: a .safetensors file with timm's names.", _BACKBONE),
    ] = None,
    cut: Annotated[
        str | None,
        _option(
            "--cut", "Take the output of this layer as features; --summary lists layers.", _BACKBONE
        ),
    ] = None,
    pool: Annotated[
        str | None, _option("--pool", "From a map to features: avg, max or flatten.", _BACKBONE)
    ] = None,
    head: Annotated[
        str | None,
        _option("--head", "linear, or dense layers and dropout such as 1024,d0.2,512.", _BACKBONE),
    ] = None,
    flip: Annotated[
        bool | None,
        _option(
            "--flip/--no-flip",
            "Mirror half of the images; default for cnn unless classes are digits or letters.",
            _AUGMENTATION,
        ),
    ] = None,
    rotation: Annotated[
        float | None, _option("--rotation", "Up to this many degrees.", _AUGMENTATION)
    ] = None,
    shift: Annotated[
        float | None, _option("--shift", "Up to this part of the side.", _AUGMENTATION)
    ] = None,
    shear: Annotated[
        float | None, _option("--shear", "Up to this many degrees.", _AUGMENTATION)
    ] = None,
    zoom: Annotated[
        float | None, _option("--zoom", "In or out by up to this part.", _AUGMENTATION)
    ] = None,
    cutout: Annotated[
        float | None, _option("--cutout", "Blank a square of this part of the side.", _AUGMENTATION)
    ] = None,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary",
            help="Print layers, shapes, parameters and multiply-adds; train nothing.",
            rich_help_panel=_NETWORK,
        ),
    ] = False,
    repeat: Annotated[
        str | None,
        typer.Option(
            "--repeat",
            metavar="RUN",
            help="Train this run again, step by step; no other option counts.",
        ),
    ] = None,
    **given: Any,
) -> None:
    """Train one model on DATA.

    Example: headstart train fashion-mnist --model cnn --epochs 8
    """
    keys = {key: value for key, value in {**locals(), **given}.items() if key not in _NOT_KEYS}
    keys |= {"epochs": _app.number(epochs), "resize": given["resize"].value}
    keys |= _app.settings(given["other"], {*keys, *_NOT_KEYS})
    from headstart import api
    from headstart.report import layers_table, run_table

    _app.start(given["quiet"])
    as_json, track, out = given["as_json"], given["track"], given["out"]
    if repeat is not None:
        _app.show(api.repeat(repeat, data, out=out), as_json, run_table)
        return
    if data is None:
        raise InputError(
            "DATA is missing.", "Give a dataset, such as: headstart train fashion-mnist"
        )
    if summary:
        found = api.network(data, model=model, preset=preset, **keys)
        _app.show(
            {"model": model, "layers": found},
            as_json,
            lambda result: layers_table(result["layers"]),
        )
        return
    trained = api.train(
        data,
        model=model,
        preset=preset,
        seed=seed,
        time_limit=time_limit,
        track=track,
        out=out,
        **keys,
    )
    _app.show(trained, as_json, run_table)
