"""The figure of `explain`: the image, Grad-CAM and occlusion, one row per classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import to_pil_image
from headstart.formatting import cut_middle, probability, shorten
from headstart.report.figures._canvas import draw_pixels, drawing_style, figure_bytes, new_drawing
from headstart.report.figures._evidence import evidence_overlay, panel_size
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from headstart.deploy import Explanation

ExplainedImage = tuple[str, NDArray[np.uint8], "Explanation"]

# In inches.
_PANEL, _GAP, _MARGIN, _TITLE = 2.2, 0.18, 0.2, 0.52
_ROW = _TITLE + _PANEL + 0.3


def write_explanation(path: Path, rows: Sequence[ExplainedImage]) -> Path:
    """Write the figure as PNG, and return its path.

    All rows share one scale of occlusion, because its unit is the same for every network. Grad-CAM
    has a scale per row.

    Args:
        path: Path of the figure.
        rows: For each classifier its name, the image that it receives, and its explanation.

    Raises:
        ResourceError: The figure cannot be written.
    """
    width = 2 * _MARGIN + 3 * _PANEL + 2 * _GAP
    height = _MARGIN + len(rows) * _ROW + 0.35
    largest = max(float(np.abs(row[2].occlusion.values).max()) for row in rows)

    with drawing_style():
        figure, axes = new_drawing(width, height)
        for place, row in enumerate(rows):
            _draw_row(axes, place, row, largest)
        note = (
            "orange: evidence for the class, blue: against it; "
            f"full colour: the log-odds fall by {largest:.1f} if covered"
        )
        axes.text(_MARGIN, height - 0.25, note, fontsize=7.5, color=LIGHT.soft, va="center")
        axes.set(xlim=(0, width), ylim=(height, 0))  # imshow moves the limits
        store.write_bytes(path, figure_bytes(figure, "png"))
    return path


def _draw_row(axes: Axes, place: int, row: ExplainedImage, largest: float) -> None:
    name, image, explanation = row
    top = _MARGIN + place * _ROW
    title = shorten(name, 40)
    colour = LIGHT.accent(place)
    axes.text(_MARGIN, top + 0.1, title, weight="bold", color=colour, va="center", fontsize=10)
    axes.text(_MARGIN, top + 0.34, _prediction_text(explanation), va="center", fontsize=9)

    top += _TITLE
    _draw_panel(axes, 0, top, "input of the model", np.asarray(to_pil_image(image)))
    _draw_grad_cam(axes, top, image, explanation)
    occlusion = evidence_overlay(image, explanation.occlusion.values, largest)
    _draw_panel(axes, 2, top, "occlusion", occlusion)


def _prediction_text(explanation: Explanation) -> str:
    if explanation.label == explanation.predicted:
        label = cut_middle(explanation.label, 40)
        return f"prediction: {label}, {probability(explanation.probability)}"
    return (
        f"prediction: {cut_middle(explanation.predicted, 30)}; "
        f"evidence for {cut_middle(explanation.label, 30)}, {probability(explanation.probability)}"
    )


def _draw_grad_cam(
    axes: Axes, top: float, image: NDArray[np.uint8], explanation: Explanation
) -> None:
    if explanation.grad_cam is None:
        left = _left(1)
        _write_title(axes, left, top, "Grad-CAM")
        axes.text(
            left + _PANEL / 2,
            top + _PANEL / 2,
            "This model has no\nfeature maps.",
            ha="center",
            va="center",
            fontsize=8,
            color=LIGHT.soft,
        )
        return
    values = explanation.grad_cam.values
    resolution = " × ".join(map(str, values.shape))
    pixels = evidence_overlay(image, values, 1.0)
    _draw_panel(axes, 1, top, f"Grad-CAM ({resolution} cells)", pixels)


def _draw_panel(axes: Axes, column: int, top: float, title: str, pixels: NDArray[np.uint8]) -> None:
    left = _left(column)
    _write_title(axes, left, top, title)
    width, height = panel_size(pixels)
    wide, tall = (_PANEL * size / max(width, height) for size in (width, height))
    draw_pixels(
        axes, pixels, (left, left + wide, top + (_PANEL + tall) / 2, top + (_PANEL - tall) / 2)
    )


def _write_title(axes: Axes, left: float, top: float, title: str) -> None:
    axes.text(left, top + _PANEL + 0.13, title, fontsize=7.5, color=LIGHT.soft, va="center")


def _left(column: int) -> float:
    return _MARGIN + column * (_PANEL + _GAP)
