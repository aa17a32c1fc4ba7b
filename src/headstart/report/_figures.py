"""The figures with axes: curves, differences, confusion matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.report._canvas import figure
from headstart.report._load import Entry, Facts
from headstart.report._style import LIGHT
from headstart.report._values import percent, points, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Up to here a matrix has room for its numbers and names.
MOST_CLASSES_WITH_NUMBERS = 20
# Above that, every n-th class is named, so that at most these are, on each side.
MOST_CLASSES_LABELLED = 12
# An epoch axis is shared unless the longest training has this many times the epochs of the shortest, which would then be a dot.
MOST_EPOCHS_APART = 3
Limits = tuple[float, float]


def with_curves(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries that left curves to draw."""
    return tuple(entry for entry in entries if any("epoch" in run.curves for run in entry.runs))


def limits(entries: tuple[Entry, ...], metric: str) -> Limits:
    """The y-axis that all panels of `metric` ("loss", "accuracy") share: all values, but of a loss not the wild first ones."""
    values = np.concatenate(
        [
            run.curves.get(f"{part}_{metric}", np.empty(0))
            for entry in entries
            for run in entry.runs
            for part in ("train", "validation")
        ]
        or [np.empty(0)]
    )
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max() if metric == "accuracy" else np.quantile(values, 0.99))
    room = 0.06 * (high - low) or 0.05
    return max(0.0, low - room), min(1.0, high + room) if metric == "accuracy" else high + room


def epoch_limits(entries: tuple[Entry, ...]) -> dict[str, Limits]:
    """The x-axis of each entry by name: one for all, unless their numbers of epochs are far apart."""
    last = {
        entry.name: max((float(run.curves["epoch"].max()) for run in entry.runs if "epoch" in run.curves), default=1.0)
        for entry in entries
    }
    if last and max(last.values()) <= MOST_EPOCHS_APART * min(last.values()):
        last = dict.fromkeys(last, max(last.values()))
    return {name: (1 - 0.03 * end, end * 1.03) for name, end in last.items()}


def draw_curves(axes: Axes, entry: Entry, metric: str, across: Limits, up: Limits) -> None:
    """Training (dashed) and validation (solid) of every run of one entry; the run that stands for it thick."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    colour = LIGHT.accent(entry.place)
    for run in sorted(entry.runs, key=lambda run: run is entry.shown):
        is_shown = run is entry.shown
        for part, dashes, thin in (("train", (0, (3, 2)), 0.6), ("validation", "solid", 0.8)):
            values = run.curves.get(f"{part}_{metric}")
            if values is None or not np.isfinite(values).any():
                continue
            marker = "o" if len(values) == 1 else None  # a line of one point is invisible
            axes.plot(
                run.curves["epoch"],
                values,
                color=colour,
                linestyle=dashes,
                marker=marker,
                markersize=4,
                linewidth=2.0 if is_shown and part == "validation" else 1.3 if is_shown else thin,
                alpha=1.0 if is_shown else 0.45,
                solid_capstyle="round",
            )
    axes.set(xlim=across, ylim=up, xlabel="epoch", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if metric == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if up[1] - up[0] > 0.05 else 1))
    axes.tick_params(length=0)


def curve_panel(entry: Entry, metric: str, across: Limits, up: Limits, columns: int) -> Figure:
    """One panel of the page, small where `columns` stand side by side: its text then keeps its size on the screen."""
    drawing = figure(4.6, 2.6) if columns < 3 else figure(3.3, 2.2)
    draw_curves(drawing.subplots(), entry, metric, across, up)
    return drawing


def curves(entries: tuple[Entry, ...]) -> Figure:
    """All panels: loss above, accuracy below, one column an entry."""
    drawing = figure(max(5.0, 3.3 * len(entries)), 5.2)
    grid = drawing.subplots(2, len(entries), squeeze=False)
    across = epoch_limits(entries)
    for row, metric in enumerate(("loss", "accuracy")):
        up = limits(entries, metric)
        for column, entry in enumerate(entries):
            draw_curves(grid[row][column], entry, metric, across[entry.name], up)
            if row == 0:
                grid[row][column].set_title(short(entry.name, 34), color=LIGHT.accent(entry.place))
    drawing.supxlabel(
        "solid: validation, dashed: training; thick: the run shown, thin: other seeds", fontsize=8, color=LIGHT.soft
    )
    return drawing


def differences(pairs: list[Facts], places: dict[str, int]) -> Figure:
    """Each pair's difference with its interval against zero, and the band that this test would not show."""
    drawing = figure(7.2, 1.3 + 0.55 * len(pairs))
    axes = drawing.subplots()
    for row, pair in enumerate(pairs):
        low, high = (100 * end for end in pair["interval"])
        colour = LIGHT.accent(places.get(pair["a"]))
        if pair["smallest_detectable"] < 1:
            band = 100 * pair["smallest_detectable"]
            axes.barh(row, 2 * band, left=-band, height=0.62, color=LIGHT.line, alpha=0.55)
        axes.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot([100 * pair["difference"]], [row], "o", color=colour, markersize=8, markeredgecolor=LIGHT.paper)
        axes.annotate(
            points(pair["difference"]),
            (100 * pair["difference"], row),
            (0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=colour,
            weight="bold",
        )
    axes.axvline(0, color=LIGHT.soft, linewidth=1)
    axes.set_yticks(range(len(pairs)), [f"{short(pair['a'], 24)} over {short(pair['b'], 24)}" for pair in pairs])
    axes.set(
        ylim=(len(pairs) - 0.4, -0.7),
        xlabel="difference in accuracy, percentage points, with its 95% interval\ngrey: smaller than the test would show",
    )
    axes.tick_params(length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return drawing


def rates(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts as shares of their row, the true class; 0 for a class without images."""
    return np.asarray(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1))


def largest_error(confusions: list[NDArray[np.int64]]) -> float:
    """The largest share off any diagonal: full colour, in all matrices of a page; never 0."""
    return max((float((rates(one) * (1 - np.eye(len(one)))).max()) for one in confusions if len(one)), default=0.0) or 1.0


def strength(share: float, largest: float) -> float:
    """How strongly an error is coloured, in [0, 1]: the square root, so that rare errors still show beside a frequent one."""
    return float(np.sqrt(min(1.0, share / largest)))


def confusion_pixels(confusion: NDArray[np.int64], largest: float, accent: str, neutral: str) -> NDArray[np.uint8]:
    """`(K, K, 4)` RGBA: the diagonal in `neutral` by recall, errors in `accent` by `strength`."""
    share = rates(confusion)
    out = np.empty((*confusion.shape, 4), np.uint8)
    out[..., :3] = [int(accent[at : at + 2], 16) for at in (1, 3, 5)]
    out[..., 3] = (255 * np.sqrt(np.minimum(1.0, share / largest))).round()
    on_diagonal = np.arange(len(confusion))
    out[on_diagonal, on_diagonal, :3] = [int(neutral[at : at + 2], 16) for at in (1, 3, 5)]
    out[on_diagonal, on_diagonal, 3] = (150 * share.diagonal()).round()
    return out


def labelled_classes(classes: int) -> range:
    """The class numbers that an axis names: all while cells have numbers, then every n-th from the first."""
    return range(0, classes, 1 if classes <= MOST_CLASSES_WITH_NUMBERS else -(-classes // MOST_CLASSES_LABELLED))


def confusion(entry: Entry, counts: NDArray[np.int64], names: tuple[str, ...], largest: float) -> Figure:
    """One confusion matrix; with counts and rates in the cells while they fit."""
    has_numbers = len(names) <= MOST_CLASSES_WITH_NUMBERS
    drawing = figure(*((2.0 + 0.56 * len(names), 1.6 + 0.5 * len(names)) if has_numbers else (7.0, 7.0)))
    axes = drawing.subplots()
    pixels = confusion_pixels(counts, largest, LIGHT.accent(entry.place), LIGHT.soft).astype(float)
    if has_numbers:
        pixels[..., 3] *= 0.6  # the numbers stay readable
        _write_numbers(axes, counts)
    shown = labelled_classes(len(names))
    labels = [short(names[number], 14) for number in shown]
    axes.set_xticks(shown, labels, rotation=90)
    axes.set_yticks(shown, labels)
    axes.imshow(pixels / 255, interpolation="nearest", aspect="auto" if has_numbers else "equal")
    axes.set_title(short(entry.name, 40), color=LIGHT.accent(entry.place))
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0 if has_numbers else 3)
    axes.grid(visible=False)
    return drawing


def _write_numbers(axes: Axes, counts: NDArray[np.int64]) -> None:
    for (row, column), share in np.ndenumerate(rates(counts)):
        if counts[row, column]:
            axes.text(
                column,
                row,
                f"{counts[row, column]}\n{percent(float(share))}",
                ha="center",
                va="center",
                fontsize=6.5,
                weight="bold" if row == column else "normal",
            )
