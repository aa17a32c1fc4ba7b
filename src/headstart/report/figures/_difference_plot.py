"""The figure of differences in accuracy with their intervals, against zero (a forest plot)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import confidence, margin as margin_text, points, shorten
from headstart.report.figures._canvas import PAGE, new_figure
from headstart.report.figures._style import LIGHT
from headstart.results import Interval, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class DifferenceBar:
    """One row of the figure. Differences are fractions, not percentage points.

    Attributes:
        label: Text of the row.
        difference: Difference in accuracy.
        interval: Its 95% interval.
        detectable: Minimum detectable effect, if known.
        colour: Colour of the row.
        is_significant: False draws an open marker.
        inner: The interval that shows equivalence, if that was tested.
    """

    label: str
    difference: float
    interval: Interval
    detectable: float | None
    colour: str
    is_significant: bool = True
    inner: Interval | None = None


def pairs_figure(verdict: Verdict, places: Mapping[str, int]) -> Figure:
    """Draw the differences of all pairs of contenders, with the equivalence margin.

    Args:
        verdict: The verdict.
        places: Position of each contender among the accents.
    """
    bars = [
        DifferenceBar(
            f"{shorten(pair.a, 24)} minus {shorten(pair.b, 24)}",
            pair.difference,
            pair.interval,
            pair.smallest_detectable,
            LIGHT.accent(places.get(pair.a)),
            is_significant=pair.outcome == "better",
            inner=pair.equivalence_interval,
        )
        for pair in verdict.pairs
    ]
    return differences_figure(
        bars,
        margin=verdict.equivalence_margin,
        inner_confidence=verdict.equivalence_confidence,
    )


def differences_figure(
    bars: Sequence[DifferenceBar],
    reach: float = np.inf,
    margin: float | None = None,
    inner_confidence: float = 0.9,
) -> Figure:
    """Draw one row per difference, the first one on top.

    Args:
        bars: The rows.
        reach: End of the axis on either side of zero. What lies beyond it becomes an arrow.
        margin: Equivalence margin, if equivalence was tested. Its band replaces those of the
            minimum detectable effects.
        inner_confidence: Confidence of the intervals that show equivalence.
    """
    figure = new_figure(PAGE, 1.3 + 0.55 * len(bars))
    axes = figure.subplots()
    axes.use_sticky_edges = False  # arrows at the edge need room
    if margin is not None:
        axes.axvspan(-100 * margin, 100 * margin, color=LIGHT.line, alpha=0.7, linewidth=0)
    for row, bar in enumerate(bars):
        if margin is None:
            _draw_detectable(axes, row, bar, reach)
        _draw_bar(axes, row, bar, reach)

    axes.axvline(0, color=LIGHT.soft, linewidth=1)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    label = (
        "difference in accuracy in percentage points, with 95% confidence interval\n"
        "grey: below the minimum detectable effect at 80% power"
    )
    if margin is not None:
        label = (
            "difference in accuracy in percentage points, with 95% and "
            f"{confidence(inner_confidence)} (thick) confidence intervals\n"
            f"grey: the equivalence margin of {margin_text(margin)}"
        )
    axes.set(ylim=(len(bars) - 0.4, -0.7), xlabel=label)
    axes.tick_params(length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return figure


def _draw_detectable(axes: Axes, row: int, bar: DifferenceBar, reach: float) -> None:
    if bar.detectable is not None and bar.detectable < 1:
        half_width = 100 * min(bar.detectable, reach)
        axes.barh(row, 2 * half_width, left=-half_width, height=0.62, color=LIGHT.line, alpha=0.55)


def _draw_bar(axes: Axes, row: int, bar: DifferenceBar, reach: float) -> None:
    low, middle, high = (
        100 * float(np.clip(end, -reach, reach))
        for end in (bar.interval[0], bar.difference, bar.interval[1])
    )
    width = 3 if bar.inner is None else 1.5
    axes.plot([low, high], [row, row], color=bar.colour, linewidth=width, solid_capstyle="round")
    if bar.inner is not None:
        ends = [100 * float(np.clip(end, -reach, reach)) for end in bar.inner]
        axes.plot(ends, [row, row], color=bar.colour, linewidth=4, solid_capstyle="butt")

    # The number stands on the side away from zero, whose line would cross it.
    marker, side, shift = ("o", "left", 3) if middle >= 0 else ("o", "right", -3)
    if abs(bar.difference) > reach:
        marker, side, shift = ("<" if middle < 0 else ">"), "center", 0
    face, edge = (bar.colour, LIGHT.paper) if bar.is_significant else (LIGHT.paper, bar.colour)
    axes.plot([middle], [row], marker, color=face, markersize=8, markeredgecolor=edge)
    axes.annotate(
        points(bar.difference, signed=True),
        (middle, row),
        (shift, 9),
        textcoords="offset points",
        ha=side,
        fontsize=8.5,
        color=bar.colour,
        weight="bold",
    )
