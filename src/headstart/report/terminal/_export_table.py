"""The terminal table of `export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import (
    compact_count,
    counted,
    one_line,
    percent,
)
from headstart.report.terminal._tables import JsonMapping, ResponsiveTable, new_table, text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def export_table(result: JsonMapping) -> RenderableType:
    """Return a table of an exported file: its size, its parity with the run, and the 8-bit model.

    Args:
        result: The JSON of `export`.
    """
    return ResponsiveTable(lambda _: _export_table(result))


def _export_table(result: JsonMapping) -> Table:
    from rich.text import Text

    table = new_table(text(""), text("", folds=True))
    parity = result["parity"]
    images = counted(parity["n"], f"{parity['part']} image")
    table.add_row("written", Text(one_line(result["onnx"] or result["torch"] or result["page"])))
    table.add_row("size", f"{compact_count(result['bytes'])}B")
    table.add_row("same class as the run", f"{percent(parity['top1_agreement'])} of {images}")
    table.add_row("largest difference", f"{parity['max_difference']:.2g} of a probability")
    if result["int8"]:
        _add_int8(table, result["int8"], parity["n"])
    return table


def _add_int8(table: Table, int8: JsonMapping, images: int) -> None:
    from rich.text import Text

    accuracy, float_accuracy = (
        percent(int8[key], images) for key in ("accuracy", "float_accuracy")
    )
    table.add_section()
    table.add_row("8-bit model", Text(one_line(int8["onnx"])))
    table.add_row("size", f"{compact_count(int8['bytes'])}B")
    table.add_row("accuracy", f"{accuracy} (float: {float_accuracy})")
    for batch, milliseconds in int8["ms_per_image"].items():
        float_milliseconds = int8["float_ms_per_image"][batch]
        table.add_row(
            f"ms/image, batch {batch}", f"{milliseconds:.3g} (float: {float_milliseconds:.3g})"
        )
