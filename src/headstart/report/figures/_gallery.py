"""The figure of example predictions: correct ones above, incorrect ones below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.formatting import shorten, wrap_name
from headstart.report._gallery_images import Gallery, GalleryImage
from headstart.report._study import Entry
from headstart.report.figures._canvas import new_drawing
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches.
_COLUMN, _MARGIN, _IMAGE, _LINE = 1.15, 0.15, 1.0, 0.115
_TITLE, _HEADING = 0.5, 0.3
_LETTERS = 20  # in a column
_LONGEST_TEXT = 55  # a name of 48 letters after "pred.: "


def gallery_figure(entry: Entry[object], gallery: Gallery) -> Figure:
    """Draw the correct and the incorrect predictions of an entry, one row each."""
    columns = max(len(gallery.correct), len(gallery.incorrect), 4)
    rows = [
        (heading, images, max(len(_description(image).split("\n")) for image in images))
        for heading, images in (
            ("correct, drawn at random", gallery.correct),
            ("incorrect, drawn at random", gallery.incorrect),
        )
        if images
    ]
    heights = [_HEADING + _IMAGE + 0.1 + _LINE * lines for _, _, lines in rows]
    width, height = _COLUMN * columns + 0.2, _TITLE + sum(heights) + 0.1
    figure, axes = new_drawing(width, height)
    accent = LIGHT.accent(entry.place)
    title = shorten(entry.name, 60)
    axes.text(_MARGIN, 0.25, title, weight="bold", color=accent, va="center", fontsize=10)

    top = _TITLE
    for (heading, images, _), row_height in zip(rows, heights, strict=True):
        axes.text(_MARGIN, top + 0.12, heading, fontsize=7.5, color=LIGHT.soft, va="center")
        _draw_images(axes, top + _HEADING, images)
        top += row_height
    axes.set(xlim=(0, width), ylim=(height, 0))  # imshow moves the limits
    return figure


def _description(image: GalleryImage) -> str:
    _, probability = image.probabilities[0]
    true = wrap_name(f"true: {image.label}", _LETTERS, longest=_LONGEST_TEXT)
    predicted = wrap_name(f"pred.: {image.predicted}", _LETTERS, longest=_LONGEST_TEXT)
    return f"{true}\n{predicted}\nprobability {100 * probability:.0f}%"


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
            extent=(left, left + _IMAGE, top + _IMAGE, top),
        )
        true, _, rest = _description(image).partition("\npred.:")
        height = top + _IMAGE + 0.06
        style: dict[str, Any] = {"fontsize": 6.2, "va": "top", "linespacing": 1.15}
        axes.text(left, height, true, color=LIGHT.ink, **style)
        lines = len(true.split("\n"))
        axes.text(left, height + _LINE * lines, f"pred.:{rest}", color=LIGHT.soft, **style)
