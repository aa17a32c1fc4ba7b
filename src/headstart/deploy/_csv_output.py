"""CSV files for other programs: texts exactly as they are, or safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from headstart import store


def write_cells(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    safe_cells: bool = False,
) -> None:
    """Write a CSV file atomically.

    Args:
        path: The file.
        columns: Names of the columns.
        rows: Texts of each row.
        safe_cells: Whether texts that a spreadsheet would evaluate get an apostrophe. Other
            programs then read another text than the one that was meant.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in (columns, *rows):
        writer.writerow(map(store.guard_cell, row) if safe_cells else row)
    store.write_text(path, text.getvalue())
