"""The figure of one confusion matrix, as wide as one or two columns of a paper.

The figure is meant to be printed at its own size, where no letter has less than 6 points. Up to 20
classes have numbers in the cells. A larger matrix is a picture. It rings its most confused pairs,
names their classes on the axes, and lists them in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.evaluation import Confusion
from headstart.formatting import count, counted, cut_middle, name_width, percent, shorten, wrap_name
from headstart.report._study import Entry
from headstart.report.figures._canvas import COLUMN, PAGE, new_figure
from headstart.report.figures._confusion_matrix import (
    MAX_CLASSES_WITH_NUMBERS,
    IntArray,
    matrix_pixels,
    row_shares,
)
from headstart.report.figures._fonts import text_width
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL_SIZE, _NUMBER_SIZE, _TITLE_SIZE = 6.5, 6.0, 8.0  # points
_LABEL_WIDTH, _LABEL_LINES = 14, 2  # in letters, if the name is short enough
_MAX_HORIZONTAL_LABEL = 4  # letters; longer labels of columns are vertical
# In inches, for DejaVu Sans in the sizes above. "100%" is bold.
_LINE = 0.105
_DIGIT, _SHARE, _AIR = 0.058, 0.257, 0.02
_LONGEST_TITLE, _MARGINS = 36, 0.15  # letters, and inches
_BESIDE, _BELOW = 0.36, 0.55  # the name of an axis, the title and the margins
_WIDEST_CELL = 0.42
_SMALLEST_WHOLE = 0.0995  # a smaller share has a decimal, as on the page
_HEIGHT_OF_CELL = {False: 0.2, True: 0.3}
# Of a matrix of many classes.
_LISTED_PAIRS = 6
_LONGEST_NAME = 42  # letters, in the list of pairs
_NEW_LINE = " →\n    "
_MOST_CLASSES_IN_A_COLUMN = 400  # so that a class has a third of a point at least
# The line from a matrix to a label: its share of the matrix in a column, and the points it needs.
_LEADER, _PAD = 0.04, 10.5
_SMALLEST_MATRIX = 1.4  # inches; six labels of two lines fit
_RING = 6  # points


@dataclass(frozen=True)
class _Layout:
    """The size of a matrix with numbers, in inches.

    Attributes:
        width: Width of the figure.
        has_shares: True if a cell has room for its share of the row below its count.
    """

    width: float
    has_shares: bool


def confusion_figure(
    entry: Entry[object],
    counts: IntArray,
    class_names: Sequence[str],
    largest: float,
    pairs: Sequence[Confusion] = (),
) -> Figure:
    """Draw one confusion matrix at the size in which it is printed.

    Args:
        entry: The entry that the matrix belongs to.
        counts: Confusion matrix `(K, K)`, one row per true class.
        class_names: Names of the K classes.
        largest: Share of an error with the full colour.
        pairs: The most confused pairs, the most frequent first. Only a matrix without numbers lists
            them.
    """
    if len(class_names) <= MAX_CLASSES_WITH_NUMBERS:
        return _figure_with_numbers(entry, counts, class_names, largest)
    return _figure_of_many(entry, counts, class_names, largest, pairs[:_LISTED_PAIRS])


def _figure_with_numbers(
    entry: Entry[object], counts: IntArray, class_names: Sequence[str], largest: float
) -> Figure:
    classes = len(class_names)
    labels = [wrap_name(name, _LABEL_WIDTH, _LABEL_LINES) for name in class_names]
    is_short = _are_short(labels)
    layout = _layout(counts, labels)
    title = _MARGINS + text_width(shorten(entry.name, _LONGEST_TITLE), _TITLE_SIZE, "bold")
    below = _BELOW + (_LINE if is_short else _longest_line(labels))
    width = max(layout.width, title)
    figure = new_figure(width, below + _HEIGHT_OF_CELL[layout.has_shares] * classes)
    axes = figure.subplots()

    pixels = matrix_pixels(counts, largest, LIGHT.accent(entry.place), LIGHT.soft) / 255
    pixels[..., 3] *= 0.6  # the numbers stay readable
    _write_numbers(axes, counts, layout.has_shares)
    axes.imshow(pixels, interpolation="nearest", aspect="auto")

    axes.set_xticks(range(classes), labels, rotation=0 if is_short else 90, **_label_style())
    axes.set_yticks(range(classes), labels, **_label_style())
    axes.tick_params(length=0)
    _name_axes(axes, entry)
    return figure


def _layout(counts: IntArray, labels: Sequence[str]) -> _Layout:
    """Return the smallest layout in which numbers and labels do not touch.

    One column is preferred to two, and then cells with shares to cells without.
    """
    classes = len(labels)
    beside = _BESIDE + _longest_line(labels)
    lines = max(label.count("\n") + 1 for label in labels)
    for_counts = _AIR + _DIGIT * len(str(counts.max(initial=0)))
    for_labels = _LINE * lines
    for width in (COLUMN, PAGE):
        cell = min(_WIDEST_CELL, (width - beside) / classes)
        if cell >= max(for_counts, for_labels):
            has_shares = cell >= max(for_counts, _SHARE + _AIR)
            return _Layout(beside + cell * classes, has_shares)
    return _Layout(beside + classes * max(for_counts, for_labels), has_shares=False)


def _figure_of_many(
    entry: Entry[object],
    counts: IntArray,
    class_names: Sequence[str],
    largest: float,
    pairs: Sequence[Confusion],
) -> Figure:
    classes = len(class_names)
    ends = {0, classes - 1}
    rows = _class_labels({pair.true for pair in pairs} or ends, class_names)
    columns = _class_labels({pair.predicted for pair in pairs} or ends, class_names)
    beside = _BESIDE + _longest_line(list(rows.values()))
    width, words = COLUMN, _pairs_in_words(pairs, class_names, COLUMN)
    fits = COLUMN - beside >= _SMALLEST_MATRIX and _longest_line([words]) <= COLUMN - _MARGINS
    if classes > _MOST_CLASSES_IN_A_COLUMN or not fits:
        width, words = PAGE, _pairs_in_words(pairs, class_names, PAGE)
    side = (width - beside) / (1 + _LEADER)
    figure = new_figure(width, width)
    axes = figure.subplots()

    pixels = matrix_pixels(counts, largest, LIGHT.accent(entry.place), LIGHT.soft)
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    axes.plot(
        [pair.predicted for pair in pairs],
        [pair.true for pair in pairs],
        "o",
        markersize=_RING,
        markerfacecolor="none",
        markeredgecolor=LIGHT.ink,
        markeredgewidth=0.6,
        clip_on=False,
    )
    axes.set(xlim=(-0.5, classes - 0.5), ylim=(classes - 0.5, -0.5))
    gap = _LABEL_LINES * _LINE * classes / side
    leader = _LEADER * COLUMN / width
    _label_classes(axes, rows, gap, leader, is_x=False)
    _label_classes(axes, columns, gap, leader, is_x=True)
    _name_axes(axes, entry)
    figure.supxlabel(
        words,
        x=0.02,
        ha="left",
        fontsize=_LABEL_SIZE,
        color=LIGHT.ink,
        multialignment="left",
        linespacing=1.1,
    )
    _make_square(figure, axes)
    return figure


def _make_square(figure: Figure, axes: Axes) -> None:
    """Give the figure the height at which its axes are square.

    The layout takes the space of all texts from the figure, and leaves the rest to the axes. With
    an aspect of "equal", Matplotlib 3.10 underestimates the space below them: texts overlap.
    """
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, 2.5 * height)  # enough for any text
    figure.draw_without_rendering()
    box = axes.get_window_extent()
    figure.set_size_inches(width, 2.5 * height - (box.height - box.width) / figure.dpi)


def _pairs_in_words(pairs: Sequence[Confusion], class_names: Sequence[str], width: float) -> str:
    """Return one line per pair, or two where the names are long.

    Args:
        pairs: The pairs.
        class_names: Names of all classes.
        width: Width of the figure in inches.
    """
    if not pairs:
        return f"{counted(len(class_names), 'class', 'classes')}, no errors"

    lines = ["Ringed, true → predicted: images (share of the true class)"]
    for pair in pairs:
        true, predicted = (
            cut_middle(class_names[number], _LONGEST_NAME) for number in (pair.true, pair.predicted)
        )
        line = f"{true} → {predicted}: {count(pair.count)} ({_short_share(pair.rate)})"
        if text_width(line, _LABEL_SIZE) > width - _MARGINS:
            line = line.replace(" → ", _NEW_LINE, 1)
        lines.append(line)
    return "\n".join(lines)


def _class_labels(classes: Iterable[int], class_names: Sequence[str]) -> dict[int, str]:
    """Return the labels of some classes, in the order of their numbers."""
    return {
        number: wrap_name(class_names[number], _LABEL_WIDTH, _LABEL_LINES)
        for number in sorted(classes)
    }


def _label_classes(
    axes: Axes, labels: dict[int, str], gap: float, leader: float, *, is_x: bool
) -> None:
    """Name some classes of an axis, with a line from each class to its label.

    Args:
        axes: The axes of the matrix.
        labels: The labels by the number of their class, in increasing order.
        gap: Smallest distance between two labels, in classes.
        leader: Distance of the labels from the matrix, as a share of the matrix.
        is_x: True for the classes below the matrix, False for those beside it.
    """
    axis = axes.xaxis if is_x else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    places = spread(list(labels), gap, low + gap / 2, high - gap / 2)
    transform = axes.get_xaxis_transform() if is_x else axes.get_yaxis_transform()
    for number, place in zip(labels, places, strict=True):
        line = ([number, place], [0.0, -leader])
        axes.plot(
            *(line if is_x else line[::-1]),
            transform=transform,
            color=LIGHT.soft,
            linewidth=0.5,
            clip_on=False,
        )
    texts = list(labels.values())
    rotation = 90 if is_x and not _are_short(texts) else 0
    axis.set_ticks(places, texts, rotation=rotation, **_label_style())
    axis.set_tick_params(length=0, pad=_PAD)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return the positions nearest to `places` that are at least `gap` apart.

    The sum of the squared shifts is the smallest. Positions stay in [low, high] if they fit.

    Args:
        places: The wanted positions, in increasing order.
        gap: The smallest distance between two positions.
        low: The lowest position.
        high: The highest position.
    """
    # The positions minus `number * gap` must not decrease: the pool-adjacent-violators algorithm.
    pools: list[tuple[float, int]] = []  # mean and size
    for number, place in enumerate(places):
        mean, size = place - number * gap, 1
        while pools and pools[-1][0] > mean:
            other_mean, other_size = pools.pop()
            mean = (mean * size + other_mean * other_size) / (size + other_size)
            size += other_size
        pools.append((mean, size))

    means = np.repeat([mean for mean, _ in pools], [size for _, size in pools])
    highest = max(low, high - gap * (len(places) - 1))
    positions = np.clip(means, low, highest) + gap * np.arange(len(places))
    return [float(position) for position in positions]


def _write_numbers(axes: Axes, counts: IntArray, has_shares: bool) -> None:
    for (row, column), share in np.ndenumerate(row_shares(counts)):
        if not counts[row, column]:
            continue
        text = f"{counts[row, column]}"
        if has_shares:
            text += f"\n{_short_share(float(share))}"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=_NUMBER_SIZE,
            linespacing=1.0,
            weight="bold" if row == column else "normal",
        )


def _short_share(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= _SMALLEST_WHOLE else percent(share)


def _name_axes(axes: Axes, entry: Entry[object]) -> None:
    # Above the whole figure: a matrix of two classes is narrower than most names.
    title = shorten(entry.name, _LONGEST_TITLE)
    style: dict[str, Any] = {"fontsize": _TITLE_SIZE, "weight": "bold", "ha": "left", "x": 0.02}
    axes.figure.suptitle(title, color=LIGHT.accent(entry.place), **style)
    axes.set_xlabel("predicted class", fontsize=_LABEL_SIZE)
    axes.set_ylabel("true class", fontsize=_LABEL_SIZE)
    axes.grid(visible=False)


def _label_style() -> dict[str, Any]:
    return {"fontsize": _LABEL_SIZE, "linespacing": 1.0, "multialignment": "right"}


def _are_short(labels: Sequence[str]) -> bool:
    return max(map(name_width, labels)) <= _MAX_HORIZONTAL_LABEL


def _longest_line(labels: Sequence[str]) -> float:
    """Return the width of the longest line of all labels in inches."""
    lines = "\n".join(labels).split("\n")
    return max(text_width(line, _LABEL_SIZE) for line in lines)
