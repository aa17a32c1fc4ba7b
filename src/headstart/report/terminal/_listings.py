"""Terminal tables of a network's layers and of the named datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.formatting import ABSENT, count, counted, shape
from headstart.report._layer_titles import layer_titles
from headstart.report.terminal._tables import JsonMapping, new_table, number, text

if TYPE_CHECKING:
    from rich.table import Table


def layers_table(layers: Sequence[JsonMapping]) -> Table:
    """Return a table of the layers of a network, with the sums at the end. Frozen layers are dim.

    Shapes are height x width x channels.

    Args:
        layers: The layers of `train --summary --json`.
    """
    table = new_table(
        text("layer", folds=True),
        text("kind", folds=True),
        text("output shape"),
        number("parameters"),
        number("multiply-adds"),
    )
    titles = layer_titles((layer["name"], layer["kind"]) for layer in layers)
    before: Sequence[int] = ()
    for layer, title in zip(layers, titles, strict=True):
        is_frozen = layer["parameters"] and not layer["trainable"]
        output_shape = shape(layer["output_shape"])
        if layer["kind"] == "Flatten" and len(before) > 1:
            output_shape = f"{shape(before)} = {output_shape}"
        before = layer["output_shape"]
        table.add_row(
            title,
            layer["kind"],
            output_shape,
            count(layer["parameters"]),
            count(layer["multiply_adds"]),
            style="dim" if is_frozen else "",
        )

    parameters = sum(layer["parameters"] for layer in layers)
    trained = sum(layer["parameters"] for layer in layers if layer["trainable"])
    multiply_adds = sum(layer["multiply_adds"] for layer in layers)
    table.add_section()
    table.add_row(
        "total",
        counted(len(layers), "layer"),
        "",
        count(parameters),
        count(multiply_adds),
        style="bold",
    )
    table.add_row("trained", "", "", count(trained), "")
    return table


def datasets_table(datasets: Sequence[JsonMapping]) -> Table:
    """Return a table of the named datasets.

    Args:
        datasets: The datasets of `data list --json`.
    """
    table = new_table(
        text("name"),
        number("train"),
        number("test"),
        number("classes"),
        text("image"),
        text("available", folds=True),
    )
    for dataset in datasets:
        height, width, channels = dataset["image_shape"]
        table.add_row(
            dataset["name"],
            count(dataset["train"] if dataset["test"] else dataset["images"]),
            count(dataset["test"]) if dataset["test"] else ABSENT,
            str(dataset["classes"]),
            f"{width} × {height} × {channels}",
            _availability(dataset),
        )
    return table


def _availability(dataset: JsonMapping) -> str:
    if not dataset["from"]:
        return f"no: headstart data get {dataset['name']}"
    return f"cached, from {dataset['from']}" if dataset["cached"] else str(dataset["from"])
