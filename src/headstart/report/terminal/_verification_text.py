"""The text that `headstart verify` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import counted, one_line
from headstart.report.terminal._tables import JsonMapping, sentences

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_DIFFERENCES = 20


def verification_lines(result: JsonMapping) -> RenderableType:
    """Return what was verified and what differs.

    Args:
        result: The JSON of `verify`.
    """
    from rich.console import Group

    differences = result["differences"]
    number_words = counted(result["numbers"], "number")
    value_words = counted(result["values"], "value")
    if not differences:
        head = (
            f"Verified: the {number_words} on the page match its data. Of the data, {value_words} "
            "match the predictions."
        )
    else:
        head = f"NOT verified: {counted(len(differences), 'difference')}."

    lines = []
    for difference in differences[:_MOST_DIFFERENCES]:
        where, shown, expected = (one_line(difference[key]) for key in _KEYS)
        lines.append(f"{where}: the report has {shown!r}, but its data give {expected!r}.")
    if len(differences) > _MOST_DIFFERENCES:
        lines.append(f"{len(differences) - _MOST_DIFFERENCES:,} more. To list all of them: --json")

    notes = []
    if result["recomputed"]:
        notes.append(f"Recomputed: {'; '.join(result['recomputed'])}.")
    if result["not_recomputed"]:
        notes.append(f"Not recomputed: {'; '.join(result['not_recomputed'])}.")
    style = "green" if not differences else "bold red"
    return Group(*sentences([head], style), *sentences(lines), *sentences(notes, "dim"))


_KEYS = ("where", "shown", "expected")
