"""A table whose rows name image files and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data._class_names import label_images
from headstart.data._types import PART_NAMES
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.folders._file_tree import is_image
from headstart.data.formats.images._image_files import ImageFiles
from headstart.data.formats.tables._columns import (
    ID_NAMES,
    PATH_NAMES,
    PIXEL_CELL_NAMES,
    find_column,
    find_columns,
    plain_name,
)
from headstart.data.formats.tables._csv_table import Table, is_table, open_table
from headstart.data.formats.tables._images import ImageFinder, find_images
from headstart.data.formats.tables._json_lines import open_json_lines
from headstart.data.formats.tables._label_meaning import require_classes
from headstart.data.formats.tables._labels import (
    read_labels,
    require_one_to_one,
    say_absent_classes,
)
from headstart.data.formats.tables._layout import find_layout, find_path_column, peek_row
from headstart.data.formats.tables._other_tasks import refuse_other_tasks
from headstart.data.formats.tables._parts import parts_of_columns
from headstart.data.formats.tables._repeated_paths import ImageRow, first_rows_of_images
from headstart.data.formats.tables._rows import TableRows, read_rows


class PathCsv:
    """The format of a table of image paths, relative to its own folder, and labels.

    The columns of paths and labels are recognized by their names, or named by `path_column` and
    `label_column`. A column such as split holds train, validation or test. Other columns are
    ignored. See docs/data.md.
    """

    name = "a CSV of image files"
    accepted_as = "a CSV of path,label"
    ignored_options = ()

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a table that lists image files."""
        if not is_table(path):
            return False
        with open_table(path) as table:
            return lists_paths(*peek_row(table))

    def list(self, path: Path, options: LoadOptions) -> ImageFiles:
        """Read the paths, labels, parts and groups.

        Raises:
            InputError: An image does not exist, a field is empty, or a split is unknown, each with
                its line. The rows are boxes, masks, measurements or have several labels. Or there
                is only one class.
        """
        table = read_labelled_table(path, options)
        table.require_classes(table.labels, path.name)
        say_absent_classes(path.name, table.classes, table.labels)
        labels = label_images(table.paths, table.labels, path.name, table.parts, table.groups)
        return ImageFiles(path.parent, labels, options, tables=(path.name,))


@dataclass(frozen=True)
class LabelledTable:
    """The distinct images of a table, as written.

    Attributes:
        paths: N paths, relative to the folder of the table.
        labels: N labels.
        parts: Uint8 array of shape (N,), or None if no column names parts.
        groups: N names of groups, or None.
        label_column: Name of the column of labels, or None if columns are one-hot.
        classes: Names of the one-hot columns. Empty if there is a column of labels.
    """

    paths: list[str]
    labels: list[str]
    parts: NDArray[np.uint8] | None
    groups: list[str] | None
    label_column: str | None
    classes: tuple[str, ...]

    def require_classes(self, labels: Sequence[str], name: str) -> None:
        """Raise an error if labels are measurements or lists of labels. See `require_classes`.

        Args:
            labels: Labels of this table, or of several that have the same columns.
            name: Name of the table, for messages.
        """
        if self.label_column is not None:
            require_classes(labels, name, plain_name(self.label_column))


def read_labelled_table(path: Path, options: LoadOptions, name: str | None = None) -> LabelledTable:
    """Read the paths, labels, parts and groups of a table.

    Args:
        path: The table.
        options: The options of `load`, among them `path_column`, `label_column` and `group_by`.
        name: Name of the table, for messages. By default that of the file.

    Raises:
        InputError: See `PathCsv.list`. The number of classes is not checked.
    """
    finder = ImageFinder(path)
    with open_any_table(path, name) as opened:
        refuse_other_tasks(opened, options.label_column)
        table, first_row = peek_row(opened)
        layout = find_layout(table, first_row or [""] * len(table.columns), finder, options)
        label = layout.labels[0] if len(layout.labels) == 1 else None
        rows = read_rows(table, layout.used(), label, filled=(layout.path, layout.group))
        labels = read_labels(table, rows, layout.labels)
        if layout.number is not None and label is not None:
            require_one_to_one(table, rows, label, layout.number)
        parts = _read_parts(table, rows, layout.parts)
        table.problems.require_none()
        paths = find_images(finder, rows.fields[layout.path], rows.lines, table.problems)

    kept = _distinct_images(table, rows, paths, labels.names, parts, layout.group)
    groups = None
    if layout.group is not None:
        groups = [rows.fields[layout.group][row] for row in kept]
    return LabelledTable(
        paths=[paths[row] for row in kept],
        labels=[labels.names[row] for row in kept],
        parts=None if parts is None else parts[kept],
        groups=groups,
        label_column=None if label is None else table.columns[label],
        classes=labels.classes,
    )


def open_any_table(path: Path, name: str | None = None) -> AbstractContextManager[Table]:
    """Open a table of separated fields or of JSON objects. See `open_table`."""
    return open_json_lines(path, name) if path.suffix == ".jsonl" else open_table(path, name)


class UnlabelledImages(NamedTuple):
    """The image files of a table without labels.

    Attributes:
        paths: The N files.
        names: The N texts of the column of paths, as written.
        ids: The N texts of the column of ids. They are `names` where there is no such column.
    """

    paths: list[Path]
    names: list[str]
    ids: list[str]


def list_unlabelled(path: Path, path_column: str | None = None) -> UnlabelledImages | None:
    """List the image files of a table without labels.

    Args:
        path: The table.
        path_column: The column of paths, or None to recognize it.

    Returns:
        The files with their names and ids, or None if the table holds pixels.

    Raises:
        InputError: An image does not exist, with its line. Or the table has no rows.
    """
    finder = ImageFinder(path)
    with open_table(path) as opened:
        table, first_row = peek_row(opened)
        if path_column is None and not lists_paths(table, first_row):
            return None
        column = find_path_column(
            table, first_row or [""] * len(table.columns), finder, path_column
        )
        ids = [index for index in find_columns(table, ID_NAMES) if index != column]
        rows = read_rows(table, [column, *ids[:1]], filled=[column])
        table.problems.require_none()
        names = rows.fields[column]
        paths = find_images(finder, names, rows.lines, table.problems)
    return UnlabelledImages(
        [path.parent / name for name in paths], names, rows.fields[ids[0]] if ids else names
    )


def lists_paths(table: Table, first_row: Sequence[str] | None) -> bool:
    """Return whether a table lists image files, and does not hold pixels.

    Tables of pixels have one column of all pixels, or many columns whose names end in a digit.
    They may have a column such as id as well. A table whose first row names an image file lists
    image files, whatever the names of its other columns; so do columns such as image1 and image2.
    """
    if find_column(table, PIXEL_CELL_NAMES) is not None:
        return False
    named = find_columns(table, PATH_NAMES)
    images = [index for index, text in enumerate(first_row or ()) if is_image(Path(text.strip()))]
    pixel_columns = sum(column[-1:].isdigit() for column in table.columns)
    if pixel_columns < len(table.columns) / 2:
        return bool(named or images)
    return any(index in named or table.columns[index][-1:].isdigit() for index in images)


def _read_parts(table: Table, rows: TableRows, columns: Sequence[int]) -> NDArray[np.uint8] | None:
    """Return the part that each row names, or None."""
    texts = {table.columns[column]: rows.fields[column] for column in columns}
    return parts_of_columns(table.name, texts, rows.lines, table.problems)


def _distinct_images(
    table: Table,
    rows: TableRows,
    paths: Sequence[str],
    labels: Sequence[str],
    parts: NDArray[np.uint8] | None,
    group: int | None,
) -> list[int]:
    """Return the rows without those that repeat an image."""
    part_names = [None] * len(paths) if parts is None else [PART_NAMES[part] for part in parts]
    groups = [None] * len(paths) if group is None else rows.fields[group]
    images = [ImageRow(*values) for values in zip(paths, labels, part_names, groups, strict=True)]
    kept = first_rows_of_images(table.name, rows.lines, images, table.problems)
    table.problems.require_none()
    return kept
