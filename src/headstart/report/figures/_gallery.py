"""The figure of example predictions: correct ones above, incorrect ones below.

It is as wide as one or two columns of a paper, and meant to be printed at its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.formatting import whole_probability
from headstart.report._gallery_images import Gallery, GalleryImage
from headstart.report._study import Entry
from headstart.report.figures._canvas import COLUMN, PAGE, draw_pixels, new_drawing
from headstart.report.figures._fonts import cut_to_width, wrap_to_width
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches. A page has nine columns, as many as a gallery has images of a kind.
_COLUMN, _MARGIN, _IMAGE, _LINE = 0.76, 0.1, 0.7, 0.11
_TITLE, _HEADING = 0.4, 0.22
_COLUMNS_IN_COLUMN = 4
_TITLE_SIZE, _SIZE = 8.0, 6.0  # points
_LONGEST_TEXT = 55  # a name of 48 letters after "pred.: "


def gallery_figure(entry: Entry[object], gallery: Gallery) -> Figure:
    """Draw the correct and the incorrect predictions of an entry, one row each."""
    columns = max(len(gallery.correct), len(gallery.incorrect))
    rows = [
        (heading, images, max(len(_description(image).split("\n")) for image in images))
        for heading, images in (
            ("correct, drawn at random", gallery.correct),
            ("incorrect, drawn at random", gallery.incorrect),
        )
        if images
    ]
    heights = [_HEADING + _IMAGE + 0.13 + _LINE * lines for _, _, lines in rows]
    width = COLUMN if columns <= _COLUMNS_IN_COLUMN else PAGE
    height = _TITLE + sum(heights)
    figure, axes = new_drawing(width, height)
    accent = LIGHT.accent(entry.place)
    title = cut_to_width(entry.name, width - 2 * _MARGIN, _TITLE_SIZE, "bold")
    axes.text(_MARGIN, 0.2, title, weight="bold", color=accent, va="center", fontsize=_TITLE_SIZE)

    top = _TITLE
    for (heading, images, _), row_height in zip(rows, heights, strict=True):
        axes.text(_MARGIN, top + 0.08, heading, fontsize=7, color=LIGHT.soft, va="center")
        _draw_images(axes, top + _HEADING, images)
        top += row_height
    axes.set(xlim=(0, width), ylim=(height, 0))  # imshow moves the limits
    return figure


def _description(image: GalleryImage) -> str:
    _, probability = image.probabilities[0]
    true, predicted = (
        wrap_to_width(text, _IMAGE, _SIZE, longest=_LONGEST_TEXT)
        for text in (f"true: {image.label}", f"pred.: {image.predicted}")
    )
    return f"{true}\n{predicted}\nprob. {whole_probability(probability)}"


def _draw_images(axes: Axes, top: float, images: Sequence[GalleryImage]) -> None:
    for column, image in enumerate(images):
        left = _MARGIN + _COLUMN * column
        draw_pixels(axes, image.pixels, (left, left + _IMAGE, top + _IMAGE, top))
        true, _, rest = _description(image).partition("\npred.:")
        height = top + _IMAGE + 0.05
        style: dict[str, Any] = {"fontsize": _SIZE, "va": "top", "linespacing": 1.1}
        axes.text(left, height, true, color=LIGHT.ink, **style)
        lines = len(true.split("\n"))
        axes.text(left, height + _LINE * lines, f"pred.:{rest}", color=LIGHT.soft, **style)
