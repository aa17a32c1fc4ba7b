"""Blocks of plain rows of pixels, which NumPy reads several times as fast as the csv module."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.formats.tables._csv_table import Table
from headstart.data.formats.tables._pixel_layout import PixelLayout
from headstart.data.formats.tables._pixel_values import PixelOfText

PixelRow = tuple[int, Sequence[str], bytes]  # line number, fields, and the bytes of the image
_BLOCK_CHARACTERS = 1 << 20
_MOST_ROWS = 512
_CHARACTERS_PER_PIXEL = 4


class PixelBlocks:
    """Reads blocks of rows as long as they are plain.

    A row is plain if its pixels stand side by side in their order, without quotation marks, blanks
    and empty fields, and all of them are valid. All other rows are left to the csv module, which
    knows what is wrong with them.

    Args:
        table: The open table.
        layout: The columns of pixels.
        pixel_of_text: The scale of the pixels.
    """

    def __init__(self, table: Table, layout: PixelLayout, pixel_of_text: PixelOfText) -> None:
        self._table = table
        self._pixel_of_text = pixel_of_text
        self._count = len(layout.columns)
        self._first = layout.columns[0]
        self._after = len(table.columns) - self._first - self._count
        is_side_by_side = layout.columns == tuple(range(self._first, self._first + self._count))
        self._is_used = table.text is not None and is_side_by_side and not layout.in_one_cell
        size = _BLOCK_CHARACTERS // (_CHARACTERS_PER_PIXEL * self._count)
        self._rows_per_block = min(max(size, 1), _MOST_ROWS)

    def __iter__(self) -> Iterator[PixelRow]:
        """Yield rows until one is not plain. It and those after it can still be read."""
        text = self._table.text
        while self._is_used and text is not None:
            lines = text.lines.take(self._rows_per_block)
            block = self._read(lines, text.separator) if lines else None
            if block is None:
                text.lines.give_back(lines)
                return
            first_line = text.skipped + text.lines.passed - len(lines) + 1
            for number, (fields, pixels) in enumerate(zip(*block, strict=True), first_line):
                yield number, fields, pixels.tobytes()

    def _read(
        self, lines: Sequence[str], separator: str
    ) -> tuple[list[list[str]], NDArray[np.uint8]] | None:
        """Return the fields of each line and its pixels, or None if a line is not plain.

        The fields of pixels are empty texts.
        """
        if any('"' in line for line in lines):
            return None
        no_pixels = [""] * self._count
        fields, texts = [], []
        for line in lines:
            plain = line.rstrip("\r\n")
            if plain.count(separator) != len(self._table.columns) - 1:
                return None
            *before, rest = plain.split(separator, self._first)
            pixels, *after = rest.rsplit(separator, self._after)
            fields.append([*before, *no_pixels, *after])
            texts.append(pixels)

        text = separator.join(texts)
        # NumPy refuses empty fields, except at the ends and between blanks.
        if " " in text or text.startswith(separator) or text.endswith(separator):
            return None
        values = self._parse(text, separator)
        if values is None or len(values) != len(lines) * self._count:
            return None
        return fields, values.reshape(len(lines), self._count)

    def _parse(self, text: str, separator: str) -> NDArray[np.uint8] | None:
        """Return the pixels of a text, or None if it holds anything but pixel values."""
        pixel_max = self._pixel_of_text.pixel_max
        values = None
        if pixel_max is None:
            values = _numbers(text, np.int64, separator)
        if values is None:
            values = _numbers(text, np.float64, separator)
        if values is None or not len(values):
            return None

        largest = values.max()
        full_brightness = 255 if pixel_max is None else pixel_max
        is_valid = bool(values.min() >= 0) and bool(largest <= full_brightness)
        if not is_valid or (pixel_max is None and (values != np.floor(values)).any()):
            return None
        self._pixel_of_text.accepts(str(largest))
        if pixel_max is None:
            return values.astype(np.uint8)
        return np.rint(values * 255 / full_brightness).astype(np.uint8)


def _numbers(text: str, dtype: type[np.int64 | np.float64], separator: str) -> NDArray[Any] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Older versions of NumPy warn where newer ones raise.
        try:
            return np.fromstring(text, dtype, sep=separator)
        except (ValueError, DeprecationWarning):
            return None
