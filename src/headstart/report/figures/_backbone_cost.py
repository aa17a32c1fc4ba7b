"""The figure of a backbone study: accuracy of a linear probe against images per second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import count, one_line
from headstart.report.figures._canvas import PAGE, PHONE, new_figure, percent_axis
from headstart.report.figures._fonts import POINTS_PER_INCH, text_width
from headstart.report.figures._line_values import name_line
from headstart.report.figures._style import LIGHT
from headstart.results import BackboneCandidate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox, BboxBase

COST_SIZES = {"wide": (PAGE, 3.8), "narrow": (PHONE, 3.8)}  # inches
_NAME_SIZE = 8  # points
_LINES = 3  # above and below an interval
_GAP, _MARK, _AIR = 8, 5, 3  # pixels: beside a mark, half a mark, beside an interval


def cost_figure(
    candidates: Sequence[BackboneCandidate], size: tuple[float, float] = COST_SIZES["wide"]
) -> Figure:
    """Draw each candidate with its 95% interval. Lines join the image sizes of one backbone."""
    figure = new_figure(*size)
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
    figure.draw_without_rendering()  # the layout, which tells what a label would cover
    _write_names(axes, candidates, pixels=figure.dpi / POINTS_PER_INCH)
    return figure


def _draw_candidate(axes: Axes, candidate: BackboneCandidate) -> None:
    x, colour = candidate.images_per_second, _colour(candidate)
    marker = "D" if candidate.is_recommended else "o"
    axes.plot([x, x], candidate.interval, color=colour, linewidth=1.4, alpha=0.7, zorder=2)
    axes.plot([x], [candidate.accuracy], marker, color=colour, markersize=6, zorder=3)


def _colour(candidate: BackboneCandidate) -> str:
    if candidate.is_recommended:
        return LIGHT.accent(0)
    return LIGHT.ink if candidate.as_good else LIGHT.soft


def _write_names(axes: Axes, candidates: Sequence[BackboneCandidate], pixels: float) -> None:
    """Write each name beside its mark, where it covers no interval, mark or other name.

    Each name takes the first free place of: right of the mark and above, right and below, left and
    above, left and below, and some above and below the interval. If none is free, it takes the one
    that covers least. The recommended candidate comes first.

    Args:
        axes: The axes, with the layout of the file.
        candidates: The candidates.
        pixels: Pixels per point.
    """
    from matplotlib.transforms import Bbox

    taken: list[Bbox] = []
    for candidate in candidates:
        x, low, middle, high = _pixels_of(axes, candidate)
        taken.append(Bbox.from_extents(x - _AIR, low, x + _AIR, high))
        taken.append(Bbox.from_extents(x - _MARK, middle - _MARK, x + _MARK, middle + _MARK))

    for candidate in sorted(candidates, key=lambda candidate: not candidate.is_recommended):
        weight = "bold" if candidate.is_recommended else "normal"
        name = one_line(candidate.name)
        width = POINTS_PER_INCH * text_width(name, _NAME_SIZE, weight) * pixels
        height = 1.2 * _NAME_SIZE * pixels
        x, low, middle, high = _pixels_of(axes, candidate)
        left, right = x - _GAP - width, x + _GAP
        above, below = middle + 0.5 * _GAP, middle - 0.5 * _GAP - height
        corners = [(right, above), (right, below), (left, above), (left, below)]
        for line in range(_LINES):
            shift = _AIR + line * height
            for start in (x - width / 2, x - 2 * _AIR, x + 2 * _AIR - width):
                corners += [(start, high + shift), (start, low - shift - height)]
        boxes = [Bbox.from_bounds(*corner, width, height) for corner in corners]
        best = min(boxes, key=lambda box: _covered(box, taken, axes.bbox))
        taken.append(best)
        axes.annotate(
            name,
            (candidate.images_per_second, candidate.accuracy),
            ((best.x0 - x) / pixels, (best.y0 - middle) / pixels),
            textcoords="offset points",
            va="bottom",  # on the baseline, "@" would reach below the box
            fontsize=_NAME_SIZE,
            color=_colour(candidate),
            weight=weight,
        )


def _pixels_of(axes: Axes, candidate: BackboneCandidate) -> tuple[float, float, float, float]:
    """Return the place of a candidate, and the low end, middle and high end of its interval."""
    speed = candidate.images_per_second
    low, high = candidate.interval
    values = [(speed, low), (speed, candidate.accuracy), (speed, high)]
    places = axes.transData.transform(values)
    low_end, middle, high_end = places[:, 1].tolist()
    return float(places[0, 0]), low_end, middle, high_end


def _covered(box: Bbox, taken: Sequence[Bbox], inside: BboxBase) -> float:
    """Return the area in pixels that a box shares with others, or has outside the axes."""
    from matplotlib.transforms import Bbox

    kept = Bbox.intersection(box, inside)
    area = box.width * box.height
    area -= 0.0 if kept is None else kept.width * kept.height
    for other in taken:
        shared = Bbox.intersection(box, other)
        area += 0.0 if shared is None else shared.width * shared.height
    return round(area, 3)


def _scale_axes(axes: Axes, speeds: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.margins(y=0.15)  # room for names above and below the intervals
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
