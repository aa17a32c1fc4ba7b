"""`headstart train`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.cli import _app
from headstart.cli._app import app
from headstart.errors import InputError

_PANEL, _AUGMENTATION, _NETWORK = "Training", "Augmentation (training images only)", "Network"
_BACKBONE = "Backbone"


def _option(name: str, text: str, panel: str = _PANEL) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel)


@app.command()
def train(
    data: _app.OptionalData = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="mlp, cnn, cnn-fashion, cnn-fashion-small, cnn-scenes, efficientnet-lite0|1|2, inception-mixed7 or timm/NAME.",
        ),
    ] = "cnn",
    preset: Annotated[str, typer.Option("--preset", help="fast (seconds), balanced, or best (as long as it pays).")] = "balanced",
    seed: Annotated[int, typer.Option("--seed", help="Of initial weights, order and augmentation.")] = 0,
    epochs: Annotated[
        str | None, _option("--epochs", "Passes over the training images; +10 goes on from the finished run for ten more.")
    ] = None,
    time_limit: Annotated[
        str | None, _option("--time-limit", "Such as 90s, 5m, 1h: the schedule is planned to end in time.")
    ] = None,
    lr: Annotated[float | None, _option("--lr", "Highest learning rate.")] = None,
    batch: _app.Batch = None,
    optimizer: Annotated[str | None, _option("--optimizer", "muon, adam, adamw, sgd or rmsprop.")] = None,
    schedule: Annotated[str | None, _option("--schedule", "Of the learning rate: constant, linear or cosine.")] = None,
    l2: Annotated[float | None, _option("--l2", "Weight decay.")] = None,
    label_smoothing: Annotated[float | None, _option("--label-smoothing", "Share of the target spread over all classes.")] = None,
    class_weights: Annotated[str | None, _option("--class-weights", "none or balanced.")] = None,
    patience: Annotated[int | None, _option("--patience", "Stop after this many epochs without a lower validation loss.")] = None,
    target: Annotated[float | None, _option("--target", "Stop at this validation accuracy, such as 0.97.")] = None,
    precision: Annotated[str | None, _option("--precision", "auto, float32 or bfloat16.")] = None,
    layers: Annotated[int | None, _option("--layers", "Hidden layers (mlp) or blocks (cnn).", _NETWORK)] = None,
    nodes: Annotated[int | None, _option("--nodes", "Units of a layer, or filters of the first block.", _NETWORK)] = None,
    activation: Annotated[str | None, _option("--activation", "relu, tanh or gelu.", _NETWORK)] = None,
    dropout: Annotated[float | None, _option("--dropout", "Part of the units dropped while training.", _NETWORK)] = None,
    transfer: Annotated[
        str | None, _option("--transfer", "frozen (the head learns), finetune (all of it), scratch (random weights).", _BACKBONE)
    ] = None,
    weights: Annotated[
        str | None, _option("--weights", "Of a backbone: a .safetensors file with timm's names.", _BACKBONE)
    ] = None,
    cut: Annotated[
        str | None, _option("--cut", "Take the output of this layer as features; --summary lists layers.", _BACKBONE)
    ] = None,
    pool: Annotated[str | None, _option("--pool", "From a map to features: avg, max or flatten.", _BACKBONE)] = None,
    head: Annotated[
        str | None, _option("--head", "linear, or dense layers and dropout such as 1024,d0.2,512.", _BACKBONE)
    ] = None,
    flip: Annotated[
        bool | None,
        _option(
            "--flip/--no-flip", "Mirror half of the images; default for cnn unless classes are digits or letters.", _AUGMENTATION
        ),
    ] = None,
    rotation: Annotated[float | None, _option("--rotation", "Up to this many degrees.", _AUGMENTATION)] = None,
    shift: Annotated[float | None, _option("--shift", "Up to this part of the side.", _AUGMENTATION)] = None,
    shear: Annotated[float | None, _option("--shear", "Up to this many degrees.", _AUGMENTATION)] = None,
    zoom: Annotated[float | None, _option("--zoom", "In or out by up to this part.", _AUGMENTATION)] = None,
    cutout: Annotated[float | None, _option("--cutout", "Blank a square of this part of the side.", _AUGMENTATION)] = None,
    other: _app.Settings = None,
    validation: _app.Validation = None,
    test: _app.Test = None,
    train_images: _app.TrainImages = None,
    split_seed: _app.SplitSeed = 0,
    image_size: _app.ImageSize = None,
    resize: _app.ResizeOption = _app.Resize.pad,
    pixel_max: _app.PixelMax = None,
    group_by: _app.GroupBy = None,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary", help="Print layers, shapes, parameters and multiply-adds; train nothing.", rich_help_panel=_NETWORK
        ),
    ] = False,
    repeat: Annotated[
        str | None, typer.Option("--repeat", metavar="RUN", help="Train this run again, step by step; no other option counts.")
    ] = None,
    track: _app.Track = None,
    out: _app.Out = None,
    as_json: _app.AsJson = False,
    quiet: _app.Quiet = False,
) -> None:
    """Train one model on DATA.

    Example: headstart train fashion-mnist --model cnn --epochs 8
    """
    from headstart import api
    from headstart.report import layers_table, run_table

    _app.start(quiet)
    given = {
        "epochs": _app.number(epochs),
        "lr": lr,
        "batch": batch,
        "optimizer": optimizer,
        "schedule": schedule,
        "l2": l2,
        "label_smoothing": label_smoothing,
        "class_weights": class_weights,
        "patience": patience,
        "target": target,
        "precision": precision,
        "layers": layers,
        "nodes": nodes,
        "activation": activation,
        "dropout": dropout,
        "weights": weights,
        "cut": cut,
        "pool": pool,
        "head": head,
        "transfer": transfer,
        "flip": flip,
        "rotation": rotation,
        "shift": shift,
        "shear": shear,
        "zoom": zoom,
        "cutout": cutout,
        "validation": validation,
        "test": test,
        "train_images": train_images,
        "split_seed": split_seed,
        "image_size": image_size,
        "resize": resize.value,
        "pixel_max": pixel_max,
        "group_by": group_by,
    }
    given |= _app.settings(other, {*given, "data", "model", "preset", "seed", "time_limit", "repeat", "track", "out"})
    if repeat is not None:
        _app.show(api.repeat(repeat, data, out=out), as_json, run_table)
        return
    if data is None:
        raise InputError("DATA is missing.", "Give a dataset, such as: headstart train fashion-mnist")
    if summary:
        found = api.network(data, model=model, preset=preset, **given)
        _app.show({"model": model, "layers": found}, as_json, lambda result: layers_table(result["layers"]))
        return
    trained = api.train(data, model=model, preset=preset, seed=seed, time_limit=time_limit, track=track, out=out, **given)
    _app.show(trained, as_json, run_table)
