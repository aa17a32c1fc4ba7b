"""The values behind the lines of a figure: for the pointer, for a table, and for a CSV file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Matplotlib leaves labels that begin with an underscore out of legends.
_PREFIX = "_values:"
_DIGITS = 5  # significant digits of a value


@dataclass(frozen=True)
class LineValues:
    """The points of one line: its name, and its coordinates."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class PlotValues:
    """The lines of one plot of a figure.

    Attributes:
        title: Title of the plot; may be empty.
        x_label: Label of the horizontal axis.
        y_label: Label of the vertical axis.
        lines: The lines that have names.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[LineValues, ...]


def name_line(line: Line2D, name: str) -> None:
    """Give a line the name that its values have. No legend shows it."""
    line.set_label(f"{_PREFIX}{one_line(name)}")


def plot_values(figure: Figure) -> list[PlotValues]:
    """Return the values of all plots of a figure that have named lines."""
    plots = [_values(axes) for axes in figure.axes]
    return [plot for plot in plots if plot.lines]


def hover_data(figure: Figure) -> str:
    """Return what a page needs to show values under the pointer, as JSON.

    The figure must have been saved, because saving fixes its layout.

    Returns:
        One object per plot: `box` has left, top, right and bottom in units of the SVG; `x` and `y`
        are the limits of the axes, after the logarithm where `log` says so. Empty without lines.
    """
    width, height = (72 * float(inches) for inches in figure.get_size_inches())
    plots: list[dict[str, object]] = []
    for axes in figure.axes:
        values = _values(axes)
        if not values.lines:
            continue
        box = axes.get_position()
        is_log = [axes.get_xscale() == "log", axes.get_yscale() == "log"]
        x_limits, y_limits = (
            np.log10(limits) if log else np.asarray(limits)
            for limits, log in zip((axes.get_xlim(), axes.get_ylim()), is_log, strict=True)
        )
        edges = (width * box.x0, height * (1 - box.y1), width * box.x1, height * (1 - box.y0))
        plots.append(
            {
                "box": [round(edge, 2) for edge in edges],
                "x": _rounded(x_limits),
                "y": _rounded(y_limits),
                "log": is_log,
                "labels": [values.x_label, values.y_label],
                "lines": [[line.name, line.x, line.y] for line in values.lines],
            }
        )
    return json.dumps(plots, separators=(",", ":")) if plots else ""


def _values(axes: Axes) -> PlotValues:
    lines: list[LineValues] = []
    for line in axes.lines:
        label = str(line.get_label())
        if label.startswith("_") and not label.startswith(_PREFIX):
            continue
        x, y = (np.asarray(values, float) for values in (line.get_xdata(), line.get_ydata()))
        finite = np.isfinite(x) & np.isfinite(y)
        name = label.removeprefix(_PREFIX)
        lines.append(LineValues(name, tuple(_rounded(x[finite])), tuple(_rounded(y[finite]))))
    title = axes.get_title("left") or axes.get_title()
    return PlotValues(
        one_line(title),
        axes.get_xlabel(),
        axes.get_ylabel(),
        tuple(line for line in lines if line.x),
    )


def _rounded(values: Sequence[float] | np.ndarray) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
