"""The figure of a backbone study: accuracy of a linear probe against images per second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import count, one_line
from headstart.report.figures._canvas import new_figure, percent_axis
from headstart.report.figures._line_values import name_line
from headstart.report.figures._style import LIGHT
from headstart.results import BackboneCandidate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def cost_figure(candidates: Sequence[BackboneCandidate]) -> Figure:
    """Draw each candidate with its 95% interval. Lines join the image sizes of one backbone."""
    figure = new_figure(7.2, 3.8)
    axes = figure.subplots()
    for model in dict.fromkeys(candidate.model for candidate in candidates):
        same = [candidate for candidate in candidates if candidate.model == model]
        same.sort(key=lambda candidate: candidate.images_per_second)
        (line,) = axes.plot(
            [candidate.images_per_second for candidate in same],
            [candidate.accuracy for candidate in same],
            color=LIGHT.line,
            linewidth=1.2,
            zorder=1,
        )
        name_line(line, model)
    for candidate in candidates:
        _draw_candidate(axes, candidate)
    _scale_axes(axes, [candidate.images_per_second for candidate in candidates])
    return figure


def _draw_candidate(axes: Axes, candidate: BackboneCandidate) -> None:
    colour, marker, weight = LIGHT.soft, "o", "normal"
    if candidate.is_recommended:
        colour, marker, weight = LIGHT.accent(0), "D", "bold"
    elif candidate.as_good:
        colour = LIGHT.ink

    x, y = candidate.images_per_second, candidate.accuracy
    axes.plot([x, x], candidate.interval, color=colour, linewidth=1.4, alpha=0.7, zorder=2)
    axes.plot([x], [y], marker, color=colour, markersize=6, zorder=3)
    axes.annotate(
        one_line(candidate.name),
        (x, y),
        (6, 4),
        textcoords="offset points",
        fontsize=8,
        color=colour,
        weight=weight,
    )


def _scale_axes(axes: Axes, speeds: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.set(
        xlim=(min(speeds) / 1.3, max(speeds) * 2.2),
        xlabel="images per second on this machine",
        ylabel="accuracy of the linear probe",
    )
    ticks = np.outer(10.0 ** np.arange(-2, 7), (1, 2, 3, 5, 7)).ravel().tolist()
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _speed(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=0)
    percent_axis(axes.yaxis)


def _speed(value: float) -> str:
    return count(round(value)) if value >= 1 else f"{value:g}"
