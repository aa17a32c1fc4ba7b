"""The figure of the worst errors: each image, and the evidence that each contender used.

It is as wide as one or two columns of a paper, and meant to be printed at its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.data import to_pil_image
from headstart.formatting import cut_middle, whole_probability
from headstart.report._error_images import ErrorImage
from headstart.report.figures._canvas import COLUMN, draw_pixels, new_drawing
from headstart.report.figures._fonts import cut_to_width, wrap_to_width
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches. Three images fit a column, and six, which are the most, a page.
_IMAGE, _GAP, _LINE, _BELOW = 0.96, 0.1, 0.11, 0.24
_SIZE, _SIZE_BELOW = 6.5, 6.0  # points
_LONGEST_TEXT = 55  # a name of 48 letters and a probability


def worst_errors_figure(errors: Sequence[ErrorImage]) -> Figure:
    """Draw one column per image: the image, then one row per contender."""
    texts = [_texts(error) for error in errors]
    lines = [max(len(text.split("\n")) for text, _ in row) for row in zip(*texts, strict=True)]
    heights = [0.08 + _LINE * count + _IMAGE + _BELOW for count in lines]
    width = max(COLUMN, _GAP + len(errors) * (_IMAGE + _GAP))
    height = 0.3 + sum(heights)
    figure, axes = new_drawing(width, height)
    for column, error in enumerate(errors):
        left = _GAP + column * (_IMAGE + _GAP)
        bottom = 0.0
        for row, (pixels, colour) in enumerate(_images(error)):
            bottom += heights[row]
            corner = (left, bottom - _BELOW - _IMAGE)
            _draw_image(axes, corner, pixels, texts[column][row], colour)

    note = "orange: evidence for the predicted class, blue: against it"
    axes.text(_GAP, height - 0.15, note, fontsize=6.5, color=LIGHT.soft, va="center")
    axes.set(xlim=(0, width), ylim=(height, 0))  # imshow moves the limits
    return figure


def _texts(error: ErrorImage) -> list[tuple[str, str]]:
    """Return the texts above and below each image of a column."""
    true = _wrap(f"true: {error.label}")
    texts = [(true, _cut(error.name))]
    for prediction in error.predictions:
        said = f"{cut_middle(prediction.predicted, 48)} {whole_probability(prediction.probability)}"
        above = _wrap(said)
        texts.append((above, _cut(prediction.entry.name)))
    return texts


def _wrap(text: str) -> str:
    return wrap_to_width(text, _IMAGE, _SIZE, "bold", _LONGEST_TEXT)


def _cut(name: str) -> str:
    return cut_to_width(name, _IMAGE, _SIZE_BELOW)


def _images(error: ErrorImage) -> list[tuple[NDArray[np.uint8], str]]:
    """Return the images of a column, from top to bottom, with the colours of their texts."""
    images = [(np.asarray(to_pil_image(error.pixels)), LIGHT.ink)]
    for prediction in error.predictions:
        images.append((prediction.pixels, LIGHT.accent(prediction.entry.place)))
    return images


def _draw_image(
    axes: Axes,
    corner: tuple[float, float],
    pixels: NDArray[np.uint8],
    texts: tuple[str, str],
    colour: str,
) -> None:
    """Draw an image from its top left corner on, with a text above and a text below."""
    left, top = corner
    above, below = texts
    axes.text(
        *(left, top - 0.04, above),
        fontsize=_SIZE,
        weight="bold",
        color=colour,
        va="bottom",
        linespacing=1.05,
    )
    draw_pixels(axes, pixels, (left, left + _IMAGE, top + _IMAGE, top))
    axes.text(left, top + 0.09 + _IMAGE, below, fontsize=_SIZE_BELOW, color=LIGHT.soft, va="center")
