"""The figure of `predict`: each image above the bars of its most probable classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.errors import InputError
from headstart.formatting import one_line, probability, wrap_name
from headstart.report._shown_classes import shown_classes
from headstart.report.figures._canvas import drawing_style, figure_bytes, new_figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_IMAGES, IMAGES_PER_ROW = 24, 6
_LONG_BAR = 0.6  # from this probability on, the number is written inside the bar


def draw_predictions(
    path: Path, predictions: Sequence[Mapping[str, Any]], images: NDArray[np.uint8], top: int
) -> None:
    """Write a figure of images as the network receives them, with their predictions.

    Args:
        path: Path of the figure, which ends in .png or .svg.
        predictions: One prediction per image, as in the JSON of `predict`.
        images: uint8 array of shape (N, H, W, C); N is at most `MAX_IMAGES`.
        top: Number of classes per image.

    Raises:
        InputError: The path ends in neither .png nor .svg.
        ResourceError: The figure cannot be written.
    """
    check_figure_path(path)
    with drawing_style():
        figure = _predictions_figure(predictions, images, top)
        store.write_bytes(path, figure_bytes(figure, path.suffix.lower().removeprefix(".")))


def check_figure_path(path: Path) -> None:
    """Raise InputError if a path ends in neither .png nor .svg."""
    if path.suffix.lower() not in (".png", ".svg"):
        raise InputError(
            f"invalid name of a figure: expected a name that ends in .png or .svg, "
            f"got {path.name}.",
            "Rename it, for example to predictions.png.",
        )


def _predictions_figure(
    predictions: Sequence[Mapping[str, Any]], images: NDArray[np.uint8], top: int
) -> Figure:
    columns = min(len(images), IMAGES_PER_ROW)
    rows = -(-len(images) // IMAGES_PER_ROW)
    figure = new_figure(2.1 * columns + 0.3, (2.25 + 0.2 * top) * rows)
    height_ratios = [1.9, 0.2 * top] * rows
    cells = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=height_ratios)
    for axes in cells.flat:
        axes.set_axis_off()

    for number, (prediction, image) in enumerate(zip(predictions, images, strict=True)):
        row, column = divmod(number, IMAGES_PER_ROW)
        _draw_image(cells[2 * row, column], prediction, image)
        probabilities = shown_classes(prediction, top)
        _draw_bars(cells[2 * row + 1, column], probabilities, prediction["label"])
    return figure


def _draw_image(axes: Axes, prediction: Mapping[str, Any], image: NDArray[np.uint8]) -> None:
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    name = one_line(Path(prediction["image"]).name)
    axes.set_title(name if len(name) <= 24 else "…" + name[-23:], fontsize=8)
    if prediction["unfamiliar"]:
        axes.text(
            0.5,
            -0.03,
            "unlike the training data",
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=6.5,
            color=LIGHT.warn,
        )


def _draw_bars(axes: Axes, probabilities: Sequence[tuple[str, float]], predicted: str) -> None:
    axes.set_axis_on()
    axes.grid(visible=False)
    rows = list(range(len(probabilities)))
    colours = [LIGHT.accent(0) if name == predicted else LIGHT.soft for name, _ in probabilities]
    axes.barh(rows, [value for _, value in probabilities], color=colours, height=0.72)

    for row, (_, share) in zip(rows, probabilities, strict=True):
        is_inside = share > _LONG_BAR
        axes.text(
            share - 0.02 if is_inside else share + 0.02,
            row,
            probability(share),
            ha="right" if is_inside else "left",
            va="center",
            fontsize=6.5,
            color=LIGHT.paper if is_inside else LIGHT.ink,
        )
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6), xticks=[])
    names = [wrap_name(name, 14, lines=2) for name, _ in probabilities]
    axes.set_yticks(rows, names, fontsize=6.5, linespacing=0.95, color=LIGHT.ink)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
