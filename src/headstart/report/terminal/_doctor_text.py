"""The text that `headstart doctor` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import counted, one_line
from headstart.report.terminal._tables import JsonMapping, sentences

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {"damaged": "bold red", "debris": "yellow", "unfinished": "cyan", "in use": "cyan"}


def doctor_lines(result: JsonMapping) -> RenderableType:
    """Return one block for each folder and each property of the machine.

    Args:
        result: The JSON of `doctor`.
    """
    from rich.console import Group

    blocks: list[RenderableType] = []
    for diagnosis in result["diagnoses"]:
        blocks += sentences([_head(diagnosis)], _STYLES.get(diagnosis["state"], ""))
        advice = [one_line(diagnosis[key]) for key in ("works", "help") if diagnosis[key]]
        blocks += sentences([f"  {line}" for line in advice], "dim")

    moved = [f"set aside: {one_line(path)}" for path in result["set_aside"]]
    folders = [item for item in result["diagnoses"] if item["kind"] != "machine"]
    end = f"{counted(len(folders), 'folder')} examined: "
    end += f"{counted(result['damaged'], 'damage')}." if result["damaged"] else "no damage."
    return Group(
        *blocks, *sentences(moved), *sentences([end], "green" if result["healthy"] else "bold red")
    )


def _head(diagnosis: JsonMapping) -> str:
    text = f"{one_line(diagnosis['path'])}: {diagnosis['state']}"
    if diagnosis["kind"] != "machine":
        text = f"{diagnosis['kind']} {text}"
    if diagnosis["file"]:
        text += f": {one_line(diagnosis['file'])}"
    if diagnosis["bytes"]:
        text += f", {diagnosis['bytes'] / 1e6:,.1f} MB"
    return f"{text}: {one_line(diagnosis['reason'])}" if diagnosis["reason"] else text
