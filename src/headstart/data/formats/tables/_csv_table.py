"""Tables as a header and numbered rows, plain or gzipped. Errors name the line."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from headstart import progress
from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.folders._file_tree import is_image
from headstart.data.formats.images._open_image import IMAGE_SUFFIXES
from headstart.data.formats.tables._numbers import is_number
from headstart.data.formats.tables._problems import TableProblems
from headstart.data.formats.tables._text import (
    LONGEST_LINE,
    TableText,
    open_text,
    undecodable_text,
)
from headstart.errors import InputError, did_you_mean

TABLE_SUFFIX = re.compile(r"\.(csv|tsv|txt)(\.gz)?$", re.IGNORECASE)
MOST_COLUMNS = 1 << 20  # the pixels of 1024x1024 grey images
LONGEST_NAME = 1000  # characters of the name of a column
_SHOWN_COLUMNS = 8
_SHOWN_CHARACTERS = 60
_LIST_COLUMNS = ("path", "label")
_SUFFIX = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))
_LIST_LINE = re.compile(rf"(.+?(?:{_SUFFIX}))\s+(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """An open table.

    Attributes:
        name: Name of the file, for messages.
        columns: Names of the columns.
        rows: Line number and fields of each row. The header is line 1. Every row has as many fields
            as the header. Blank lines are skipped, and rows of another length are `problems`.
        problems: What is wrong with the rows so far. Leaving `open_table` raises them.
        has_header: Whether line 1 names the columns. If not, it names an image.
        text: The lines that `rows` come from. None if they do not come from a file.
    """

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]
    problems: TableProblems
    has_header: bool = True
    text: TableText | None = None

    def column(self, name: str, option: str) -> int:
        """Return the index of a column that the user named.

        Args:
            name: The exact name of the column.
            option: The option that the user gave it for, for error messages.

        Raises:
            InputError: The column is missing.
        """
        if name not in self.columns:
            suggestion = did_you_mean(name, self.columns).removeprefix(": ")
            raise InputError(
                f"{self.name} has no column '{name}' ({option}); it has "
                f"{shorten_columns(self.columns)}.",
                "Pass the exact name of a column." if suggestion == "." else suggestion,
            )
        return self.columns.index(name)


def is_table(path: Path) -> bool:
    """Return whether a file's name ends in .csv, .tsv or .txt, with or without .gz."""
    return TABLE_SUFFIX.search(path.name) is not None


def is_plain_text(path: Path) -> bool:
    """Return whether a file's name ends in .txt or .txt.gz, which other files may do as well."""
    return path.name.lower().endswith((".txt", ".txt.gz"))


def shorten_columns(names: Sequence[str]) -> str:
    """Return column names for a message: all of a few, the first and last of many."""
    shown = [
        name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…" for name in names
    ]
    if len(names) <= _SHOWN_COLUMNS:
        return ", ".join(shown) or "no columns"
    return f"{', '.join(shown[:3])}, …, {shown[-1]} ({len(names):,} columns)"


@contextmanager
def open_table(path: Path, name: str | None = None) -> Iterator[Table]:
    """Open a table whose first line names the columns.

    The text is UTF-8 or UTF-16. Fields are separated by commas, semicolons, tabs or vertical bars.
    A file without a header whose lines begin with the name of an image file is a list of images:
    its columns are called path and label, and blanks may separate them. The label may also come
    first. Columns at the end that have no name must be empty.

    Args:
        path: The table.
        name: Its name in messages. By default that of the file.

    Raises:
        InputError: The header is missing, a column name appears twice, rows have another length,
            the text cannot be decoded, or a gzip file is damaged or has the wrong suffix.
    """
    name = name or path.name
    try:
        with (
            translate_read_errors(path),
            path.open("rb") as raw,
            progress.task(f"reading {name}", os.fstat(raw.fileno()).st_size / 1e6, "MB") as task,
            open_text(path, raw, task) as text,
            _long_fields(),
        ):
            records = _read_records(name, text)
            _, header = next(records, (0, []))
            columns, first_rows = _read_header(name, header, text)
            problems = TableProblems(name)
            checked = _check_lengths(chain(first_rows, records), columns, problems)
            yield Table(name, columns, checked, problems, not first_rows, text)
            problems.require_none()
    except UnicodeDecodeError as error:
        raise undecodable_text(path, error) from error


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let fields of the block be as long as the pixels of an image.

    The csv module's own limit is 131,072 characters, the pixels of a photograph in one cell.
    """
    limit = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _read_records(name: str, text: TableText) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the fields of each record, the header first."""
    first = next(text.lines, "")
    lines = _require_columns(name, chain([first], text.lines), text.separator)
    if _is_list_line(first, text.separator):
        for number, line in enumerate(lines, text.skipped + 1):
            yield number, _split_list_line(line)
        return

    counted = _CheckedLines(lines, text.separator)
    reader = csv.reader(counted, delimiter=text.separator)
    start = 0
    try:
        for fields in reader:
            last_line = text.skipped + text.lines.passed
            count, start = reader.line_num - start, reader.line_num
            if counted.is_open and count > 1 and "\n" in fields[-1][-1:]:
                raise csv.Error(f"the quotation mark of line {last_line - count + 1:,} is open")
            yield last_line, fields
    except csv.Error as error:
        raise InputError(
            f"line {text.skipped + text.lines.passed:,} of {name}: {error}.",
            "Is a quotation mark never closed?",
        ) from error


def _require_columns(name: str, lines: Iterator[str], separator: str) -> Iterator[str]:
    """Yield the lines, none of which has more fields than a table may have columns."""
    for number, line in enumerate(lines, 1):
        if len(line) > MOST_COLUMNS and line.count(separator) >= MOST_COLUMNS:
            raise InputError(
                f"line {number:,} of {name} has more than {MOST_COLUMNS:,} fields, the limit.",
                "Give large images as files, in one folder per class.",
            )
        yield line


class _CheckedLines:
    """Lines, and whether an odd number of quotation marks was among those read.

    Lines between two quotation marks belong to one record, which is as long as a line may be.
    Blanks between a separator and a quotation mark are removed, as in `a.png, "cat"`. The csv
    module would take the marks for a part of the label.
    """

    def __init__(self, lines: Iterator[str], separator: str) -> None:
        self._lines = lines
        self._separator = separator
        self._blanks = re.compile(f'{re.escape(separator)} +"(?!")')
        self._length = 0
        self.is_open = False

    def __iter__(self) -> _CheckedLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._length = self._length + len(line) if self.is_open else len(line)
        if self._length > LONGEST_LINE:
            raise csv.Error(f"the record is longer than {LONGEST_LINE:,} characters")
        if '"' not in line:
            return line
        if not self.is_open:
            line = self._blanks.sub(f'{self._separator}"', line)
        if line.count('"') % 2:
            self.is_open = not self.is_open
        return line


def _is_list_line(line: str, separator: str) -> bool:
    """Return whether a line is that of a list of images: a path, or a path, blanks and a label."""
    return separator not in line and is_image(Path(_split_list_line(line)[0]))


def _split_list_line(line: str) -> list[str]:
    text = line.strip()
    match = _LIST_LINE.fullmatch(text)
    if match:
        return list(match.groups())
    return [text] if not text or is_image(Path(text)) else text.rsplit(None, 1)


def _read_header(
    name: str, fields: list[str], text: TableText
) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """Check the names of the columns.

    Returns:
        The names, and the rows that the first line already holds: one if there is no header.
    """
    columns = tuple(field.strip().strip("\ufeff") for field in fields)
    if max(map(len, columns), default=0) > LONGEST_NAME:
        raise InputError(
            f"line 1 of {name} has a column name of more than {LONGEST_NAME:,} characters.",
            "Is it a table? Its first line names the columns.",
        )
    if not any(columns):
        raise InputError(
            f"{name} is empty; its first line should name the columns.",
            "For example: label,pixel0,pixel1,…",
        )
    while not columns[-1]:
        columns = columns[:-1]
    if any(is_image(Path(column)) for column in columns):
        return _name_columns(name, columns), [(text.skipped + 1, fields)]
    if all(is_number(column) for column in columns):
        hint = (
            "Add a header line, for example: label,pixel0,pixel1,…. If the label comes first: "
            f"(echo label,$(seq -s, -f pixel%g 0 {len(columns) - 2}); cat {name}) > new-{name}"
        )
        if len(columns) == 1:
            hint = "Write path,label instead, and separate the fields of each line by a comma."
        raise InputError(
            f"invalid line 1 of {name}: expected the names of the columns, got numbers "
            f"({shorten_columns(columns)}).",
            hint,
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
    return columns, []


def _name_columns(name: str, first_row: Sequence[str]) -> tuple[str, ...]:
    """Return names for the columns of a table without a header, whose first row has an image."""
    places = [place for place, text in enumerate(first_row) if is_image(Path(text))]
    if len(first_row) > len(_LIST_COLUMNS):
        columns = [f"column{number}" for number in range(1, len(first_row) + 1)]
        columns[places[0]] = "path"
        others = [place for place in range(len(first_row)) if place not in places]
        if others:
            columns[others[-1]] = "label"
        raise InputError(
            f"invalid line 1 of {name}: expected the names of the columns, got those of an image "
            f"({first_row[places[0]]}).",
            "Add a header line that says which column is what, for example: "
            f"{shorten_columns(columns).replace(', ', ',')}",
        )
    return _LIST_COLUMNS[: len(first_row)] if places[0] == 0 else _LIST_COLUMNS[::-1]


def _check_lengths(
    rows: Iterator[tuple[int, list[str]]], columns: Sequence[str], problems: TableProblems
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with one field per column. Rows of another length are problems.

    Rows of empty fields are skipped, and empty fields behind the last column are left out.
    """
    width = len(columns)
    hint = (
        "Each row needs one field per column. Was the file cut off, a comma left unquoted, or a "
        "column left without a name?"
    )
    for line, fields in rows:
        if not any(field.strip() for field in fields):
            continue  # a blank line, or commas that a spreadsheet writes below the data
        if len(fields) == width:
            yield line, fields
        elif len(fields) > width and not "".join(fields[width:]).strip():
            yield line, fields[:width]
        else:
            problems.add(
                line,
                f"expected {width:,} fields, as in the header, got {len(fields):,}",
                hint,
                "lines have another number of fields",
            )
