"""The figure of the worst errors: each image, and the evidence that each contender used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.data import to_pil_image
from headstart.formatting import cut_middle, wrap_name
from headstart.report._error_images import ErrorImage
from headstart.report.figures._canvas import new_drawing
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches.
_IMAGE, _GAP, _LINE, _BELOW = 1.35, 0.15, 0.115, 0.3
_LETTERS = 20  # of a bold line above an image
_LONGEST_TEXT = 55  # a name of 48 letters and a probability


def worst_errors_figure(errors: Sequence[ErrorImage]) -> Figure:
    """Draw one column per image: the image, then one row per contender."""
    texts = [_texts(error) for error in errors]
    lines = [max(len(text.split("\n")) for text, _ in row) for row in zip(*texts, strict=True)]
    heights = [0.08 + _LINE * count + _IMAGE + _BELOW for count in lines]
    width = _GAP + len(errors) * (_IMAGE + _GAP)
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
    axes.text(_GAP, height - 0.15, note, fontsize=7, color=LIGHT.soft, va="center")
    axes.set(xlim=(0, width), ylim=(height, 0))  # imshow moves the limits
    return figure


def _texts(error: ErrorImage) -> list[tuple[str, str]]:
    """Return the texts above and below each image of a column."""
    true = wrap_name(f"true: {error.label}", _LETTERS, longest=_LONGEST_TEXT)
    texts = [(true, cut_middle(error.name, 26))]
    for prediction in error.predictions:
        said = f"{cut_middle(prediction.predicted, 48)} {100 * prediction.probability:.0f}%"
        above = wrap_name(said, _LETTERS, longest=_LONGEST_TEXT)
        texts.append((above, cut_middle(prediction.entry.name, 26)))
    return texts


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
        fontsize=7,
        weight="bold",
        color=colour,
        va="bottom",
        linespacing=1.05,
    )
    axes.imshow(
        pixels,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        aspect="auto",
        extent=(left, left + _IMAGE, top + _IMAGE, top),
    )
    axes.text(left, top + 0.1 + _IMAGE, below, fontsize=6, color=LIGHT.soft, va="center")
