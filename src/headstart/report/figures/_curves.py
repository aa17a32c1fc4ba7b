"""The figures with axes: curves and confusion matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.formatting import percent, shorten
from headstart.report._load import Entry
from headstart.report.figures._canvas import figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Up to here a matrix has room for its numbers and names.
MOST_CLASSES_WITH_NUMBERS = 20
# Above that, every n-th class is named, so that at most these are, on each side.
MOST_CLASSES_LABELLED = 12
# An epoch axis is shared unless the longest training has this many times the epochs of the shortest, which would then be a dot.
MOST_EPOCHS_APART = 3
MOST_PANELS_A_ROW = 4
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
    low, high = (
        float(values.min()),
        float(values.max() if metric == "accuracy" else np.quantile(values, 0.99)),
    )
    room = 0.06 * (high - low) or 0.05
    return max(0.0, low - room), min(1.0, high + room) if metric == "accuracy" else high + room


def epoch_limits(entries: tuple[Entry, ...]) -> dict[str, Limits]:
    """The x-axis of each entry by name: one for all, unless their numbers of epochs are far apart."""
    last = {
        entry.name: max(
            (float(run.curves["epoch"].max()) for run in entry.runs if "epoch" in run.curves),
            default=1.0,
        )
        for entry in entries
    }
    if last and max(last.values()) <= MOST_EPOCHS_APART * min(last.values()):
        last = dict.fromkeys(last, max(last.values()))
    return {name: (1 - 0.03 * end, end * 1.03) for name, end in last.items()}


def averaged(entry: Entry) -> Entry:
    """The entry with one run in place of its own: the mean of those that were measured at the same epochs as the first."""
    (first, *others) = [run for run in entry.runs if "epoch" in run.curves]
    same = [
        first,
        *(run for run in others if np.array_equal(run.curves["epoch"], first.curves["epoch"])),
    ]
    shared = set.intersection(*(set(run.curves) for run in same))
    run = replace(
        first,
        curves={
            name: np.mean([run.curves[name] for run in same], axis=0) for name in sorted(shared)
        },
    )
    return replace(entry, runs=(run,), shown=run)


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
        axes.yaxis.set_major_formatter(
            PercentFormatter(1.0, decimals=0 if up[1] - up[0] > 0.05 else 1)
        )
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
                grid[row][column].set_title(
                    shorten(entry.name, 34), color=LIGHT.accent(entry.place)
                )
    drawing.supxlabel(
        "solid: validation, dashed: training; thick: the run shown, thin: other seeds",
        fontsize=8,
        color=LIGHT.soft,
    )
    return drawing


def grid(
    entries: tuple[Entry, ...], metric: str, up: Limits, behind: Entry | None = None
) -> Figure:
    """One small panel an entry, in rows, on shared axes; `behind` each one the same other entry, wide and pale."""
    columns = min(len(entries), MOST_PANELS_A_ROW)
    rows = -(-len(entries) // columns)
    drawing = figure(max(5.0, 2.5 * columns), 2.1 * rows + 0.3)
    panels = list(drawing.subplots(rows, columns, squeeze=False).flat)
    across = epoch_limits((*entries, behind) if behind else entries)
    for axes, entry in zip(panels, entries, strict=False):
        draw_panel(axes, entry, metric, across[entry.name], up, behind)
        axes.set_title(shorten(entry.name, 26), color=LIGHT.accent(entry.place))
    for axes in panels[len(entries) :]:
        axes.set_axis_off()
    pale = f"; wide and pale: {behind.name}" if behind else ""
    drawing.supxlabel(f"solid: validation, dashed: training{pale}", fontsize=8, color=LIGHT.soft)
    return drawing


def draw_panel(
    axes: Axes, entry: Entry, metric: str, across: Limits, up: Limits, behind: Entry | None = None
) -> None:
    """`draw_curves`, over the pale curves of another entry."""
    if behind:
        draw_curves(axes, behind, metric, across, up)
        for line in axes.lines:
            line.set(linewidth=4.5, alpha=0.3)
    draw_curves(axes, entry, metric, across, up)


def small_panel(
    entry: Entry, metric: str, across: Limits, up: Limits, behind: Entry | None = None
) -> Figure:
    """One panel of a page that shows many."""
    drawing = figure(2.7, 1.9)
    draw_panel(drawing.subplots(), entry, metric, across, up, behind)
    return drawing


def rates(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts as shares of their row, the true class; 0 for a class without images."""
    return np.asarray(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1))


def largest_error(confusions: list[NDArray[np.int64]]) -> float:
    """The largest share off any diagonal: full colour, in all matrices of a page; never 0."""
    return (
        max(
            (float((rates(one) * (1 - np.eye(len(one)))).max()) for one in confusions if len(one)),
            default=0.0,
        )
        or 1.0
    )


def strength(share: float, largest: float) -> float:
    """How strongly an error is coloured, in [0, 1]: the square root, so that rare errors still show beside a frequent one."""
    return float(np.sqrt(min(1.0, share / largest)))


def confusion_pixels(
    confusion: NDArray[np.int64], largest: float, accent: str, neutral: str
) -> NDArray[np.uint8]:
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
    return range(
        0,
        classes,
        1 if classes <= MOST_CLASSES_WITH_NUMBERS else -(-classes // MOST_CLASSES_LABELLED),
    )


def confusion(
    entry: Entry, counts: NDArray[np.int64], names: tuple[str, ...], largest: float
) -> Figure:
    """One confusion matrix; with counts and rates in the cells while they fit."""
    has_numbers = len(names) <= MOST_CLASSES_WITH_NUMBERS
    drawing = figure(
        *((2.0 + 0.56 * len(names), 1.6 + 0.5 * len(names)) if has_numbers else (7.0, 7.0))
    )
    axes = drawing.subplots()
    pixels = confusion_pixels(counts, largest, LIGHT.accent(entry.place), LIGHT.soft).astype(float)
    if has_numbers:
        pixels[..., 3] *= 0.6  # the numbers stay readable
        _write_numbers(axes, counts)
    shown = labelled_classes(len(names))
    labels = [shorten(names[number], 14) for number in shown]
    axes.set_xticks(shown, labels, rotation=90)
    axes.set_yticks(shown, labels)
    axes.imshow(pixels / 255, interpolation="nearest", aspect="auto" if has_numbers else "equal")
    axes.set_title(shorten(entry.name, 40), color=LIGHT.accent(entry.place))
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
