"""The figure of the worst errors: each image, and the evidence that each contender used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.data import to_pil_image
from headstart.formatting import shorten
from headstart.report._error_images import ErrorImage
from headstart.report.figures._canvas import new_drawing
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches.
_IMAGE, _GAP, _TEXT = 1.35, 0.15, 0.36
_ROW = _IMAGE + _TEXT + 0.1


def worst_errors_figure(errors: Sequence[ErrorImage]) -> Figure:
    """Draw one column per image: the image, then one row per contender."""
    width = _GAP + len(errors) * (_IMAGE + _GAP)
    height = 0.35 + (1 + len(errors[0].predictions)) * _ROW
    figure, axes = new_drawing(width, height)
    for column, error in enumerate(errors):
        _draw_column(axes, _GAP + column * (_IMAGE + _GAP), error)

    note = "orange: evidence for the predicted class, blue: against it"
    axes.text(_GAP, height - 0.15, note, fontsize=7, color=LIGHT.soft, va="center")
    axes.set(xlim=(0, width), ylim=(height, 0))  # imshow moves the limits
    return figure


def _draw_column(axes: Axes, left: float, error: ErrorImage) -> None:
    pixels = np.asarray(to_pil_image(error.pixels))
    texts = (f"true: {shorten(error.label, 16)}", shorten(error.name, 22))
    _draw_image(axes, (left, 0.12), pixels, texts, LIGHT.ink)

    for row, prediction in enumerate(error.predictions, start=1):
        probability = f"{100 * prediction.probability:.0f}%"
        texts = (
            f"{shorten(prediction.predicted, 15)} {probability}",
            shorten(prediction.entry.name, 22),
        )
        colour = LIGHT.accent(prediction.entry.place)
        _draw_image(axes, (left, 0.12 + row * _ROW), prediction.pixels, texts, colour)


def _draw_image(
    axes: Axes,
    corner: tuple[float, float],
    pixels: NDArray[np.uint8],
    texts: tuple[str, str],
    colour: str,
) -> None:
    """Draw an image at its top left corner, with a text above and a text below."""
    left, top = corner
    above, below = texts
    axes.text(left, top, above, fontsize=7, weight="bold", color=colour, va="center")
    axes.imshow(
        pixels,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        aspect="auto",
        extent=(left, left + _IMAGE, top + 0.12 + _IMAGE, top + 0.12),
    )
    axes.text(left, top + 0.22 + _IMAGE, below, fontsize=6, color=LIGHT.soft, va="center")
