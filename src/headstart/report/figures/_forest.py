"""The forest plot: differences with their intervals against zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import points, shorten
from headstart.report._load import Facts
from headstart.report.figures._canvas import figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Bar:
    """One row of a forest plot; shares, not points. `band`: what the test would not show. `is_open`: nothing was shown."""

    label: str
    difference: float
    interval: Sequence[float]
    band: float | None
    colour: str
    is_open: bool = False


def differences(pairs: list[Facts], places: dict[str, int]) -> Figure:
    """Each pair's difference with its interval against zero, and the band that this test would not show."""
    return forest(
        [
            Bar(
                f"{shorten(pair['a'], 24)} over {shorten(pair['b'], 24)}",
                pair["difference"],
                pair["interval"],
                pair["smallest_detectable"],
                LIGHT.accent(places.get(pair["a"])),
            )
            for pair in pairs
        ]
    )


def forest(bars: list[Bar], reach: float = np.inf) -> Figure:
    """One row a bar, from the top; what lies further from zero than `reach` is an arrow at the edge."""
    drawing = figure(7.2, 1.3 + 0.55 * len(bars))
    axes = drawing.subplots()
    axes.use_sticky_edges = False  # arrows at the edge need room
    for row, bar in enumerate(bars):
        low, middle, high = (
            100 * min(max(end, -reach), reach)
            for end in (bar.interval[0], bar.difference, bar.interval[1])
        )
        if bar.band is not None and bar.band < 1:
            band = 100 * min(bar.band, reach)
            axes.barh(row, 2 * band, left=-band, height=0.62, color=LIGHT.line, alpha=0.55)
        axes.plot([low, high], [row, row], color=bar.colour, linewidth=3, solid_capstyle="round")
        marker = "o" if abs(bar.difference) <= reach else "<" if middle < 0 else ">"
        inside, edge = (LIGHT.paper, bar.colour) if bar.is_open else (bar.colour, LIGHT.paper)
        axes.plot([middle], [row], marker, color=inside, markersize=8, markeredgecolor=edge)
        axes.annotate(
            points(bar.difference, signed=True),
            (middle, row),
            (0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=bar.colour,
            weight="bold",
        )
    axes.axvline(0, color=LIGHT.soft, linewidth=1)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axes.set(
        ylim=(len(bars) - 0.4, -0.7),
        xlabel="difference in accuracy, percentage points, with its 95% interval\ngrey: smaller than the test would show",
    )
    axes.tick_params(length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return drawing
