"""CSV files as a header and numbered rows, plain or gzipped. Errors name the line."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data.formats._reading import GZIP_MAGIC, translate_read_errors
from headstart.errors import InputError, suggest_name

if TYPE_CHECKING:
    from _csv import Reader

PATH_COLUMNS = ("path", "image", "filename", "file", "image_path", "id")
ID_COLUMNS = ("id", "imageid", "image_id")  # of images whose pixels are in the row
LABEL_COLUMNS = ("label", "class", "target", "y")
TRAILING_COMMA_HINT = (
    "Line 1 ends in a comma, so its last column has no name: remove that comma, or name the column."
)
_CSV_NAME = re.compile(r"\.csv(\.gz)?$", re.IGNORECASE)
_ROWS_BETWEEN_PROGRESS = 500
_SHOWN_COLUMNS = 8


@dataclass(frozen=True)
class Table:
    """An open CSV file.

    Attributes:
        name: Name of the file, for messages.
        columns: Names of the columns.
        rows: Line number and fields of each row. The header is line 1. Every row has as many fields
            as the header. Blank lines are skipped.
    """

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]

    def find(self, names: Sequence[str]) -> int | None:
        """Return the index of the column with the first of these names that exists, or None.

        Args:
            names: Names in lower case. The case of the columns does not matter.
        """
        lowered = [column.lower() for column in self.columns]
        return next((lowered.index(name) for name in names if name in lowered), None)

    def label_column(self) -> int:
        """Return the index of the label column.

        Raises:
            InputError: There is none.
        """
        index = self.find(LABEL_COLUMNS)
        if index is None:
            raise InputError(
                f"{self.name} has no label column; it has {shorten_columns(self.columns)}.",
                f"Name the column of labels one of: {', '.join(LABEL_COLUMNS)}. "
                "A file without labels, such as a competition's test file, cannot be trained on.",
            )
        return index

    def column(self, name: str, option: str) -> int:
        """Return the index of a column that the user named.

        Args:
            name: The exact name of the column.
            option: The option that the user gave it for, for error messages.

        Raises:
            InputError: The column is missing.
        """
        if name not in self.columns:
            columns = shorten_columns(self.columns)
            raise InputError(
                f"{self.name} has no column '{name}' ({option}); it has {columns}.",
                suggest_name(name, self.columns[:_SHOWN_COLUMNS]),
            )
        return self.columns.index(name)


def is_csv(path: Path) -> bool:
    """Return whether a file's name ends in .csv or .csv.gz."""
    return _CSV_NAME.search(path.name) is not None


def shorten_columns(names: Sequence[str]) -> str:
    """Return column names for a message: all of a few, the first and last of many."""
    if len(names) <= _SHOWN_COLUMNS:
        return ", ".join(names) or "no columns"
    return f"{', '.join(names[:3])}, …, {names[-1]} ({len(names):,} columns)"


def group_numbers(names: Sequence[str]) -> NDArray[np.int64]:
    """Number the groups in the order of their sorted names.

    Args:
        names: N names of groups.

    Returns:
        Int64 array of shape (N,).
    """
    _, groups = np.unique(names, return_inverse=True)
    return groups.astype(np.int64)


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a `.csv` or `.csv.gz` file whose first line names the columns.

    The text is UTF-8, with or without a byte-order mark.

    Raises:
        InputError: The header is missing, a column name appears twice, a row has another length,
            the text is not UTF-8, or a gzip file is damaged or has the wrong suffix.
    """
    name = path.name
    try:
        with (
            translate_read_errors(path),
            path.open("rb") as raw,
            progress.task(f"reading {name}", os.fstat(raw.fileno()).st_size / 1e6, "MB") as task,
            io.TextIOWrapper(_plain_stream(path, raw), encoding="utf-8-sig", newline="") as text,
        ):
            reader = csv.reader(text)
            columns = _read_header(name, next(reader, []))
            yield Table(name, columns, _read_rows(name, reader, columns, raw, task))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 text: {error.reason} at byte {error.start:,}.",
            "Save it as CSV in UTF-8.",
        ) from error
    except csv.Error as error:
        raise InputError(
            f"line {reader.line_num} of {name}: {error}.", "Is a quotation mark never closed?"
        ) from error


def _plain_stream(path: Path, raw: io.BufferedReader) -> gzip.GzipFile | io.BufferedReader:
    if path.suffix.lower() == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if raw.peek(2)[:2] == GZIP_MAGIC:
        raise InputError(
            f"{path} is compressed with gzip, but its name does not end in .gz.",
            f"Name it {path.name}.gz.",
        )
    return raw


def _read_header(name: str, fields: list[str]) -> tuple[str, ...]:
    columns = tuple(field.strip() for field in fields)
    if not any(columns):
        raise InputError(
            f"{name} is empty; its first line should name the columns.",
            "For example: label,pixel0,pixel1,…",
        )
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
        raise InputError(
            f"line 1 of {name} has no commas: {columns[0][:60]}.",
            "Save the file with commas between the columns.",
        )
    if all(_is_number(column) for column in columns):
        raise InputError(
            f"invalid line 1 of {name}: expected the names of the columns, got numbers "
            f"({shorten_columns(columns)}).",
            "Add a header line, for example: label,pixel0,pixel1,…",
        )

    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if "" in repeated:
        raise InputError(
            f"line 1 of {name} has {columns.count('')} columns without a name.",
            "Name them, or remove their commas.",
        )
    if repeated:
        raise InputError(
            f"line 1 of {name} names the column '{repeated[0]}' more than once.",
            "Remove or rename one of them.",
        )
    return columns


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_rows(
    name: str, reader: Reader, columns: Sequence[str], raw: io.BufferedReader, task: progress.Task
) -> Iterator[tuple[int, list[str]]]:
    position, width = 0, len(columns)
    for count, fields in enumerate(reader):
        if count % _ROWS_BETWEEN_PROGRESS == 0:
            task.advance((raw.tell() - position) / 1e6)
            position = raw.tell()

        if len(fields) == width:
            yield reader.line_num, fields
        elif len(fields) > 1 or (fields and fields[0].strip()):
            hint = (
                "Each row needs one field per column. "
                "Was the file cut off, or a comma left unquoted?"
            )
            raise InputError(
                f"line {reader.line_num} of {name} has {len(fields):,} fields, but its header "
                f"names {width:,} columns.",
                hint if columns[-1] else TRAILING_COMMA_HINT,
            )
