"""The rows of a table of images, read column by column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from headstart.data.formats.tables._csv_table import Table
from headstart.errors import InputError

# What pandas, R, databases and spreadsheets write for a missing value. "None" and "NA" are not
# among them: both are words that people use as labels.
MISSING_LABELS = frozenset({"", "nan", "null", "<na>", "#n/a", "#n/v", "#nv"})
# What a formula leaves in a cell of a spreadsheet that it cannot compute.
_FORMULA_ERROR = re.compile(r"#(ref|value|name|null|num|bezug|wert|zahl|valeur|nombre)[!?]|#div/0!")
_EMPTY = ("Fill it in, or remove the row.", "lines have empty fields")


class TableRows:
    """Fields of some columns, without blanks around them. Equal texts are one object in memory.

    Args:
        table: The open table. Missing labels and empty fields are added to its problems.
        columns: Indices of the columns. None stands for no column.
        label: The column of labels, whose spellings are kept, or None.
        filled: The columns that may not be empty.

    Attributes:
        lines: Line number of each of the N rows.
        fields: The N texts of each column, by the index of the column.
        spellings: Each distinct label with its forms as written, which differ in blanks.
    """

    def __init__(
        self,
        table: Table,
        columns: Iterable[int | None],
        label: int | None = None,
        filled: Iterable[int | None] = (),
    ) -> None:
        self.lines: list[int] = []
        self.fields: dict[int, list[str]] = {column: [] for column in columns if column is not None}
        self.spellings: dict[str, set[str]] = {}
        self._table, self._label = table, label
        self._filled = [column for column in filled if column is not None]
        self._texts: dict[str, str] = {}

    def add(self, line: int, fields: Sequence[str]) -> None:
        """Add the fields of a row."""
        self.lines.append(line)
        for column, texts in self.fields.items():
            text = fields[column].strip()
            texts.append(self._texts.setdefault(text, text))

        for column in self._filled:
            if not self.fields[column][-1]:
                self._table.problems.add(line, f"{self._table.columns[column]} is empty", *_EMPTY)
        if self._label is not None:
            label = self.fields[self._label][-1]
            self.spellings.setdefault(label, set()).add(fields[self._label])
            problem = _label_problem(label, self._table.columns[self._label])
            if problem:
                self._table.problems.add(line, *problem)


def read_rows(
    table: Table,
    columns: Iterable[int | None],
    label: int | None = None,
    filled: Iterable[int | None] = (),
) -> TableRows:
    """Read these columns of all rows. See `TableRows`.

    Raises:
        InputError: The table has no rows.
    """
    rows = TableRows(table, columns, label, filled)
    for line, fields in table.rows:
        rows.add(line, fields)
    if not rows.lines:
        table.problems.require_none()
        raise no_rows(table)
    return rows


def no_rows(table: Table) -> InputError:
    """Return the error about a table without rows."""
    return InputError(f"{table.name} has a header but no rows.", "Add one line per image below it.")


def _label_problem(label: str, column: str) -> tuple[str, str, str] | None:
    """Return what is wrong with a label, what to do and the kind of problem; or None.

    Args:
        label: The label without blanks around it.
        column: Name of its column.
    """
    kind = "lines have no label"
    if _FORMULA_ERROR.fullmatch(label.lower()):
        return (
            f"the label ({column}) is '{label}', an error of a spreadsheet's formula",
            "Correct the formula, and save the table again.",
            kind,
        )
    if label.lower() not in MISSING_LABELS:
        return None
    if not label:
        return f"the label ({column}) is empty", "Fill it in, or remove the row.", kind
    return (
        f"the label ({column}) is empty: '{label}' stands for a missing value",
        f"Fill it in, or remove the row. If it is a class, rename it: {label}-class, for example.",
        kind,
    )
