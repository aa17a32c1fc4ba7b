"""The labels of a table: one column of texts, or one-hot columns of zeros and ones."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from headstart import progress
from headstart.data._class_names import quote_names
from headstart.data.formats.tables._columns import TRUTHS, named_label_columns, no_label_column
from headstart.data.formats.tables._csv_table import Table, shorten_columns
from headstart.data.formats.tables._numbers import is_number
from headstart.data.formats.tables._rows import TableRows
from headstart.errors import InputError
from headstart.formatting import counted

_MAYBE_MISSING = frozenset({"na", "n/a", "n.a.", "none", "-", "?"})


class TableLabels(NamedTuple):
    """The labels of the rows of a table.

    Attributes:
        names: The N labels.
        classes: Names of the one-hot columns. Empty if there is a column of labels.
    """

    names: list[str]
    classes: tuple[str, ...] = ()


def read_labels(table: Table, rows: TableRows, columns: Sequence[int]) -> TableLabels:
    """Return the label of each row.

    Args:
        table: The open table.
        rows: Its N rows.
        columns: The column of labels, or columns that may be one-hot.

    Raises:
        InputError: There is no column of labels, or several labels apply to one image.
    """
    if len(columns) != 1:
        return _read_one_hot(table, rows, columns)

    (column,) = columns
    labels = rows.fields[column]
    _say_merged_blanks(table, rows.spellings)
    _say_maybe_missing(table, labels)
    return TableLabels(labels)


def require_one_to_one(table: Table, rows: TableRows, label: int, number: int) -> None:
    """Raise an error if a column that should number the classes has other values.

    Args:
        table: The open table.
        rows: Its rows.
        label: The column of labels.
        number: The column of their numbers.

    Raises:
        InputError: A label has several numbers, or a number has several labels.
    """
    both = zip(rows.fields[label], rows.fields[number], strict=True)
    pairs = {pair for pair in both if all(pair)}
    for index in (0, 1):
        values = Counter(pair[index] for pair in pairs)
        for repeated, count in values.most_common(1):
            if count == 1:
                continue
            columns = (label, number) if index == 0 else (number, label)
            own, other = (table.columns[column] for column in columns)
            raise InputError(
                f"{table.name} has {count:,} values of {other} for '{repeated}' in {own}; expected "
                "one, because one of the columns seems to name the classes of the other.",
                "Correct the rows, or name the column of labels: "
                f"--label-column {shlex.quote(own)}",
            )


def _say_merged_blanks(table: Table, spellings: Mapping[str, set[str]]) -> None:
    """Print which labels differed only in the blanks around them."""
    merged = [label for label, forms in spellings.items() if len(forms) > 1]
    if merged:
        progress.say(
            f"{table.name}: spaces around labels were removed, which merged the spellings of "
            f"{quote_names(merged)}"
        )


def _say_maybe_missing(table: Table, labels: Sequence[str]) -> None:
    """Print which classes may stand for missing labels, such as "NA" or "?"."""
    counts = Counter(label for label in labels if label.lower() in _MAYBE_MISSING)
    for label, count in sorted(counts.items()):
        progress.say(
            f"{table.name}: '{label}' is read as a class of {counted(count, 'image')}, not as a "
            "missing label"
        )


def _read_one_hot(table: Table, rows: TableRows, columns: Sequence[int]) -> TableLabels:
    """Return the name of the column with a 1 for each row."""
    one_hot = [column for column in columns if _is_one_hot(rows.fields[column])]
    if len(one_hot) < 2:
        raise _undecided(table, rows, columns)

    names = [table.columns[column] for column in one_hot]
    labels: list[str] = []
    several: list[int] = []
    for index, line in enumerate(rows.lines):
        fields = {table.columns[column]: rows.fields[column][index] for column in one_hot}
        true = [name for name, field in fields.items() if TRUTHS.get(field.lower())]
        empty = [name for name, field in fields.items() if not field]
        if len(true) > 1:
            several.append(line)
        if empty:
            table.problems.add(
                line,
                f"the one-hot column {empty[0]} is empty",
                "Write 0 or 1, or remove the row.",
                "lines have empty fields",
            )
        elif not true:
            table.problems.add(
                line,
                f"none of the one-hot columns ({shorten_columns(names)}) is 1",
                "Mark one class, or remove the row.",
                "lines have no label",
            )
        labels.append(true[0] if true else "")

    if several:
        raise InputError(
            f"line {several[0]:,} of {table.name}: more than one of the columns "
            f"{shorten_columns(names)} is 1, and so on {len(several):,} of {len(rows.lines):,} "
            "lines; multi-label is not supported.",
            "Keep one class per image. If these columns are not classes, name the column of "
            "labels: --label-column NAME.",
        )
    _say_one_hot(table, names, [table.columns[column] for column in columns])
    return TableLabels(labels, tuple(names))


def _is_one_hot(texts: Sequence[str]) -> bool:
    """Return whether a column holds yes or no, as 1 and 0. Some fields may be empty, by mistake."""
    values = {text.lower() for text in set(texts)} - {""}
    return bool(values) and values <= TRUTHS.keys()


def say_absent_classes(table: str, classes: Sequence[str], labels: Sequence[str]) -> None:
    """Print which one-hot columns are 0 in every row, and so are left out.

    Args:
        table: Name of the table.
        classes: Names of the one-hot columns.
        labels: The labels of all rows.
    """
    present = set(labels)
    absent = [name for name in classes if name not in present]
    if not absent:
        return
    classes_are = "class" if len(absent) == 1 else "classes"
    is_left_out = "it is left out" if len(absent) == 1 else "they are left out"
    progress.say(f"{table}: no row has the {classes_are} {quote_names(absent)}, so {is_left_out}")


def _say_one_hot(table: Table, names: Sequence[str], columns: Sequence[str]) -> None:
    ignored = [name for name in columns if name not in names]
    text = f"{table.name}: read {len(names):,} one-hot columns as classes"
    if ignored:
        text += f"; ignored the other columns ({shorten_columns(ignored)})"
    progress.say(text)


def _undecided(table: Table, rows: TableRows, columns: Sequence[int]) -> InputError:
    """Return the error about several columns of which none is the column of labels."""
    names = [table.columns[column] for column in columns]
    texts = set(chain.from_iterable(rows.fields[column] for column in columns))
    is_numeric = all(is_number(text) for text in texts)
    if len(columns) > 1 and is_numeric:
        return InputError(
            f"{table.name} has no label column, but {len(names):,} columns of numbers: "
            f"{shorten_columns(names)}. These look like measurements or probabilities, which are "
            "not supported.",
            f"If one of them holds classes, name it, for example: --label-column {names[0]}",
        )
    usual = named_label_columns(table, columns)
    counters = [column for column in columns if _counts_rows(rows.fields[column])]
    likely = [column for column in columns if column not in counters]
    return no_label_column(table, usual if len(usual) > 1 else [*likely, *counters])


def _counts_rows(texts: Sequence[str]) -> bool:
    """Return whether a column numbers the rows, whatever its name."""
    values = [int(text) if text.isdecimal() else -1 for text in texts]
    return values in (list(range(len(values))), list(range(1, len(values) + 1)))
