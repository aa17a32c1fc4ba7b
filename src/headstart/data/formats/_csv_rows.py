"""A CSV file as a header and numbered rows, plain or gzipped; its faults are named by line."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import progress
from headstart.data.formats._idx import GZIP_MAGIC
from headstart.errors import InputError, suggest_name

if TYPE_CHECKING:
    from _csv import Reader

PATH_COLUMNS = ("path", "image", "filename", "file", "image_path", "id")
ID_COLUMNS = ("id", "imageid", "image_id")  # of images whose pixels stand in the row
LABEL_COLUMNS = ("label", "class", "target", "y")
ROWS_BETWEEN_PROGRESS = 500
SHOWN_COLUMNS = 8
LAST_COMMA = (
    "Line 1 ends in a comma, so its last column has no name: remove that comma, or name the column."
)


@dataclass(frozen=True)
class Table:
    """An open CSV file: its name for messages, its column names, and its rows as `(line number, fields)`.

    Lines count from 1, the header. Every row has as many fields as the header; blank lines are left out.
    """

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]

    def find(self, wanted: Sequence[str]) -> int | None:
        """Index of the column whose name, in small letters, comes first among `wanted`; None if there is none."""
        small = [column.lower() for column in self.columns]
        return next((small.index(name) for name in wanted if name in small), None)

    def label_column(self) -> int:
        """Index of the label column.

        Raises:
            InputError: there is none.
        """
        index = self.find(LABEL_COLUMNS)
        if index is None:
            raise InputError(
                f"{self.name} has no label column; it has {shortened(self.columns)}.",
                f"Name the column of labels one of: {', '.join(LABEL_COLUMNS)}. "
                "A file without labels, such as a competition's test file, cannot be trained on.",
            )
        return index

    def column(self, name: str, key: str) -> int:
        """Index of the column called exactly `name`, which the user gave as option `key`."""
        if name not in self.columns:
            raise InputError(
                f"{self.name} has no column '{name}' ({key}); it has {shortened(self.columns)}.",
                suggest_name(name, self.columns[:SHOWN_COLUMNS]),
            )
        return self.columns.index(name)


def shortened(names: Sequence[str]) -> str:
    """Names for a message: all of a few, the first and last of many."""
    if len(names) <= SHOWN_COLUMNS:
        return ", ".join(names) or "no columns"
    return f"{', '.join(names[:3])}, …, {names[-1]} ({len(names):,} columns)"


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a `.csv` or `.csv.gz` file (UTF-8, with or without a byte-order mark) whose first line names the columns.

    Raises:
        InputError: no header, a name twice, a row of another length, text that is not UTF-8, a broken archive, or one
            named .csv.
    """
    name = path.name
    try:
        size = path.stat().st_size
        with path.open("rb") as raw, progress.task(f"reading {name}", size / 1e6, "MB") as task:
            is_named_gzip = path.suffix.lower() == ".gz"
            if not is_named_gzip and raw.peek(2)[:2] == GZIP_MAGIC:
                raise InputError(
                    f"{path} is compressed with gzip, but its name does not say so.",
                    f"Name it {name}.gz.",
                )
            stream = gzip.GzipFile(fileobj=raw) if is_named_gzip else raw
            with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
                reader = csv.reader(text)
                columns = _header(name, next(reader, []))
                yield Table(name, columns, _rows(name, reader, columns, raw, task))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 text: {error.reason} at byte {error.start:,}.",
            "Save it as CSV in UTF-8.",
        ) from error
    except csv.Error as error:
        raise InputError(
            f"line {reader.line_num} of {name}: {error}.", "Is a quotation mark never closed?"
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{name} is a damaged gzip file: {error}.", "Download or compress it again."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _header(name: str, fields: list[str]) -> tuple[str, ...]:
    columns = tuple(field.strip() for field in fields)
    if not any(columns):
        raise InputError(
            f"{name} is empty; its first line should name the columns.",
            "For example: label,pixel0,pixel1,…",
        )
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
        raise InputError(
            f"line 1 of {name} has no commas: {columns[0][:60]}.",
            "Save the file with commas between the columns.",
        )
    if all(_is_number(column) for column in columns):
        raise InputError(
            f"line 1 of {name} holds numbers ({shortened(columns)}), but the first line must name the columns.",
            "Add a header line, for example: label,pixel0,pixel1,…",
        )
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if "" in twice:
        raise InputError(
            f"line 1 of {name} has {columns.count('')} columns without a name.",
            "Name them, or remove their commas.",
        )
    if twice:
        raise InputError(
            f"line 1 of {name} names the column '{twice[0]}' more than once.",
            "Remove or rename one of them.",
        )
    return columns


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows(
    name: str, reader: Reader, columns: Sequence[str], raw: io.BufferedReader, task: progress.Task
) -> Iterator[tuple[int, list[str]]]:
    done, width = 0, len(columns)
    for count, fields in enumerate(reader):
        if count % ROWS_BETWEEN_PROGRESS == 0:
            task.advance((raw.tell() - done) / 1e6)
            done = raw.tell()
        if len(fields) == width:
            yield reader.line_num, fields
        elif len(fields) > 1 or (fields and fields[0].strip()):
            raise InputError(
                f"line {reader.line_num} of {name} has {len(fields):,} fields, but its header names {width:,} columns.",
                LAST_COMMA
                if not columns[-1]
                else "Every row needs one field a column. Was the file cut off, or a comma left unquoted?",
            )
