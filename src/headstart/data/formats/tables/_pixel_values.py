"""Pixel values of a table: text to eight bits, and the problems of invalid values."""

from __future__ import annotations

from collections.abc import Sequence

from headstart import progress
from headstart.data.formats.images._pixel_scales import DARK_BELOW, smallest_scale
from headstart.data.formats.tables._numbers import finite_number, read_number

REMEMBERED_TEXTS = 1 << 17  # distinct texts kept with their pixel value; 8-bit files have 256
_LONGEST_QUOTED = 40  # characters of an invalid value in a message


class PixelOfText(dict[str, int]):
    """A dictionary from the text of a field to its pixel value, filled as it is used.

    A text that is not a pixel value raises a ValueError.

    Args:
        pixel_max: Value of full brightness. None for integers from 0 to 255.
    """

    def __init__(self, pixel_max: float | None) -> None:
        super().__init__()
        self.pixel_max = pixel_max

    def __missing__(self, text: str) -> int:
        value = read_number(text)
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


class InvalidPixels:
    """The invalid pixels of a table, and the largest number among them.

    Args:
        pixels: The accepted values.
    """

    def __init__(self, pixels: PixelOfText) -> None:
        self._pixels = pixels
        self._first_value: float | None = None
        self._largest = 0.0
        self.count = 0

    def describe(self, texts: Sequence[str], names: Sequence[str]) -> str:
        """Count a row with invalid pixels, and return the description of the first of them.

        Args:
            texts: The pixels of the row, at least one of them invalid.
            names: Their names.
        """
        invalid = [index for index, text in enumerate(texts) if not self._pixels.accepts(text)]
        values = [finite_number(texts[index]) for index in invalid]
        self._largest = max([self._largest, *(value for value in values if value is not None)])
        if not self.count:
            self._first_value = values[0]
        self.count += 1

        text = texts[invalid[0]].strip()
        return (
            f"invalid {names[invalid[0]]}: expected {self._pixels.expected()}, "
            f"got {_quote(text, values[0])}"
        )

    def hint(self) -> str:
        """Return what to do about the invalid values of all rows so far."""
        value = self._first_value
        if value is None or value < 0 or self._pixels.pixel_max is not None:
            return "Correct the value, or remove the row."

        valid = [finite_number(text) for text in self._pixels]
        largest = max([self._largest, *(number for number in valid if number is not None)])
        scale = smallest_scale(largest)
        if scale is None:
            return "Correct the value, or pass the value of full brightness with --pixel-max."
        if scale == 255:
            return "Round the pixels to integers, or let --pixel-max 255 round them."
        return f"If the file uses another scale, pass it: --pixel-max {scale}"


def question_dark_pixels(table: str, pixels: PixelOfText) -> None:
    """Print a question about the scale if even the brightest pixel of a table is almost black.

    Args:
        table: Name of the table.
        pixels: The values that occurred.
    """
    if pixels.pixel_max is not None or not pixels:
        return
    brightest = max(pixels.values())
    if 0 < brightest < DARK_BELOW:
        progress.say(
            f"{table}: the brightest pixel is {brightest}, where 255 is full brightness. "
            f"If the scale ends there, pass it: --pixel-max {brightest}"
        )


def _quote(text: str, value: float | None) -> str:
    if not text:
        return "an empty field"
    if len(text) > _LONGEST_QUOTED:
        text = f"{text[:_LONGEST_QUOTED]}…"
    return text if value is not None else f"'{text}'"
