"""The figure of a label study: accuracy against labels per class, one curve per contender.

An arrow joins the two contenders of the main comparison at the same accuracy.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.formatting import count, interpolated_count, percent, ratio, shorten
from headstart.report._study import Entry, image_count
from headstart.report.figures._canvas import new_figure, percent_axis
from headstart.report.figures._line_values import name_line
from headstart.report.figures._style import LIGHT
from headstart.results import (
    LabelComparison,
    LabelContender,
    LabelCurves,
    LabelMatch,
    LabelPoint,
    SeedSpread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL_DISTANCE_PT = 11.0  # the least distance of two names at the ends of curves
_TITLE_LETTERS_PER_INCH = 8.5
_MARK, _RING = 4.5, 4.0  # points: a mark, and by how much one below it is larger
_NARROW = 5.0  # inches; in a narrower figure the names stand above the curves
_MAX_NAME = 28  # efficientnet-lite0:finetune fits


@dataclass(frozen=True)
class _Curve:
    """The measured points of one contender."""

    name: str
    colour: str
    per_class: tuple[int, ...]
    accuracy: tuple[SeedSpread, ...]
    images: int  # that evaluate it

    @property
    def last(self) -> float:
        return self.accuracy[-1].mean

    @property
    def texts(self) -> list[str]:
        return [percent(accuracy.mean, self.images) for accuracy in self.accuracy]

    @property
    def label(self) -> str:
        return f"{shorten(self.name, _MAX_NAME)}  {percent(self.last, self.images)}"


def label_curves_figure(
    finding: LabelCurves,
    entries: Sequence[Entry[LabelContender]],
    size: tuple[float, float],
    title: str = "",
) -> Figure:
    """Draw the curves with their 95% intervals, and the match of the main comparison.

    The names of the contenders stand at the ends of the curves, or in a legend of a narrow figure.

    Args:
        finding: The finding.
        entries: Its contenders.
        size: Width and height in inches.
        title: Title of the figure, if any.
    """
    width, height = size
    figure = new_figure(width, height)
    axes = figure.subplots()
    images = image_count(finding.dataset, finding.evaluated_on)
    measured = [_measured_curve(entry, images) for entry in entries]
    curves = [curve for curve in measured if curve.accuracy]
    for number, curve in enumerate(curves):
        _draw_curve(axes, curve, _mark_sizes(curve, curves[number + 1 :]))
    _scale_axes(axes, finding, curves)

    main = None if finding.main is None else finding.comparisons[finding.main]
    if main is not None and main.match is not None:
        colours = {entry.name: LIGHT.accent(entry.place) for entry in entries}
        _draw_match(axes, finding.per_class, main, colours)
        _draw_crossing(axes, main)

    if width >= _NARROW:
        _name_curves_at_ends(axes, curves, height)
    else:
        _name_curves_above(axes, curves)
    if title:
        wrapped = textwrap.fill(title, round(_TITLE_LETTERS_PER_INCH * width))
        figure.suptitle(wrapped, x=0.01, ha="left", fontsize=12, weight="bold")
    return figure


def _measured_curve(entry: Entry[LabelContender], images: int) -> _Curve:
    measured: list[tuple[LabelPoint, SeedSpread]] = []
    for point in entry.result.points:
        if point.accuracy is not None:
            measured.append((point, point.accuracy))
    return _Curve(
        entry.name,
        LIGHT.accent(entry.place),
        tuple(point.per_class for point, _ in measured),
        tuple(accuracy for _, accuracy in measured),
        images,
    )


def _mark_sizes(curve: _Curve, above: Sequence[_Curve]) -> list[float]:
    """Return the sizes of the marks of a curve, in points.

    A mark with the same score as others is larger than those above it, and becomes a ring around
    them. Otherwise they would hide it.
    """
    points_above: list[tuple[int, str]] = []
    for other in above:
        points_above += zip(other.per_class, other.texts, strict=True)
    points = zip(curve.per_class, curve.texts, strict=True)
    return [_MARK + _RING * points_above.count(point) for point in points]


def _draw_curve(axes: Axes, curve: _Curve, mark_sizes: Sequence[float]) -> None:
    low = [accuracy.low for accuracy in curve.accuracy]
    mean = [accuracy.mean for accuracy in curve.accuracy]
    high = [accuracy.high for accuracy in curve.accuracy]
    axes.fill_between(curve.per_class, low, high, color=curve.colour, alpha=0.16, linewidth=0)
    (line,) = axes.plot(
        curve.per_class,
        mean,
        color=curve.colour,
        linewidth=2.0,
        solid_capstyle="round",
        zorder=3,
    )
    name_line(line, curve.label)
    areas = [size**2 for size in mark_sizes]
    axes.scatter(curve.per_class, mean, areas, color=curve.colour, linewidth=0, zorder=3)
    for per_class, accuracy in zip(curve.per_class, curve.accuracy, strict=True):
        axes.plot(
            [per_class] * len(accuracy.per_seed),
            accuracy.per_seed,
            "o",
            color=curve.colour,
            markersize=2.4,
            alpha=0.5,
            markeredgewidth=0,
        )


def _scale_axes(axes: Axes, finding: LabelCurves, curves: Sequence[_Curve]) -> None:
    """Use a logarithmic axis whose ticks are the measured numbers of labels."""
    from matplotlib.ticker import FixedLocator, NullLocator

    counts = finding.per_class
    axes.set_xscale("log")
    axes.set(
        xlabel="labels per class",
        ylabel=f"{finding.evaluated_on} accuracy",
        xlim=(counts[0] / 1.25, counts[-1] * 1.25),
    )
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([count(number) for number in counts])
    axes.tick_params(axis="x", length=3)

    spreads: list[SeedSpread] = []
    for curve in curves:
        spreads += curve.accuracy
    low = min((spread.low for spread in spreads), default=0.0)
    high = max((spread.high for spread in spreads), default=1.0)
    margin = 0.08 * (high - low) or 0.05
    axes.set_ylim(max(0.0, low - margin), min(1.0, high + margin))
    percent_axis(axes.yaxis, 6)


def _draw_match(
    axes: Axes,
    counts: Sequence[int],
    comparison: LabelComparison,
    colours: Mapping[str, str],
) -> None:
    """Draw an arrow from the leader to the number of labels with which the follower matches it.

    The arrow ends at the edge if that number lies outside the measured ones.
    """
    if comparison.match is None:
        return
    match = comparison.matches[comparison.match]
    if not is_bounded(match, counts):
        return  # an arrow that starts at the edge has no length, and covers the names of the curves
    start, level = match.per_class, match.accuracy
    end = match.needs.per_class
    if end is None:
        end = counts[-1] * 1.2 if match.needs.where == "above" else counts[0] / 1.2

    arrow: dict[str, Any] = {
        "arrowstyle": "-|>",
        "color": LIGHT.ink,
        "linewidth": 1.1,
        "linestyle": (0, (4, 2)),
        "shrinkA": 6,
        "shrinkB": 1,
    }
    axes.annotate("", (end, level), (start, level), arrowprops=arrow, zorder=4)
    # The curve of the follower rises to the tip of the arrow. Below its start there is most room.
    is_right = end > start
    axes.annotate(
        f"{_factor_text(match, counts)}× the labels",
        (start if is_right else (start * end) ** 0.5, level),
        (6 if is_right else 0, -4),
        textcoords="offset points",
        ha="left" if is_right else "center",
        va="top",
        weight="bold",
        fontsize=8,
        bbox={"facecolor": LIGHT.paper, "edgecolor": "none", "pad": 1.2, "alpha": 0.5},
        zorder=5,
    )
    if match.needs.where == "inside":
        axes.plot(
            [end],
            [level],
            "o",
            color=colours[comparison.follower or ""],
            markersize=7,
            markerfacecolor=LIGHT.paper,
            markeredgewidth=1.8,
            zorder=5,
        )


def is_bounded(match: LabelMatch, counts: Sequence[int]) -> bool:
    """Return False if all that is known is "more" or "fewer" labels than those of the leader."""
    if match.factor is not None:
        return True
    return match.per_class != (counts[-1] if match.needs.where == "above" else counts[0])


def _factor_text(match: LabelMatch, counts: Sequence[int]) -> str:
    if match.factor is not None:
        return ratio(match.factor)
    if match.needs.where == "above":
        return f"> {ratio(counts[-1] / match.per_class)}"
    return f"< {ratio(counts[0] / match.per_class)}"


def _draw_crossing(axes: Axes, comparison: LabelComparison) -> None:
    """Mark where the curves cross, if the follower is significantly ahead in the end."""
    crossing = comparison.crossing
    if crossing is None or crossing.per_class is None:
        return
    if not comparison.differences[-1].is_significant:
        return
    axes.axvline(
        crossing.per_class, color=LIGHT.soft, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1
    )
    axes.text(
        crossing.per_class,
        0.02,
        f"cross at {interpolated_count(crossing.per_class)}",
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=8,
        color=LIGHT.soft,
        bbox={"facecolor": LIGHT.paper, "edgecolor": "none", "pad": 1.5},
    )


def _name_curves_at_ends(axes: Axes, curves: Sequence[_Curve], height: float) -> None:
    """Write the names at the ends of the curves, moved apart where the ends are close."""
    low, high = axes.get_ylim()
    accuracy_per_point = (high - low) / (
        0.78 * height * 72
    )  # the axes take about 78% of the height
    lowest_free = low
    for curve in sorted(curves, key=lambda curve: curve.last):
        position = max(curve.last, lowest_free)
        axes.annotate(
            curve.label,
            (curve.per_class[-1], curve.last),
            (9, (position - curve.last) / accuracy_per_point),
            textcoords="offset points",
            va="center",
            color=curve.colour,
            weight="bold",
            fontsize=9,
            annotation_clip=False,
        )
        lowest_free = position + _LABEL_DISTANCE_PT * accuracy_per_point


def _name_curves_above(axes: Axes, curves: Sequence[_Curve]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=curve.colour, linewidth=2.2, marker="o", markersize=_MARK)
        for curve in curves
    ]
    legend = axes.legend(
        lines,
        [curve.label for curve in curves],
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        frameon=False,
        borderpad=0,
        fontsize=9,
    )
    for text, curve in zip(legend.get_texts(), curves, strict=True):
        text.set(color=curve.colour, weight="bold")
