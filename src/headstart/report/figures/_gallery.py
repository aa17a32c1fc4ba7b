"""The figure of example predictions: correct ones above, incorrect ones below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.formatting import shorten
from headstart.report._gallery_images import Gallery, GalleryImage
from headstart.report._study import Entry
from headstart.report.figures._canvas import new_drawing
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches.
_COLUMN, _ROW, _MARGIN = 1.15, 1.85, 0.15


def gallery_figure(entry: Entry[object], gallery: Gallery) -> Figure:
    """Draw the correct and the incorrect predictions of an entry, one row each."""
    columns = max(len(gallery.correct), len(gallery.incorrect), 4)
    width, height = _COLUMN * columns + 0.2, 4.3
    figure, axes = new_drawing(width, height)
    accent = LIGHT.accent(entry.place)
    title = shorten(entry.name, 60)
    axes.text(_MARGIN, 0.25, title, weight="bold", color=accent, va="center", fontsize=10)

    rows = (
        ("correct, drawn at random", gallery.correct),
        ("incorrect, drawn at random", gallery.incorrect),
    )
    for row, (heading, images) in enumerate(rows):
        top = 0.65 + _ROW * row
        axes.text(_MARGIN, top - 0.12, heading, fontsize=7.5, color=LIGHT.soft, va="center")
        _draw_images(axes, top, images)
    axes.set(xlim=(0, width), ylim=(height, 0))  # imshow moves the limits
    return figure


def _draw_images(axes: Axes, top: float, images: Sequence[GalleryImage]) -> None:
    for column, image in enumerate(images):
        left = _MARGIN + _COLUMN * column
        pixels = image.pixels
        axes.imshow(
            pixels[..., 0] if pixels.shape[-1] == 1 else pixels,
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest",
            aspect="auto",
            extent=(left, left + 1, top + 1, top),
        )
        _, probability = image.probabilities[0]
        true = f"true: {shorten(image.label, 13)}"
        predicted = f"pred.: {shorten(image.predicted, 13)}"
        lines = (true, predicted, f"probability {100 * probability:.0f}%")
        for number, line in enumerate(lines):
            colour = LIGHT.soft if number else LIGHT.ink
            height = top + 1.12 + 0.14 * number
            axes.text(left, height, line, fontsize=6.2, va="center", color=colour)
