"""The layout of a table of pixels: which columns are pixels, and in which order."""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data.formats.tables._columns import (
    PATH_NAMES,
    PIXEL_CELL_NAMES,
    find_column,
    index_columns,
    pairs_of_images,
    plain_name,
    quoted,
)
from headstart.data.formats.tables._csv_table import Table, shorten_columns
from headstart.errors import InputError

_COLOUR = re.compile(r"(?<![A-Za-z])(r|g|b|red|green|blue)[\W_]*$", re.IGNORECASE)
_LOOKED_AT = 100  # images
_FEWEST_LOOKED_AT = 5
# Ratio of the two, in 60 samples each of CIFAR-10, sign-digits and ants-bees: at most 0.55 where
# the colours come one after the other, and at least 1.9 where they are together.
_MUCH_SMOOTHER = 0.6
_MOST_OF_ONE_PIXEL = 3  # columns: one for each colour
_TITLE_HINT = " If line 1 is a title, remove the lines above the names of the columns."
_PIXEL_COLUMN = re.compile(r"(.*?)(\d+)$")  # pixel12, 12, and 3x12 (row x column)


@dataclass(frozen=True)
class PixelLayout:
    """Indices of the columns of pixels.

    Attributes:
        columns: The columns, in the order of the pixels. A single one may hold all pixels of an
            image, separated by spaces.
        in_one_cell: Whether it does.
        has_colours: Whether the names of the columns say which colour each one holds.
    """

    columns: tuple[int, ...]
    in_one_cell: bool = False
    has_colours: bool = False


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
    colours = _by_colour(pixels)
    if colours is not None:
        return PixelLayout(colours, has_colours=True)
    return PixelLayout(_in_order(table, pixels))


def has_pixels(table: Table) -> bool:
    """Return whether a table has columns that may be pixels."""
    is_pixel = any(_PIXEL_COLUMN.match(column) for column in table.columns)
    return is_pixel or find_column(table, PIXEL_CELL_NAMES) is not None


def no_pixels(table: Table) -> InputError:
    """Return the error about a table with neither pixels nor paths."""
    example = shlex.quote(table.columns[0] or "NAME")
    return InputError(
        f"{table.name} has neither pixel columns nor a column of paths; it has "
        f"{shorten_columns(table.columns)}.",
        f"Name the column of paths, for example: --path-column {example}. "
        "The names of pixel columns end in a number (pixel0, pixel1, …)."
        + (_TITLE_HINT if len(table.columns) == 1 else ""),
    )


def _require_pixels(table: Table, unknown: Sequence[int], pixels: Sequence[int]) -> None:
    if not pixels:
        raise no_pixels(table)
    numbered = [table.columns[index] for index in pixels]
    stems = {plain_name(name).rstrip("0123456789") for name in numbered}
    if 1 < len(numbered) <= _MOST_OF_ONE_PIXEL and stems <= {*PATH_NAMES}:
        raise pairs_of_images(table, numbered)
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


def _by_colour(pixels: Mapping[int, re.Match[str]]) -> tuple[int, ...] | None:
    """Return columns such as R0, G0 and B0 with the colours of each pixel together, or None."""
    column_of: dict[tuple[int, str], int] = {}
    for index, match in pixels.items():
        colour = _COLOUR.search(match.group(1))
        if colour is None:
            return None
        column_of[int(match.group(2)), colour[1][0].lower()] = index
    pixel_numbers = sorted({number for number, _ in column_of})
    places = list(itertools.product(pixel_numbers, "rgb"))
    is_complete = len(places) == len(pixels) and set(places) == set(column_of)
    return tuple(column_of[place] for place in places) if is_complete else None


def require_colour_order(images: NDArray[np.uint8], table: str, layout: PixelLayout) -> None:
    """Raise an error if the colours of each image come one after the other, as in CIFAR-10.

    Neighbouring pixels are similar. In the right order they are more similar than in the wrong one,
    where the neighbour is three pixels away.

    Args:
        images: Array of shape (N, H, W, C), read with the colours of each pixel together.
        table: Name of the table, for messages.
        layout: The columns of pixels.

    Raises:
        InputError: The other order fits much better.
    """
    sample = images[:_LOOKED_AT].astype(np.int16)
    count, height, width, channels = sample.shape
    if layout.has_colours or channels != 3 or count < _FEWEST_LOOKED_AT or min(height, width) < 8:
        return
    planes = sample.reshape(count, channels, height, width)
    if _roughness(np.moveaxis(planes, 1, -1)) < _MUCH_SMOOTHER * _roughness(sample):
        raise InputError(
            f"invalid order of the pixels of {table}: expected red, green and blue of each pixel "
            "together, got all of red, then all of green and of blue.",
            "Name the columns R0, R1, …, G0, …, B0, …. Or pass arrays in Python: "
            "pixels.reshape(-1, 3, height, width).",
        )


def _roughness(images: NDArray[np.int16]) -> float:
    """Return the mean difference of neighbouring pixels in images of shape (N, H, W, C)."""
    down, right = np.diff(images, axis=1), np.diff(images, axis=2)
    return float(np.abs(down).mean() + np.abs(right).mean())


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
