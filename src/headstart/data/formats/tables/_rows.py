"""The rows of a table of images, read column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.data.formats.tables._csv_table import Table
from headstart.errors import InputError


@dataclass(frozen=True)
class TableRows:
    """Fields of the columns that were read, without blanks around them.

    Attributes:
        lines: Line number of each of the N rows.
        fields: The N texts of each column, by the index of the column.
        spellings: Each distinct label with its forms as written, which differ in blanks.
    """

    lines: list[int]
    fields: dict[int, list[str]]
    spellings: dict[str, set[str]]


def read_rows(table: Table, columns: Sequence[int], label: int | None = None) -> TableRows:
    """Read these columns of all rows.

    Args:
        table: The open table.
        columns: Indices of the columns.
        label: The column of labels, whose spellings are kept.

    Raises:
        InputError: The table has no rows.
    """
    used = list(dict.fromkeys(columns))
    rows = TableRows([], {column: [] for column in used}, {})
    for line, fields in table.rows:
        rows.lines.append(line)
        for column in used:
            rows.fields[column].append(fields[column].strip())
        if label is not None:
            rows.spellings.setdefault(rows.fields[label][-1], set()).add(fields[label])

    if not rows.lines:
        table.problems.require_none()
        raise InputError(
            f"{table.name} has a header but no rows.", "Add one line per image below it."
        )
    return rows


def require_filled(table: Table, rows: TableRows, column: int) -> None:
    """Add a problem for each row whose field in this column is empty."""
    name = table.columns[column]
    for line, text in zip(rows.lines, rows.fields[column], strict=True):
        if not text:
            table.problems.add(
                line,
                f"{name} is empty",
                "Fill it in, or remove the row.",
                "lines have empty fields",
            )
