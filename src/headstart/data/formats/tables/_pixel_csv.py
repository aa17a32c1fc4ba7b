"""A table of pixels: one image per row, one pixel per column or all pixels in one cell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._class_names import label_images
from headstart.data._memory_maps import GrowingMap
from headstart.data._types import DecodedImages, OptionValues
from headstart.data.formats._protocol import Listing, LoadOptions
from headstart.data.formats.tables._columns import (
    ID_NAMES,
    LABEL_NAMES,
    OTHER_LABEL_NAMES,
    PATH_NAMES,
    PIXEL_CELL_NAMES,
    find_column,
    find_columns,
    no_label_column,
    plain_name,
    quoted,
    remaining_columns,
)
from headstart.data.formats.tables._csv_table import (
    Table,
    is_plain_text,
    is_table,
    open_table,
    shorten_columns,
)
from headstart.data.formats.tables._images import ImageFinder
from headstart.data.formats.tables._label_meaning import require_classes
from headstart.data.formats.tables._labels import read_labels
from headstart.data.formats.tables._layout import find_label_columns, peek_row
from headstart.data.formats.tables._numbers import is_number
from headstart.data.formats.tables._other_tasks import refuse_other_tasks
from headstart.data.formats.tables._parts import PART_COLUMN_NAMES, parts_of_columns
from headstart.data.formats.tables._path_csv import PathCsv
from headstart.data.formats.tables._pixel_layout import (
    find_pixels,
    has_pixels,
    no_pixels,
    require_colour_order,
)
from headstart.data.formats.tables._pixel_rows import PixelRows
from headstart.data.formats.tables._rows import TableRows
from headstart.errors import InputError

_MOST_COLUMNS_OF_IDS = 12  # of a table of ids of images
_LONGEST_ID = 200  # characters
_READER = 4  # Raise this when the same file is read in another way.


class PixelCsv:
    """The format of a table with one image per row: a label column, and the pixels of a square.

    The names of pixel columns end in a number. Where these numbers have no gap, they order the
    pixels, row by row from the top left, whatever the order of the columns. Three times a square is
    a colour image with the pixels R, G, B, R, G, B, …: 3072 pixels are 32x32. Instead, one column
    called pixels may hold all pixels of an image, separated by spaces.
    """

    name = "a CSV of pixels"
    accepted_as = "a pixel CSV (label,pixel0,…)"
    ignored_options = ()

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a table. One named .txt must have columns of pixels."""
        if not is_table(path):
            return False
        if not is_plain_text(path):
            return True
        with open_table(path) as table:
            return has_pixels(table)

    def list(self, path: Path, options: LoadOptions) -> Listing:
        """Return the file, not read yet. A column of paths that the user named is used instead."""
        if options.path_column is not None:
            return PathCsv().list(path, options)
        return PixelCsvFile(path, options.pixel_max, options.group_by, options.label_column)


@dataclass(frozen=True)
class PixelCsvFile:
    """A table of pixels, not read yet.

    Attributes:
        path: The file.
        pixel_max: Value of full brightness. None for integers from 0 to 255.
        group_by: Name of the column that ties images together, or None.
        label_column: Name of the column of labels, or None to recognize it.
    """

    path: Path
    pixel_max: float | None
    group_by: str | None
    label_column: str | None = None

    @property
    def root(self) -> Path:
        """Folder of the file."""
        return self.path.parent

    @property
    def files(self) -> tuple[str, ...]:
        """Name of the file."""
        return (self.path.name,)

    @property
    def key_options(self) -> OptionValues:
        """The scale of the pixels and the columns of labels and groups."""
        options: OptionValues = {
            "kind": "read_pixel_csv",
            "reader": _READER,
            "pixel_max": self.pixel_max,
            "group_by": self.group_by,
        }
        if self.label_column is not None:
            options["label_column"] = self.label_column
        return options

    def decode(self, building: Path) -> DecodedImages:
        """Read the file into a map. Memory use grows with the number of labels only.

        Args:
            building: Folder of the map.

        Raises:
            InputError: A value is not a pixel (with its line and column), a label is missing (with
                its line), the number of pixels is not a square, or there is only one class.
        """
        with open_table(self.path) as opened:
            table, first_row = peek_row(opened)
            refuse_other_tasks(table, self.label_column)
            _refuse_ids(table, first_row or (), self.path)
            columns = _find_columns(table, self.label_column, self.group_by)
            layout = find_pixels(table, columns)
            rows = PixelRows(table, first_row, layout, self.pixel_max)
            others = TableRows(table, columns, columns.label, filled=[columns.group])
            with GrowingMap(building, rows.shape) as images:
                for line, fields, pixels in rows:
                    images.append(pixels)
                    others.add(line, fields)
                table.problems.require_none()
                pixels_map = images.finish()
            require_colour_order(pixels_map, table.name, layout)
            parts = _parts(table, columns, others)
            table.problems.require_none()
            labels = read_labels(table, others, [columns.label]).names

        require_classes(labels, self.path.name, plain_name(table.columns[columns.label]))
        groups = None if columns.group is None else others.fields[columns.group]
        return label_images((), labels, self.path.name, parts, groups).with_pixels(pixels_map)


def _refuse_ids(table: Table, first_row: Sequence[str], path: Path) -> None:
    """Raise an error if line 1 or 2 has the id of an image, such as `cat0` where cat0.png lies."""
    if len(table.columns) > _MOST_COLUMNS_OF_IDS:
        return
    finder = ImageFinder(path)
    for column in table.columns:
        if 0 < len(column) <= _LONGEST_ID and finder.finds(column):
            raise InputError(
                f"invalid line 1 of {table.name}: expected the names of the columns, got the id of "
                f"an image ({column}).",
                "Add a header line, for example: path,label",
            )
    for column, text in zip(table.columns, first_row, strict=False):
        if not is_number(text) and 0 < len(text) <= _LONGEST_ID and finder.finds(text.strip()):
            raise InputError(
                f"{table.name} has no column with a usual name for paths; it has "
                f"{shorten_columns(table.columns)}.",
                f"{text.strip()} is an image, so name its column: "
                f"--path-column {shlex.quote(column)}",
            )


class _Columns(NamedTuple):
    """Indices of the columns besides pixels: label, group or None, part or None."""

    label: int
    group: int | None
    part: int | None


def _find_columns(table: Table, label_column: str | None, group_by: str | None) -> _Columns:
    """Find the columns besides the pixels, and print a label column that was guessed.

    Raises:
        InputError: A column that was named is missing, or no column holds labels.
    """
    if not has_pixels(table):
        raise no_pixels(table)
    group = None if group_by is None else table.column(group_by, "group_by")
    if label_column is not None:
        label = table.column(label_column, "label_column")
        return _Columns(label, group, find_column(table, PART_COLUMN_NAMES, {label, group}))

    usual = find_columns(table, LABEL_NAMES)
    part = find_column(table, PART_COLUMN_NAMES, {group, *usual})
    if usual:
        return _Columns(usual[0], group, part)

    known = {group, part, *find_columns(table, (*PATH_NAMES, *PIXEL_CELL_NAMES))}
    candidates = [
        index
        for index in remaining_columns(table, known)
        if not table.columns[index][-1:].isdigit()
    ]
    labels = find_label_columns(table, candidates)
    if len(labels) > 1:
        raise no_label_column(table, labels)
    progress.say(
        f"{table.name}: labels are in the column {quoted(table, labels[0])}; "
        "--label-column chooses another"
    )
    return _Columns(labels[0], group, part)


def _parts(table: Table, columns: _Columns, rows: TableRows) -> NDArray[np.uint8] | None:
    """Return the part that each row names, or None if no column names parts."""
    if columns.part is None:
        return None
    words = {table.columns[columns.part]: rows.fields[columns.part]}
    return parts_of_columns(table.name, words, rows.lines, table.problems)


def read_unlabelled_csv(
    path: Path, pixel_max: float | None = None
) -> tuple[NDArray[np.uint8], list[str] | None]:
    """Read a table of pixels whose labels are missing or do not matter.

    Args:
        path: The file. See `PixelCsv`.
        pixel_max: Value of full brightness. None for integers from 0 to 255.

    Returns:
        Uint8 array of shape (N, H, W, C), and the N texts of the column id, image_id or ImageId.
        The latter is None if the column is missing.

    Raises:
        InputError: A value is not a pixel, the number of pixels is not a square, or the colours of
            each image come one after the other.
    """
    ids: list[str] = []
    values = bytearray()
    with open_table(path) as opened:
        table, first_row = peek_row(opened)
        id_column = find_column(table, ID_NAMES)
        others = find_columns(table, (*LABEL_NAMES, *OTHER_LABEL_NAMES, *PART_COLUMN_NAMES))
        layout = find_pixels(table, {id_column, *others})
        rows = PixelRows(table, first_row, layout, pixel_max)
        for _, fields, pixels in rows:
            values += pixels
            if id_column is not None:
                ids.append(fields[id_column].strip())

    images = np.frombuffer(values, np.uint8).reshape(-1, *rows.shape)
    require_colour_order(images, path.name, layout)
    return images, None if id_column is None else ids
