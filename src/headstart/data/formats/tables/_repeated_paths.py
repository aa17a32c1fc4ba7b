"""Rows of a table that name the same image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from headstart import progress
from headstart.data.formats.tables._problems import TableProblems

_NAMED = 3


class ImageRow(NamedTuple):
    """The fields of a row about its image.

    Attributes:
        path: Path of the image file.
        label: Its label.
        part: Its part, or None.
        group: Its group, or None.
    """

    path: str
    label: str
    part: str | None = None
    group: str | None = None


def first_rows_of_images(
    table: str, lines: Sequence[int], rows: Sequence[ImageRow], problems: TableProblems
) -> list[int]:
    """Return the indices of the rows without those that repeat an earlier one.

    Rows that repeat an image with another label, part or group are problems.

    Args:
        table: Name of the table, for messages.
        lines: Line numbers of the N rows.
        rows: What they say.
        problems: Where problems are added.
    """
    first_row_of: dict[str, int] = {}
    kept: list[int] = []
    repeated: list[str] = []
    for index, row in enumerate(rows):
        first = first_row_of.setdefault(os.path.normpath(row.path), index)
        if first == index:
            kept.append(index)
            continue
        difference = _difference(row, rows[first])
        if difference:
            problems.add(
                lines[index],
                f"{row.path} {difference} on line {lines[first]:,}",
                "Give each image one row. One image with several labels is not supported "
                "(multi-label, detection).",
                "lines contradict an earlier one",
            )
        elif len(repeated) < _NAMED:
            repeated.append(f"{row.path} (lines {lines[first]:,} and {lines[index]:,})")

    count = len(rows) - len(kept)
    if count and not problems.count:
        rows_repeat = "1 row repeats" if count == 1 else f"{count:,} rows repeat"
        progress.say(
            f"{table}: {rows_repeat} an image with the same label, and each image is read once: "
            f"{', '.join(repeated)}{', …' if count > len(repeated) else ''}"
        )
    return kept


def _difference(row: ImageRow, first: ImageRow) -> str:
    """Return how a row contradicts the first one of its image, or an empty text."""
    if row.label != first.label:
        return f"has the label '{row.label}', but '{first.label}'"
    if row.part != first.part:
        return f"is in the part '{row.part}', but in '{first.part}'"
    if row.group != first.group:
        return f"is in the group '{row.group}', but in '{first.group}'"
    return ""
