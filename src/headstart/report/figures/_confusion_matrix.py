"""Confusion matrices: their colours, their labelled classes, and the figure of one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.formatting import name_width, percent, shorten, wrap_name
from headstart.report._study import Entry
from headstart.report.figures._canvas import new_figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IntArray = NDArray[np.int64]

# A matrix of more classes has no room for numbers in its cells and for all names.
MAX_CLASSES_WITH_NUMBERS = 20
# In a larger matrix each axis names every n-th class, and at most this many classes.
MAX_LABELLED_CLASSES = 12
_MAX_HORIZONTAL_LABEL = 4  # letters; longer labels of columns are vertical
_LABEL_WIDTH, _LABEL_LINES = 14, 2  # in letters, if the name is short enough
# In inches. The text of a figure of ten classes stays legible when a paper's column of 3.3 inches
# halves its size. More classes than pixels need a larger figure.
_CELL = (0.42, 0.37)
_LETTER = 0.062
_MARGINS = (0.5, 0.75)
_SIZE_OF_MANY = {False: 5.2, True: 9.0}
_MOST_CLASSES_OF_A_SMALL_FIGURE = 400
_DIAGONAL_ALPHA = 150  # of 255, for a recall of 1


def row_shares(counts: IntArray) -> NDArray[np.float64]:
    """Return counts as shares of their row, the true class; 0 for a class without images."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def largest_error_share(matrices: Iterable[IntArray]) -> float:
    """Return the largest share outside the diagonals, which gets the full colour on a page.

    It is 1 without errors.
    """
    largest = 0.0
    for counts in matrices:
        errors = row_shares(counts) * (1 - np.eye(len(counts)))
        largest = max(largest, float(errors.max(initial=0.0)))
    return largest or 1.0


def error_strength(share: float, largest: float) -> float:
    """Return the strength of an error's colour, from 0 to 1.

    The scale is the square root, so that rare errors stay visible next to a frequent one.
    """
    return float(np.sqrt(min(1.0, share / largest)))


def matrix_pixels(counts: IntArray, largest: float, accent: str, neutral: str) -> NDArray[np.uint8]:
    """Return a matrix as an image of one pixel per cell.

    Args:
        counts: Confusion matrix `(K, K)`, one row per true class.
        largest: Share of an error with the full colour.
        accent: Colour of errors, as `#rrggbb`.
        neutral: Colour of the diagonal, whose opacity is the recall.

    Returns:
        RGBA pixels `(K, K, 4)`.
    """
    shares = row_shares(counts)
    pixels = np.empty((*counts.shape, 4), np.uint8)
    pixels[..., :3] = _channels(accent)
    pixels[..., 3] = (255 * np.sqrt(np.minimum(1.0, shares / largest))).round()

    diagonal = np.arange(len(counts))
    pixels[diagonal, diagonal, :3] = _channels(neutral)
    pixels[diagonal, diagonal, 3] = (_DIAGONAL_ALPHA * shares.diagonal()).round()
    return pixels


def labelled_classes(classes: int) -> range:
    """Return the numbers of the classes that an axis names: all, or every n-th of many."""
    if classes <= MAX_CLASSES_WITH_NUMBERS:
        return range(classes)
    return range(0, classes, -(-classes // MAX_LABELLED_CLASSES))


def confusion_figure(
    entry: Entry[object], counts: IntArray, class_names: Sequence[str], largest: float
) -> Figure:
    """Draw one confusion matrix, with counts and shares in the cells where they fit.

    Args:
        entry: The entry that the matrix belongs to.
        counts: Confusion matrix `(K, K)`, one row per true class.
        class_names: Names of the K classes.
        largest: Share of an error with the full colour.
    """
    classes = len(class_names)
    has_numbers = classes <= MAX_CLASSES_WITH_NUMBERS
    ticks = labelled_classes(classes)
    labels = [wrap_name(class_names[tick], _LABEL_WIDTH, _LABEL_LINES) for tick in ticks]
    longest = max(max(map(name_width, label.split("\n"))) for label in labels)
    is_short = longest <= _MAX_HORIZONTAL_LABEL

    figure = new_figure(*_figure_size(classes, longest, is_short))
    axes = figure.subplots()

    pixels = matrix_pixels(counts, largest, LIGHT.accent(entry.place), LIGHT.soft) / 255
    if has_numbers:
        pixels[..., 3] *= 0.6  # the numbers stay readable
        _write_numbers(axes, counts)
    axes.imshow(pixels, interpolation="nearest", aspect="auto" if has_numbers else "equal")

    text: dict[str, Any] = {"fontsize": 7, "linespacing": 1.0, "multialignment": "right"}
    axes.set_xticks(ticks, labels, rotation=0 if is_short else 90, **text)
    axes.set_yticks(ticks, labels, **text)
    axes.set_title(shorten(entry.name, 40), color=LIGHT.accent(entry.place))
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.tick_params(length=0 if has_numbers else 3)
    axes.grid(visible=False)
    return figure


def _figure_size(classes: int, longest: int, is_short: bool) -> tuple[float, float]:
    """Return the width and height in inches.

    Args:
        classes: Number of classes.
        longest: Letters in the longest line of a label.
        is_short: True if the labels of columns are horizontal.
    """
    if classes > MAX_CLASSES_WITH_NUMBERS:
        size = _SIZE_OF_MANY[classes > _MOST_CLASSES_OF_A_SMALL_FIGURE]
        return size, size
    beside = _MARGINS[0] + _LETTER * longest
    below = _MARGINS[1] + (0.0 if is_short else _LETTER * longest)
    return max(2.4, beside + _CELL[0] * classes), below + _CELL[1] * classes


def _write_numbers(axes: Axes, counts: IntArray) -> None:
    for (row, column), share in np.ndenumerate(row_shares(counts)):
        if not counts[row, column]:
            continue
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{percent(float(share))}",
            ha="center",
            va="center",
            fontsize=6.5,
            weight="bold" if row == column else "normal",
        )


def _channels(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
