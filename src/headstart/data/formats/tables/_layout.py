"""The layout of a table of images: which columns hold paths, labels, parts and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PureWindowsPath

from headstart import progress
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.folders._file_tree import is_image
from headstart.data.formats.tables._columns import (
    LABEL_NAMES,
    OTHER_LABEL_NAMES,
    PATH_NAMES,
    find_columns,
    index_columns,
    named_label_columns,
    no_label_column,
    number_column,
    pairs_of_images,
    plain_name,
    quoted,
    remaining_columns,
)
from headstart.data.formats.tables._csv_table import Table, shorten_columns
from headstart.data.formats.tables._images import ImageFinder
from headstart.data.formats.tables._parts import is_part_word, may_name_parts
from headstart.errors import InputError


@dataclass(frozen=True)
class Layout:
    """Indices of columns.

    Attributes:
        path: The column of paths.
        labels: The column of labels. Several columns may be one-hot, one for each class.
        parts: The columns that may name parts, by their name or their first value.
        group: The column of groups, or None.
        number: The column that numbers the names in a column of labels that was guessed, or None.
    """

    path: int
    labels: tuple[int, ...]
    parts: tuple[int, ...]
    group: int | None
    number: int | None = None

    def used(self) -> list[int | None]:
        """Return the indices of all columns that are read."""
        return [self.path, *self.labels, *self.parts, self.group, self.number]


def peek_row(table: Table) -> tuple[Table, list[str] | None]:
    """Return a table that still has all its rows, and the fields of the first row, if any."""
    row = next(table.rows, None)
    if row is None:
        return table, None
    return replace(table, rows=chain([row], table.rows)), row[1]


def find_layout(
    table: Table, first_row: Sequence[str], finder: ImageFinder, options: LoadOptions
) -> Layout:
    """Find the columns of a labelled table, and print which ones were chosen by a guess.

    Args:
        table: The open table.
        first_row: Fields of its first row.
        finder: Look-ups of image files near the table.
        options: The options of `load`, among them `path_column`, `label_column` and `group_by`.

    Raises:
        InputError: A column that was named is missing, or there is no column of paths or labels.
    """
    path = find_path_column(table, first_row, finder, options.path_column)
    group = None
    if options.group_by is not None:
        group = table.column(options.group_by, "group_by")

    labels: tuple[int, ...] = ()
    if options.label_column is not None:
        labels = (table.column(options.label_column, "label_column"),)
    parts = [
        index
        for index, column in enumerate(table.columns)
        if may_name_parts(column) and index not in (path, *labels)
    ]
    if not labels:
        labels = find_label_columns(table, remaining_columns(table, {path, group, *parts}))
    parts += [
        index
        for index, text in enumerate(first_row)
        if is_part_word(text) and index not in {path, group, *labels, *parts}
    ]
    _say_choice(table, path, labels, options)
    others = [index for index in _other_images(first_row, path) if index not in labels]
    if others and options.path_column is None:
        progress.say(
            f"{table.name}: the images are those of the column {quoted(table, path)}; those of "
            f"{', '.join(quoted(table, index) for index in others)} are not read"
        )
    number = None
    is_chosen = len(labels) == 1 and options.label_column is None
    if is_chosen and plain_name(table.columns[labels[0]]) not in LABEL_NAMES:
        number = number_column(table, labels[0])
    return Layout(path, labels, tuple(parts), group, number)


def find_path_column(
    table: Table, first_row: Sequence[str], finder: ImageFinder, path_column: str | None = None
) -> int:
    """Return the index of the column of paths.

    Of several columns with usual names or names of images, it is the first one whose first value
    leads to a file.

    Args:
        table: The open table.
        first_row: Fields of its first row.
        finder: Look-ups of image files near the table.
        path_column: The column that the user named, or None.

    Raises:
        InputError: There is no such column, or there are several of equal rank: pairs of images.
    """
    if path_column is not None:
        return table.column(path_column, "path_column")

    named = find_columns(table, PATH_NAMES)
    images = [index for index, text in enumerate(first_row) if is_image(Path(text.strip()))]
    labels = find_columns(table, (*LABEL_NAMES, *OTHER_LABEL_NAMES)) if named else ()
    candidates = [*named, *(index for index in images if index not in {*named, *labels})]
    if not candidates:
        raise InputError(
            f"{table.name} has neither pixel columns nor a column of paths; it has "
            f"{shorten_columns(table.columns)}.",
            "Name the column of paths with --path-column. "
            "The names of pixel columns end in a number (pixel0, pixel1, …).",
        )
    leading = (index for index in candidates if finder.finds(first_row[index].strip()))
    path = candidates[0] if len(candidates) == 1 else next(leading, candidates[0])
    others = _other_images(first_row, path)
    if others and path not in named:
        names = [table.columns[index] for index in (path, *others)]
        raise pairs_of_images(table, names)
    return path


def _other_images(first_row: Sequence[str], path: int) -> list[int]:
    """Return the columns whose first value names another image than that of the column of paths."""
    stem = _stem(first_row[path])
    return [
        index
        for index, text in enumerate(first_row)
        if is_image(Path(text.strip())) and "://" not in text and _stem(text) != stem
    ]


def _stem(text: str) -> str:
    return PureWindowsPath(text.strip()).stem


def find_label_columns(table: Table, candidates: Sequence[int]) -> tuple[int, ...]:
    """Return the column of labels, or several that may be one-hot.

    Args:
        table: The open table.
        candidates: Indices of the columns that have no other meaning.

    Raises:
        InputError: There is no candidate.
    """
    usual = [index for index in find_columns(table, LABEL_NAMES) if index in candidates]
    if usual:
        return (usual[0],)
    named = named_label_columns(table, candidates)
    number_columns = {number_column(table, index) for index in named}
    named = [index for index in named if index not in number_columns]
    if len(named) == 1:
        return (named[0],)
    if not candidates:
        raise no_label_column(table, candidates)
    return tuple(candidates)


def _say_choice(table: Table, path: int, labels: tuple[int, ...], options: LoadOptions) -> None:
    """Print the columns that were chosen without a usual name or an option."""
    if not table.has_header:
        progress.say(
            f"{table.name}: line 1 names an image, so the file has no header; "
            "each line is read as a path and a label"
        )
        return

    ignored = [quoted(table, index) for index in index_columns(table) if index not in labels]
    if ignored:
        progress.say(f"{table.name}: ignored the index column {', '.join(ignored)}")
    if len(labels) != 1 or options.label_column is not None:
        return
    others = [index for index in find_columns(table, LABEL_NAMES) if index not in (*labels, path)]
    is_usual = labels[0] in find_columns(table, LABEL_NAMES)
    if not is_usual or others:
        progress.say(
            f"{table.name}: labels are in the column {quoted(table, labels[0])}, paths in "
            f"{quoted(table, path)}; --label-column and --path-column choose others"
        )
