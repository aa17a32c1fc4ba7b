"""The layout of a table of pixels: which columns are pixels, and in which order."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headstart import progress
from headstart.data.formats.tables._columns import (
    PIXEL_CELL_NAMES,
    find_column,
    index_columns,
    quoted,
)
from headstart.data.formats.tables._csv_table import Table, shorten_columns
from headstart.errors import InputError

_PIXEL_COLUMN = re.compile(r"(.*?)(\d+)$")  # pixel12, 12, and 3x12 (row x column)


@dataclass(frozen=True)
class PixelLayout:
    """Indices of the columns of pixels.

    Attributes:
        columns: The columns, in the order of the pixels. A single one may hold all pixels of an
            image, separated by blanks.
        in_one_cell: Whether it does.
    """

    columns: tuple[int, ...]
    in_one_cell: bool = False


def find_pixels(table: Table, other_columns: Iterable[int | None]) -> PixelLayout:
    """Find the columns of pixels.

    Columns that are neither pixels nor among the others are ignored, with a line on stderr.

    Args:
        table: The open table.
        other_columns: Indices of the columns with another meaning.

    Raises:
        InputError: There are none, a number is missing, or a column has no name.
    """
    others = {index for index in other_columns if index is not None}
    unknown = [index for index in range(len(table.columns)) if index not in others]
    cell = find_column(table, PIXEL_CELL_NAMES)
    if cell is not None:
        _say_ignored(table, [index for index in unknown if index != cell])
        return PixelLayout((cell,), in_one_cell=True)

    rows_only = set(index_columns(table))
    matches = {
        index: _PIXEL_COLUMN.match(table.columns[index])
        for index in unknown
        if index not in rows_only
    }
    pixels = {index: match for index, match in matches.items() if match}
    _require_pixels(table, unknown, list(pixels))
    _say_ignored(table, [index for index in unknown if index not in pixels])
    return PixelLayout(_in_order(table, pixels))


def has_pixels(table: Table) -> bool:
    """Return whether a table has columns that may be pixels."""
    is_pixel = any(_PIXEL_COLUMN.match(column) for column in table.columns)
    return is_pixel or find_column(table, PIXEL_CELL_NAMES) is not None


def no_pixels(table: Table) -> InputError:
    """Return the error about a table with neither pixels nor paths."""
    return InputError(
        f"{table.name} has neither pixel columns nor a column of paths; it has "
        f"{shorten_columns(table.columns)}.",
        "Name the column of paths, for example: --path-column "
        f"{table.columns[0] or 'NAME'}. The names of pixel columns end in a number (pixel0, "
        "pixel1, …).",
    )


def _require_pixels(table: Table, unknown: Sequence[int], pixels: Sequence[int]) -> None:
    if not pixels:
        raise no_pixels(table)
    nameless = [index for index in unknown if not table.columns[index] and index > 0]
    if nameless:
        raise InputError(
            f"line 1 of {table.name} has no name for column {nameless[0] + 1:,}.",
            "Name it, or remove the column.",
        )


def _say_ignored(table: Table, columns: Sequence[int]) -> None:
    if columns:
        names = [quoted(table, index) for index in columns]
        ignored = f"{len(columns):,} columns that are"
        if len(columns) == 1:
            ignored = "1 column that is"
        progress.say(
            f"{table.name}: ignored {ignored} neither label nor pixels: {shorten_columns(names)}"
        )


def _in_order(table: Table, pixels: Mapping[int, re.Match[str]]) -> tuple[int, ...]:
    """Return the columns of pixels in the order of the pixels."""
    if len({match.group(1) for match in pixels.values()}) > 1:
        # Named by row and column, as in 28x28: the order of the columns counts.
        return tuple(pixels)

    positions = {index: int(match.group(2)) for index, match in pixels.items()}
    first, last = min(positions.values()), max(positions.values())
    present = set(positions.values())
    has_gap = last - first >= len(present)
    if has_gap or len(present) < len(positions):
        fault = "a number appears twice"
        if has_gap:
            missing = next(number for number in itertools.count(first) if number not in present)
            fault = f"none has the number {missing}"
        raise InputError(
            f"{table.name} has {len(positions):,} pixel columns from {first} to {last}, "
            f"but {fault}.",
            "Give each pixel one column.",
        )
    return tuple(sorted(positions, key=lambda index: positions[index]))


def square_shape(count: int, source: str, of: str = "pixel columns") -> tuple[int, int, int]:
    """Return the height, width and channels of a square image.

    Args:
        count: Number of values.
        source: Name of the table, for messages.
        of: What the values are.

    Raises:
        InputError: The values do not form a square image, grey or RGB.
    """
    for channels in (1, 3):
        size = math.isqrt(count // channels)
        if count and size * size * channels == count:
            return size, size, channels

    size = math.isqrt(count)
    raise InputError(
        f"{source} has {count:,} {of}, which do not form a square image: "
        f"{size}x{size} has {size * size:,}, {size + 1}x{size + 1} has {(size + 1) ** 2:,}. "
        "A colour image has three times a square.",
        "Is a column missing, or is there one too many?",
    )
