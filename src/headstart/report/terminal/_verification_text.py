"""The text that `headstart verify` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import counted, one_line
from headstart.report.terminal._tables import JsonMapping, sentences

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_DIFFERENCES = 20
_KIND_NAMES = {
    "text": "its text or numbers",
    "data": "its data",
    "pictures": "its pictures",
    "styles": "its styles and layout",
    "scripts": "its scripts",
}
_OF_VERSION = ("styles", "scripts")  # They follow from the version, not from the data.
_AS_WRITTEN = (
    "By its digest, the page is as it was written, so code other than this version wrote it."
)
_CHANGED = "By its digest, the page was changed after it was written."


def verification_lines(result: JsonMapping) -> RenderableType:
    """Return what was verified and what differs.

    Args:
        result: The JSON of `verify`.
    """
    from rich.console import Group

    differences = result["differences"]
    number_words = counted(result["numbers"], "number")
    value_words = counted(result["values"], "value")
    matches = (
        f"the {number_words} on the page match its data. Of the data, {value_words} match the "
        "predictions."
    )
    if not differences:
        head = f"Verified: {matches}"
    else:
        kinds = {difference["kind"] for difference in differences}
        places = ", ".join(name for kind, name in _KIND_NAMES.items() if kind in kinds)
        head = f"NOT verified: {counted(len(differences), 'difference')}, in {places}."
        # The shapes of a picture show numbers too, such as the height of a bar.
        if kinds <= {*_OF_VERSION} and result["as_written"]:
            head += f" No number on the page was edited: {matches}"
        elif kinds <= {*_OF_VERSION}:
            head += f" In its text, {matches} A style or a script can still change what you see."
        if not kinds & {"text", "data"}:
            head += f" {_AS_WRITTEN if result['as_written'] else _CHANGED}"

    lines = []
    for difference in differences[:_MOST_DIFFERENCES]:
        where, shown, expected = (one_line(difference[key]) for key in _KEYS)
        source = "this version writes" if difference["kind"] in _OF_VERSION else "its data give"
        lines.append(f"{where}: the report has {shown!r}, but {source} {expected!r}.")
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
