"""Pixel values of a CSV: text to eight bits, and the error about an invalid value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from headstart.data.formats._csv_table import Table
from headstart.data.formats._pixel_scales import smallest_scale
from headstart.errors import InputError

REMEMBERED_TEXTS = 1 << 17  # distinct texts kept with their pixel value; 8-bit files have 256


class PixelOfText(dict[str, int]):
    """A dictionary from the text of a CSV field to its pixel value, filled as it is used.

    A text that is not a pixel value raises a ValueError.

    Args:
        pixel_max: Value of full brightness. None for integers from 0 to 255.
    """

    def __init__(self, pixel_max: float | None) -> None:
        super().__init__()
        self.pixel_max = pixel_max

    def __missing__(self, text: str) -> int:
        value = float(text)
        full_brightness = 255 if self.pixel_max is None else self.pixel_max
        if not 0 <= value <= full_brightness:
            raise ValueError(text)
        if self.pixel_max is None and value != int(value):
            raise ValueError(text)

        pixel = round(value * 255 / full_brightness)
        if len(self) < REMEMBERED_TEXTS:
            self[text] = pixel
        return pixel

    def accepts(self, text: str) -> bool:
        """Return whether a text is a pixel value."""
        try:
            return self[text] >= 0
        except ValueError:
            return False

    def expected(self) -> str:
        """Describe the accepted values, for an error message."""
        if self.pixel_max is None:
            return "an integer from 0 to 255"
        return f"a number from 0 to {self.pixel_max:g} (pixel_max)"


def invalid_pixel(
    table: Table, line: int, fields: Sequence[str], columns: Sequence[int], pixels: PixelOfText
) -> InputError:
    """Return the error about the first invalid pixel of a row.

    The rest of the table is read, so the error can count the lines and suggest a scale.

    Args:
        table: The open table. The row is the last one that was read of it.
        line: Line number of the row.
        fields: Fields of the row, at least one of them invalid.
        columns: Indices of the pixel columns.
        pixels: The accepted values.
    """
    index = next(index for index in columns if not pixels.accepts(fields[index]))
    text = fields[index].strip()
    value = _finite_number(text)
    more_lines, largest = _survey(table, fields, columns, pixels)

    total = f" {more_lines + 1:,} lines have invalid values in total." if more_lines else ""
    return InputError(
        f"line {line} of {table.name}: invalid {table.columns[index]}: expected "
        f"{pixels.expected()}, got {_quote(text, value)}.{total}",
        _scale_hint(value, largest, pixels.pixel_max),
    )


def _quote(text: str, value: float | None) -> str:
    if not text:
        return "an empty field"
    return text if value is not None else f"'{text}'"


def _survey(
    table: Table, fields: Sequence[str], columns: Sequence[int], pixels: PixelOfText
) -> tuple[int, float]:
    """Read the rest of a table.

    Returns:
        How many more lines have an invalid pixel, and the largest number among all pixels.
    """

    def invalid_in(row: Sequence[str]) -> set[str]:
        return {row[index] for index in columns if not pixels.accepts(row[index])}

    more_lines, largest = 0, _largest_number(invalid_in(fields))
    try:
        for _, row in table.rows:
            invalid = invalid_in(row)
            more_lines += bool(invalid)
            largest = max(largest, _largest_number(invalid))
    except InputError:
        # A line further down has another fault. The counts up to it are correct.
        pass
    return more_lines, max(largest, _largest_number(pixels))


def _largest_number(texts: Iterable[str]) -> float:
    values = [_finite_number(text) for text in texts]
    return max((value for value in values if value is not None), default=0.0)


def _finite_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _scale_hint(value: float | None, largest: float, pixel_max: float | None) -> str:
    """Return what to do about an invalid value.

    Args:
        value: The value, or None if it is not a number.
        largest: Largest number among the pixels of the file.
        pixel_max: The value of full brightness that the user gave, if any.
    """
    if value is None or value < 0 or pixel_max is not None:
        return "Correct the value, or remove the row."

    scale = smallest_scale(largest)
    if scale is None:
        return "Correct the value, or give the value of full brightness with --pixel-max."
    if scale == 255:
        return "Round the pixels to integers, or let --pixel-max 255 round them."
    return f"If the file uses another scale, pass it: --pixel-max {scale}"
