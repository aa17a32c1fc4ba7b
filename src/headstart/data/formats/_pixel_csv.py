"""Images as numbers in a CSV: one image a row, one pixel a column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data._cache import Decoded
from headstart.data._class_names import encode_labels
from headstart.data.formats._csv_rows import (
    ID_COLUMNS,
    LABEL_COLUMNS,
    LAST_COMMA,
    PATH_COLUMNS,
    Table,
    open_table,
    shortened,
)
from headstart.errors import InputError

PIXEL_COLUMN = re.compile(r"(.*?)(\d+)$")  # pixel12, 12, and 3x12 (row x column)
USUAL_SCALES = (
    1,
    255,
    1023,
    4095,
    16383,
    65535,
)  # a fraction, and the largest values of 8, 10, 12, 14 and 16 bits
REMEMBERED_VALUES = 1 << 17  # distinct texts kept with their pixel value; 8-bit files have 256


def read_pixel_csv(
    path: Path, pixel_max: float | None = None, group_by: str | None = None
) -> Decoded:
    """Read a CSV with one image a row: a label column anywhere, the rest pixels of a square image.

    Pixel columns end in a number; where those numbers run without a gap they, not the file, order the pixels, row by
    row from the top left. Three times a square is a colour image whose pixels are R, G, B, R, G, B, …: 3072 pixels
    are 32x32.

    Args:
        pixel_max: the value that means full brightness; None for whole numbers from 0 to 255.
        group_by: column whose equal values tie images together.

    Raises:
        InputError: a value that is no pixel (line, column, value), a missing label (line), a pixel count that is no
            square, columns that are neither label nor pixel, one class.
    """
    with open_table(path) as table:
        label = table.label_column()
        group = None if group_by is None else table.column(group_by, "group_by")
        reader = _PixelRows(table, {label, group}, pixel_max)
        labels, groups = [], []
        for line, fields in reader:
            labels.append(fields[label].strip())
            if labels[-1].lower() in {"", "nan"}:
                raise InputError(
                    f"line {line} of {table.name}: the label ({table.columns[label]}) is empty.",
                    "Fill it in, or remove the row.",
                )
            groups += [] if group is None else [fields[group]]
    numbers, class_names = encode_labels(labels, path.name)
    tied = np.unique(groups, return_inverse=True)[1].astype(np.int64) if groups else None
    return Decoded(reader.images(), numbers, class_names, groups=tied)


def read_unlabelled_csv(
    path: Path, pixel_max: float | None = None
) -> tuple[NDArray[np.uint8], list[str] | None]:
    """Read a CSV as `read_pixel_csv` does, whose images have no labels, or labels that do not matter.

    Returns:
        `(N, H, W, C)` uint8; and the text of the column id, image_id or ImageId, None where there is none.

    Raises:
        InputError: a value that is no pixel, a pixel count that is no square, columns that are neither pixel, id nor label.
    """
    with open_table(path) as table:
        number = table.find(ID_COLUMNS)
        reader = _PixelRows(table, {table.find(LABEL_COLUMNS), number}, pixel_max)
        ids = [fields[number or 0].strip() for _, fields in reader]
    return reader.images(), None if number is None else ids


class _PixelRows:
    """The rows of a table, whose pixels are put aside while they pass."""

    def __init__(self, table: Table, others: set[int | None], pixel_max: float | None) -> None:
        self.table, self.scale = table, _Scale(pixel_max)
        self.pixels = _pixel_columns(table, others)
        self.shape = _square(len(self.pixels), table.name)
        self.values = bytearray()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for line, fields in self.table.rows:
            try:
                self.values += bytes(
                    map(self.scale.__getitem__, map(fields.__getitem__, self.pixels))
                )
            except ValueError:
                raise _bad_pixel(self.table, line, fields, self.pixels, self.scale) from None
            yield line, fields
        if not self.values:
            raise InputError(
                f"{self.table.name} has a header but no rows.", "Every further line is one image."
            )

    def images(self) -> NDArray[np.uint8]:
        """`(N, H, W, C)` of the rows that have passed."""
        return np.frombuffer(self.values, np.uint8).reshape(-1, *self.shape)


class _Scale(dict[str, int]):
    """Text of a CSV field to pixel value, each distinct text worked out once."""

    def __init__(self, pixel_max: float | None) -> None:
        super().__init__()
        self.pixel_max = pixel_max

    def __missing__(self, text: str) -> int:
        value = float(text)
        top = 255 if self.pixel_max is None else self.pixel_max
        if not 0 <= value <= top or (self.pixel_max is None and value != int(value)):
            raise ValueError(text)
        pixel = round(value * 255 / top)
        if len(self) < REMEMBERED_VALUES:
            self[text] = pixel
        return pixel

    def has(self, text: str) -> bool:
        try:
            return self[text] >= 0
        except ValueError:
            return False

    def wanted(self) -> str:
        return (
            "whole numbers from 0 to 255"
            if self.pixel_max is None
            else f"numbers from 0 to {self.pixel_max:g} (pixel_max)"
        )


def full_scale(largest: float) -> int | None:
    """The usual value of full brightness for pixels up to `largest`; None above 16 bits."""
    return next((scale for scale in USUAL_SCALES if largest <= scale), None)


def _bad_pixel(
    table: Table, line: int, fields: Sequence[str], pixels: Sequence[int], scale: _Scale
) -> InputError:
    index = next(index for index in pixels if not scale.has(fields[index]))
    text = fields[index].strip()
    found = text if _as_number(text) is not None else f"'{text}'" if text else "empty"
    more, largest = _survey(table, fields, pixels, scale)
    all_lines = f" In all, {more + 1:,} lines have such values." if more else ""
    return InputError(
        f"line {line} of {table.name}: {table.columns[index]} is {found}, but pixels are {scale.wanted()}.{all_lines}",
        _scale_hint(_as_number(text), largest, scale.pixel_max),
    )


def _survey(
    table: Table, fields: Sequence[str], pixels: Sequence[int], scale: _Scale
) -> tuple[int, float]:
    """How many lines below that of `fields` have bad pixels too, and the largest number in the file."""

    def bad_in(row: Sequence[str]) -> set[str]:
        return {text for text in map(row.__getitem__, pixels) if not scale.has(text)}

    def top(texts: Iterable[str]) -> float:
        return max(
            (value for text in texts if (value := _as_number(text)) is not None), default=0.0
        )

    more, largest = 0, top(bad_in(fields))
    try:
        for _, row in table.rows:
            bad = bad_in(row)
            more += bool(bad)
            largest = max(largest, top(bad))
    except InputError:  # another fault further down: what was counted is true so far
        pass
    return more, max(largest, top(scale))


def _as_number(text: str) -> float | None:
    try:
        return float(text) if math.isfinite(float(text)) else None
    except ValueError:
        return None


def _scale_hint(value: float | None, largest: float, given: float | None) -> str:
    """What to do about `value`, in a file without `--pixel-max` (else `given`) whose largest number is `largest`."""
    if value is None or value < 0 or given is not None:
        return "Correct the value, or remove the row."
    top = full_scale(largest)
    if top == 255:
        return "Pixels must be whole numbers: round them, or give --pixel-max 255 to have them rounded."
    if top is None:
        return "Correct the value; or give the one that means full brightness in this file, with --pixel-max."
    return f"Correct the value; or, if {top} means full brightness in this file, give --pixel-max {top}."


def _pixel_columns(table: Table, others: set[int | None]) -> list[int]:
    """Indices of the pixel columns in the order of the pixels."""
    indices = [index for index in range(len(table.columns)) if index not in others]
    matches = [PIXEL_COLUMN.match(table.columns[index]) for index in indices]
    strange = [
        table.columns[index] for index, match in zip(indices, matches, strict=True) if match is None
    ]
    if len(strange) == len(indices):
        raise InputError(
            f"{table.name} has neither pixel columns nor a column of paths; it has {shortened(table.columns)}.",
            f"Name the column of paths one of: {', '.join(PATH_COLUMNS)}. Pixel columns end in a number (pixel0, pixel1, …).",
        )
    if "" in strange:
        column = table.columns.index("") + 1
        raise InputError(
            f"line 1 of {table.name} has no name for column {column:,}.",
            LAST_COMMA if column == len(table.columns) else "Name it, or remove the column.",
        )
    if strange:
        raise InputError(
            f"{table.name} has columns that are neither label nor pixel: {shortened(strange)}.",
            "Remove them. Pixel columns end in a number (pixel0, pixel1, …).",
        )
    if (
        len({match.group(1) for match in matches if match}) > 1
    ):  # named by row and column, as in 28x28: the file's order counts
        return indices
    numbers = [int(match.group(2)) for match in matches if match]
    missing = sorted(set(range(min(numbers, default=0), max(numbers, default=0))) - set(numbers))
    if missing or len(set(numbers)) < len(numbers):
        which = f"none numbered {missing[0]}" if missing else "a number twice"
        raise InputError(
            f"{table.name} has {len(numbers):,} pixel columns from {min(numbers)} to {max(numbers)}, but {which}.",
            "Every pixel needs one column.",
        )
    return [index for _, index in sorted(zip(numbers, indices, strict=True))]


def _square(count: int, where: str) -> tuple[int, int, int]:
    """`(H, W, C)` of an image with `count` values."""
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if count and side * side * channels == count:
            return side, side, channels
    side = math.isqrt(count)
    raise InputError(
        f"{where} has {count:,} pixel columns, which make no square image: {side}x{side} has {side * side:,}, "
        f"{side + 1}x{side + 1} has {(side + 1) ** 2:,}; colour images have three times a square.",
        "Is a column missing, or one too many?",
    )
