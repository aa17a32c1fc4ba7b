"""A CSV of pixels: one image per row, one pixel per column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data._class_names import encode_labels
from headstart.data._types import DecodedImages, OptionValues
from headstart.data.formats._csv_table import (
    ID_COLUMNS,
    LABEL_COLUMNS,
    PATH_COLUMNS,
    TRAILING_COMMA_HINT,
    Table,
    group_numbers,
    is_csv,
    open_table,
    shorten_columns,
)
from headstart.data.formats._pixel_values import PixelOfText, invalid_pixel
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError

PIXEL_COLUMN = re.compile(r"(.*?)(\d+)$")  # pixel12, 12, and 3x12 (row x column)


class PixelCsv:
    """The format of a CSV with one image per row: a label column, and the pixels of a square image.

    The names of pixel columns end in a number. Where these numbers have no gap, they order the
    pixels, row by row from the top left, whatever the order of the columns. Three times a square is
    a colour image with the pixels R, G, B, R, G, B, …: 3072 pixels are 32x32.
    """

    name = "a CSV of pixels"
    accepted_as = "a pixel CSV (label,pixel0,…)"
    ignored_options = ()

    def recognizes(self, path: Path) -> bool:
        """Return whether the file's name ends in .csv or .csv.gz."""
        return is_csv(path)

    def list(self, path: Path, options: LoadOptions) -> PixelCsvFile:
        """Return the file, not read yet."""
        return PixelCsvFile(path, options.pixel_max, options.group_by)


@dataclass(frozen=True)
class PixelCsvFile:
    """A CSV of pixels, not read yet.

    Attributes:
        path: The file.
        pixel_max: Value of full brightness. None for integers from 0 to 255.
        group_by: Name of the column that ties images together, or None.
    """

    path: Path
    pixel_max: float | None
    group_by: str | None

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
        """The scale of the pixels and the column of groups."""
        return {"kind": "read_pixel_csv", "pixel_max": self.pixel_max, "group_by": self.group_by}

    def decode(self, building: Path) -> DecodedImages:
        """Read the file into memory.

        Raises:
            InputError: A value is not a pixel (with its line and column), a label is missing (with
                its line), the number of pixels is not a square, a column is neither label nor
                pixel, or there is only one class.
        """
        with open_table(self.path) as table:
            label = table.label_column()
            group = None
            if self.group_by is not None:
                group = table.column(self.group_by, "group_by")

            rows = _PixelRows(table, {label, group}, self.pixel_max)
            labels: list[str] = []
            groups: list[str] = []
            for line, fields in rows:
                labels.append(fields[label].strip())
                if labels[-1].lower() in {"", "nan"}:
                    raise InputError(
                        f"line {line} of {table.name}: the label ({table.columns[label]}) "
                        "is empty.",
                        "Fill it in, or remove the row.",
                    )
                if group is not None:
                    groups.append(fields[group])

        codes, class_names = encode_labels(labels, self.path.name)
        return DecodedImages(
            rows.images(),
            codes,
            class_names,
            groups=group_numbers(groups) if groups else None,
        )


def read_unlabelled_csv(
    path: Path, pixel_max: float | None = None
) -> tuple[NDArray[np.uint8], list[str] | None]:
    """Read a CSV of pixels whose labels are missing or do not matter.

    Args:
        path: The file. See `PixelCsv`.
        pixel_max: Value of full brightness. None for integers from 0 to 255.

    Returns:
        Uint8 array of shape (N, H, W, C), and the N texts of the column id, image_id or ImageId.
        The latter is None if the column is missing.

    Raises:
        InputError: A value is not a pixel, the number of pixels is not a square, or a column is
            neither pixel, id nor label.
    """
    ids: list[str] = []
    with open_table(path) as table:
        id_column = table.find(ID_COLUMNS)
        rows = _PixelRows(table, {table.find(LABEL_COLUMNS), id_column}, pixel_max)
        for _, fields in rows:
            if id_column is not None:
                ids.append(fields[id_column].strip())

    return rows.images(), None if id_column is None else ids


class _PixelRows:
    """The rows of a table. Their pixels are collected while the rows are iterated.

    Args:
        table: The open table.
        other_columns: Indices of the columns that are not pixels.
        pixel_max: Value of full brightness. None for integers from 0 to 255.
    """

    def __init__(
        self, table: Table, other_columns: set[int | None], pixel_max: float | None
    ) -> None:
        self._table = table
        self._pixel_of_text = PixelOfText(pixel_max)
        self._columns = _pixel_columns(table, other_columns)
        self._shape = _square_shape(len(self._columns), table.name)
        self._values = bytearray()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for line, fields in self._table.rows:
            try:
                # Two nested maps: the fastest of the forms that were measured.
                texts = map(fields.__getitem__, self._columns)
                self._values += bytes(map(self._pixel_of_text.__getitem__, texts))
            except ValueError:
                raise invalid_pixel(
                    self._table, line, fields, self._columns, self._pixel_of_text
                ) from None
            yield line, fields

        if not self._values:
            raise InputError(
                f"{self._table.name} has a header but no rows.", "Add one line per image below it."
            )

    def images(self) -> NDArray[np.uint8]:
        """Return the images of the rows so far, as an array of shape (N, H, W, C)."""
        return np.frombuffer(self._values, np.uint8).reshape(-1, *self._shape)


def _pixel_columns(table: Table, other_columns: set[int | None]) -> list[int]:
    """Return the indices of the pixel columns, in the order of the pixels."""
    indices = [index for index in range(len(table.columns)) if index not in other_columns]
    matches = [PIXEL_COLUMN.match(table.columns[index]) for index in indices]
    _require_pixel_names(table, indices, [match is not None for match in matches])

    prefixes = {match.group(1) for match in matches if match}
    if len(prefixes) > 1:
        # Named by row and column, as in 28x28: the order of the columns counts.
        return indices

    positions = [int(match.group(2)) for match in matches if match]
    first, last = min(positions, default=0), max(positions, default=0)
    missing = sorted(set(range(first, last)) - set(positions))
    if missing or len(set(positions)) < len(positions):
        fault = f"none has the number {missing[0]}" if missing else "a number appears twice"
        raise InputError(
            f"{table.name} has {len(positions):,} pixel columns from {first} to {last}, "
            f"but {fault}.",
            "Give each pixel one column.",
        )
    return [index for _, index in sorted(zip(positions, indices, strict=True))]


def _require_pixel_names(table: Table, indices: list[int], are_pixels: list[bool]) -> None:
    others = [
        table.columns[index]
        for index, is_pixel in zip(indices, are_pixels, strict=True)
        if not is_pixel
    ]
    if len(others) == len(indices):
        raise InputError(
            f"{table.name} has neither pixel columns nor a column of paths; it has "
            f"{shorten_columns(table.columns)}.",
            f"Name the column of paths one of: {', '.join(PATH_COLUMNS)}. "
            "The names of pixel columns end in a number (pixel0, pixel1, …).",
        )
    if "" in others:
        column = table.columns.index("") + 1
        is_last = column == len(table.columns)
        raise InputError(
            f"line 1 of {table.name} has no name for column {column:,}.",
            TRAILING_COMMA_HINT if is_last else "Name it, or remove the column.",
        )
    if others:
        raise InputError(
            f"{table.name} has columns that are neither label nor pixel: "
            f"{shorten_columns(others)}.",
            "Remove them. The names of pixel columns end in a number (pixel0, pixel1, …).",
        )


def _square_shape(count: int, source: str) -> tuple[int, int, int]:
    """Return the height, width and channels of a square image with `count` values."""
    for channels in (1, 3):
        size = math.isqrt(count // channels)
        if count and size * size * channels == count:
            return size, size, channels

    size = math.isqrt(count)
    raise InputError(
        f"{source} has {count:,} pixel columns, which do not form a square image: "
        f"{size}x{size} has {size * size:,}, {size + 1}x{size + 1} has {(size + 1) ** 2:,}. "
        "A colour image has three times a square.",
        "Is a column missing, or is there one too many?",
    )
