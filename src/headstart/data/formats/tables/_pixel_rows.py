"""The rows of a table of pixels, converted one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from headstart.data.formats.tables._csv_table import Table
from headstart.data.formats.tables._pixel_blocks import PixelBlocks, PixelRow
from headstart.data.formats.tables._pixel_layout import PixelLayout, square_shape
from headstart.data.formats.tables._pixel_values import (
    InvalidPixels,
    PixelOfText,
    question_dark_pixels,
)
from headstart.data.formats.tables._rows import no_rows

_CELL_HINT = "Give every image the same number of pixels, separated by spaces."


class PixelRows:
    """The images of a table of pixels.

    Args:
        table: The open table.
        first_row: Fields of its first row, or None if it has none.
        layout: The columns of pixels.
        pixel_max: Value of full brightness. None for integers from 0 to 255.

    Attributes:
        shape: Height, width and channels of an image.
    """

    def __init__(
        self,
        table: Table,
        first_row: Sequence[str] | None,
        layout: PixelLayout,
        pixel_max: float | None,
    ) -> None:
        if first_row is None:
            raise no_rows(table)
        self._table, self._layout = table, layout
        self._pixel_of_text = PixelOfText(pixel_max)
        self._count = len(layout.columns)
        place = "pixel columns"
        if layout.in_one_cell:
            self._count = len(first_row[layout.columns[0]].split())
            place = f"values in the first cell of '{table.columns[layout.columns[0]]}'"
        self.shape = square_shape(self._count, table.name, place)

    def __iter__(self) -> Iterator[PixelRow]:
        """Yield the rows. Invalid pixels are problems, which end the iteration with an error."""
        texts_of = self._texts_of()
        convert = self._pixel_of_text.__getitem__
        invalid = InvalidPixels(self._pixel_of_text)
        problems = self._table.problems
        blocks = PixelBlocks(self._table, self._layout, self._pixel_of_text)
        for line, fields in self._table.rows:
            texts = texts_of(fields)
            try:
                pixels = bytes(map(convert, texts))
            except ValueError:
                all_texts = list(texts_of(fields))
                text = invalid.describe(all_texts, self._names(len(all_texts)))
                problems.add(line, text, "", "lines have invalid values")
                continue
            if len(pixels) == self._count:
                yield line, fields, pixels
                yield from blocks
            else:
                problems.add(
                    line,
                    f"expected {self._count:,} pixels, as on the first line, got {len(pixels):,}",
                    _CELL_HINT,
                    "lines have another number of pixels",
                )

        problems.require_none(invalid.hint())
        question_dark_pixels(self._table.name, self._pixel_of_text)

    def _texts_of(self) -> Callable[[Sequence[str]], Iterator[str]]:
        """Return the function from the fields of a row to the texts of its pixels."""
        columns = self._layout.columns
        if self._layout.in_one_cell:
            (cell,) = columns
            return lambda fields: iter(fields[cell].split())
        # Two nested maps: the fastest of the forms that were measured.
        return lambda fields: map(fields.__getitem__, columns)

    def _names(self, count: int) -> Sequence[str]:
        if not self._layout.in_one_cell:
            return [self._table.columns[index] for index in self._layout.columns]
        name = self._table.columns[self._layout.columns[0]]
        return [f"value {number:,} of {name}" for number in range(1, count + 1)]
