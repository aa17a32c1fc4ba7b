"""Figures of learning curves: loss and accuracy against epochs, for training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.formatting import loss, percent, wrap_name
from headstart.report._study import Entries, Entry, RunFolder
from headstart.report.figures._canvas import PAGE, new_figure, percent_axis
from headstart.report.figures._line_values import name_line
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Rows share an epoch axis unless the longest training has more than this many times the epochs of
# the shortest, whose curve would shrink to a dot.
MAX_EPOCH_RATIO = 3
_PANELS_PER_ROW = 3  # of a figure file, which is as wide as two columns of a paper
_TITLE_LETTERS = 66  # of all panels of a row together
_MAX_EXCESS = 2.0  # of the largest loss over the 99% quantile, on one axis
LEAST_EPOCHS = 2  # a curve through one point shows nothing
METRICS: tuple[Metric, ...] = ("loss", "accuracy")

Metric = Literal["loss", "accuracy"]
Limits = tuple[float, float]


@dataclass(frozen=True)
class AxisLimits:
    """The limits of both axes of a panel."""

    epochs: Limits
    values: Limits


def has_curve(run: RunFolder) -> bool:
    """Return True if the run has a curve of at least two epochs."""
    return "epoch" in run.curves and len(run.curves["epoch"]) >= LEAST_EPOCHS


def entries_with_curves(entries: Entries) -> tuple[Entry[object], ...]:
    """Return the entries of which at least one run has a curve."""
    return tuple(entry for entry in entries if any(map(has_curve, entry.runs)))


def value_limits(entries: Entries, metric: Metric) -> Limits:
    """Return the vertical axis that all panels of a metric share.

    The first losses can be very large. An axis of losses ends at their 99% quantile if the largest
    one is more than twice as large. Few losses have a quantile just below the largest one, and
    ending there would cut a curve without gain.
    """
    measured = [np.empty(0)]
    for entry in entries:
        for run in entry.runs:
            measured += [_values(run, "train", metric), _values(run, "validation", metric)]
    values = np.concatenate(measured)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0

    low = float(values.min())
    high = float(values.max())
    if metric == "loss":
        quantile = float(np.quantile(values, 0.99))
        high = high if high <= _MAX_EXCESS * quantile else quantile
    margin = 0.06 * (high - low) or 0.05
    top = min(1.0, high + margin) if metric == "accuracy" else high + margin
    return max(0.0, low - margin), top


def epoch_limits(entries: Entries) -> dict[str, Limits]:
    """Return the horizontal axis of each entry, by name.

    All entries share one axis unless their numbers of epochs are far apart.
    """
    last_epochs = {entry.name: _last_epoch(entry) for entry in entries}
    longest = max(last_epochs.values(), default=1.0)
    shortest = min(last_epochs.values(), default=1.0)
    if longest <= MAX_EPOCH_RATIO * shortest:
        last_epochs = dict.fromkeys(last_epochs, longest)
    return {name: (1 - 0.03 * last, 1.03 * last) for name, last in last_epochs.items()}


def mean_curves(entry: Entry[object]) -> Entry[object]:
    """Return the entry with a single run whose curves are means over seeds.

    Only the runs that were measured at the same epochs as the first one count.
    """
    first, *others = [run for run in entry.runs if has_curve(run)]
    epochs = first.curves["epoch"]
    runs = [first, *(run for run in others if np.array_equal(run.curves["epoch"], epochs))]

    curves = {
        name: np.mean([run.curves[name] for run in runs], axis=0) for name in sorted(first.curves)
    }
    run = replace(first, curves=curves)
    return replace(entry, runs=(run,), representative=run)


def curve_finding(entry: Entry[object], metric: Metric) -> str:
    """Return in words how a metric changes, for the representative run or the first with curves."""
    run = entry.representative
    if run is None or not has_curve(run):
        run = next((run for run in entry.runs if has_curve(run)), None)
    if run is None:
        return "no curve"
    write = percent if metric == "accuracy" else loss
    sentences: list[str] = []
    for part, name in (("validation", "validation"), ("train", "training")):
        values = _values(run, part, metric)
        finite = np.flatnonzero(np.isfinite(values))
        if not len(finite):
            continue
        first, last = float(values[finite[0]]), float(values[finite[-1]])
        best = finite[values[finite].argmax() if metric == "accuracy" else values[finite].argmin()]
        epoch = f"{run.curves['epoch'][best]:g}"
        sentences.append(
            f"{name} from {write(first)} to {write(last)}, best {write(float(values[best]))} "
            f"at epoch {epoch}"
        )
    return "; ".join(sentences) or "no finite value"


def draw_curves(axes: Axes, entry: Entry[object], metric: Metric, limits: AxisLimits) -> None:
    """Draw the training (dashed) and validation (solid) curves of every run of an entry.

    The representative run is drawn last, in thick lines.
    """
    for run in sorted(entry.runs, key=lambda run: run is entry.representative):
        _draw_run(axes, run, metric, LIGHT.accent(entry.place), run is entry.representative)
    _style_axes(axes, metric, limits)
    if not _has_visible_value(axes, limits.values):
        axes.text(
            *(0.5, 0.5),
            f"all above {loss(limits.values[1])}" if axes.lines else "not measured",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=LIGHT.soft,
        )


def _has_visible_value(axes: Axes, limits: Limits) -> bool:
    """Return True if a point of any curve lies within the limits of the vertical axis."""
    low, high = limits
    for line in axes.lines:
        values = np.asarray(line.get_ydata(), np.float64)
        if ((values >= low) & (values <= high)).any():
            return True
    return False


def _draw_run(
    axes: Axes, run: RunFolder, metric: Metric, colour: str, is_representative: bool
) -> None:
    train_width, validation_width = (1.3, 2.0) if is_representative else (0.6, 0.8)
    styles = (("train", (0, (3, 2)), train_width), ("validation", "solid", validation_width))
    for part, dashes, width in styles:
        values = _values(run, part, metric)
        if not np.isfinite(values).any():
            continue
        (line,) = axes.plot(
            run.curves["epoch"],
            values,
            color=colour,
            linestyle=dashes,
            marker="o" if len(values) == 1 else None,  # a line through one point is invisible
            markersize=4,
            linewidth=width,
            alpha=1.0 if is_representative else 0.45,
            solid_capstyle="round",
            clip_on=metric == "loss",  # a line at 100% would lose its upper half
        )
        name = "training" if part == "train" else part
        if not is_representative:
            name += " of another run" if run.metrics is None else f", seed {run.metrics.seed}"
        name_line(line, name)


def _style_axes(axes: Axes, metric: Metric, limits: AxisLimits) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(xlim=limits.epochs, ylim=limits.values, xlabel="epoch", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if metric == "accuracy":
        percent_axis(axes.yaxis)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(length=0)


def curves_figure(entries: Entries) -> Figure:
    """Draw all panels: one column per entry, loss above accuracy, in bands of a few entries."""
    columns = min(len(entries), _PANELS_PER_ROW)
    bands = -(-len(entries) // columns)
    figure = new_figure(PAGE if columns > 1 else 5.0, 4.6 * bands + 0.3)
    panels = figure.subplots(2 * bands, columns, squeeze=False)
    epochs = epoch_limits(entries)
    for row, metric in enumerate(METRICS):
        values = value_limits(entries, metric)
        for place, entry in enumerate(entries):
            band, column = divmod(place, columns)
            limits = AxisLimits(epochs[entry.name], values)
            axes = panels[2 * band + row][column]
            draw_curves(axes, entry, metric, limits)
            if row == 0:
                _name_panel(axes, entry, columns)
    for column in range(columns - (columns * bands - len(entries)), columns):
        for axes in panels[-2:, column]:
            axes.set_axis_off()
    legend = "solid: validation, dashed: training"
    if any(len(entry.runs) > 1 for entry in entries):
        legend += "; thick: representative run, thin: other seeds"
    figure.supxlabel(legend, fontsize=8, color=LIGHT.soft)
    return figure


def curve_grid(
    entries: Entries, metric: Metric, values: Limits, reference: Entry[object] | None = None
) -> Figure:
    """Draw one small panel per entry, in rows, on shared axes.

    Args:
        entries: The entries.
        metric: The metric.
        values: Limits of the vertical axis.
        reference: An entry whose curves are drawn wide and pale in every panel.
    """
    columns = min(len(entries), _PANELS_PER_ROW)
    rows = -(-len(entries) // columns)
    figure = new_figure(PAGE if columns > 1 else 5.0, 2.1 * rows + 0.3)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)

    epochs = epoch_limits(_with_reference(entries, reference))
    for axes, entry in zip(panels, entries, strict=False):
        draw_panel(axes, entry, metric, AxisLimits(epochs[entry.name], values), reference)
        _name_panel(axes, entry, columns)
    for axes in panels[len(entries) :]:
        axes.set_axis_off()

    legend = "solid: validation, dashed: training"
    if reference is None and any(len(entry.runs) > 1 for entry in entries):
        legend += "; thick: representative run, thin: other seeds"
    if reference is not None:
        legend += f"; wide and pale: {reference.name}"
    figure.supxlabel(legend, fontsize=8, color=LIGHT.soft)
    return figure


def _name_panel(axes: Axes, entry: Entry[object], columns: int) -> None:
    title = wrap_name(entry.name, _TITLE_LETTERS // columns, lines=2)
    axes.set_title(title, color=LIGHT.accent(entry.place), fontsize=8)


def draw_panel(
    axes: Axes,
    entry: Entry[object],
    metric: Metric,
    limits: AxisLimits,
    reference: Entry[object] | None = None,
) -> None:
    """Draw the curves of an entry over the wide, pale curves of a reference."""
    if reference is not None:
        draw_curves(axes, reference, metric, limits)
        for line in axes.lines:
            line.set(linewidth=4.5, alpha=0.3)
            name_line(line, f"{str(line.get_label()).rpartition(':')[2]} of {reference.name}")
    draw_curves(axes, entry, metric, limits)


def curve_panel(
    entry: Entry[object], metric: Metric, limits: AxisLimits, panels_per_row: int
) -> Figure:
    """Draw one panel of a page. It is smaller in long rows, so that its text keeps its size."""
    figure = new_figure(3.8, 2.3) if panels_per_row < 3 else new_figure(3.3, 2.2)
    draw_curves(figure.subplots(), entry, metric, limits)
    return figure


def small_curve_panel(
    entry: Entry[object],
    metric: Metric,
    limits: AxisLimits,
    reference: Entry[object] | None = None,
) -> Figure:
    """Draw one panel of a page that shows many."""
    figure = new_figure(2.7, 1.9)
    draw_panel(figure.subplots(), entry, metric, limits, reference)
    return figure


def _values(run: RunFolder, part: str, metric: Metric) -> NDArray[np.float64]:
    return run.curves.get(f"{part}_{metric}", np.empty(0))


def _last_epoch(entry: Entry[object]) -> float:
    last = [float(run.curves["epoch"].max()) for run in entry.runs if "epoch" in run.curves]
    return max(last, default=1.0)


def _with_reference(entries: Entries, reference: Entry[object] | None) -> Sequence[Entry[object]]:
    return entries if reference is None else [*entries, reference]
