"""Terminal tables of things that are no results: a network's layers, the named datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def layers_table(layers: list[dict[str, Any]]) -> Table:
    """Layer, kind, output shape, parameters and multiply-adds of one image; sums at the end. Frozen layers are dim."""
    table = _plain_table("layer", "kind", "output shape", "parameters", "multiply-adds")
    for layer in layers:
        shape = " x ".join(str(side) for side in layer["output_shape"])
        frozen = layer["parameters"] and not layer["trainable"]
        table.add_row(
            layer["name"],
            layer["kind"],
            shape,
            f"{layer['parameters']:,}",
            f"{layer['multiply_adds']:,}",
            style="dim" if frozen else "",
        )
    table.add_section()
    learning = sum(layer["parameters"] for layer in layers if layer["trainable"])
    table.add_row(
        "all",
        f"{len(layers)} layers",
        "",
        f"{sum(layer['parameters'] for layer in layers):,}",
        f"{sum(layer['multiply_adds'] for layer in layers):,}",
        style="bold",
    )
    table.add_row("of these learn", "", "", f"{learning:,}", "")
    return table


def datasets_table(datasets: list[dict[str, Any]]) -> Table:
    """The named datasets, their size, and whether they are here."""
    table = _plain_table("name", "train", "test", "classes", "image", "here")
    for one in datasets:
        height, width, channels = one["image_shape"]
        here = (
            ("cached, from " if one["cached"] else "") + one["from"]
            if one["from"]
            else "no: headstart data get " + one["name"]
        )
        table.add_row(
            one["name"],
            f"{one['train']:,}" if one["test"] else f"{one['images']:,}",
            f"{one['test']:,}" if one["test"] else "-",
            str(one["classes"]),
            f"{width}x{height}x{channels}",
            here,
        )
    return table


def _plain_table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False)
    for column in columns:
        is_number = column in ("parameters", "multiply-adds", "train", "test", "classes")
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    return table
