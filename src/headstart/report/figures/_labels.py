"""The figure of a study of labels: a curve a contender, and an arrow from one to the other at the same accuracy."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import count, interpolated_count, percent, ratio, shorten
from headstart.report._load import Entry, Facts, Study
from headstart.report.figures._canvas import figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE_PT = 11.0  # the least distance of two labels at the lines' ends
_LETTERS_AN_INCH = 8.5  # of the title
_NARROW = 5.0  # inches, below which names stand above the curves
_LONGEST_NAME = 28  # so that efficientnet-lite0:finetune stands whole


def curves_figure(study: Study, width: float, height: float, title: str = "") -> Figure:
    """Accuracy against labels a class, with bands; names at the lines' ends, or in a legend where there is no room for them."""
    drawing = figure(width, height)
    axes = drawing.subplots()
    counts = study.facts["per_class"]
    ends = [(entry, found) for entry in study.entries if len(found := _measured(entry))]
    for entry, found in ends:
        _draw_curve(axes, entry, found)
    _scale(axes, counts, study.part, [found for _, found in ends])
    number = study.facts["main"]
    if number is not None and study.facts["comparisons"][number]["match"] is not None:
        _draw_match(axes, study, study.facts["comparisons"][number])
    if width >= _NARROW:
        _name_ends(axes, ends, height)
    else:
        _name_above(axes, ends)
    if title:
        drawing.suptitle(
            textwrap.fill(title, round(_LETTERS_AN_INCH * width)),
            x=0.01,
            ha="left",
            fontsize=12,
            weight="bold",
        )
    return drawing


def _measured(entry: Entry) -> list[Facts]:
    return [point for point in entry.facts["points"] if point["accuracy"]]


def _draw_curve(axes: Axes, entry: Entry, points: list[Facts]) -> None:
    """Mean, band and seeds."""
    colour = LIGHT.accent(entry.place)
    across = [point["per_class"] for point in points]
    mean, low, high = (
        np.array([point["accuracy"][key] for point in points], float)
        for key in ("mean", "low", "high")
    )
    axes.fill_between(across, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(
        across,
        mean,
        color=colour,
        linewidth=2.0,
        marker="o",
        markersize=4.5,
        solid_capstyle="round",
        zorder=3,
    )
    for point in points:
        seeds = point["accuracy"]["per_seed"] or []
        axes.plot(
            [point["per_class"]] * len(seeds),
            seeds,
            "o",
            color=colour,
            markersize=2.4,
            alpha=0.5,
            markeredgewidth=0,
        )


def _scale(axes: Axes, counts: list[int], part: str, curves: list[list[Facts]]) -> None:
    """A logarithmic axis that names the numbers that were tried."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

    axes.set_xscale("log")
    axes.set(
        xlabel="labels a class",
        ylabel=f"{part} accuracy",
        xlim=(counts[0] / 1.25, counts[-1] * 1.25),
    )
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([count(one) for one in counts])
    axes.tick_params(axis="x", length=3)
    spreads = [point["accuracy"] for points in curves for point in points]
    low, high = (
        min((one["low"] for one in spreads), default=0.0),
        max((one["high"] for one in spreads), default=1.0),
    )
    room = 0.08 * (high - low) or 0.05
    axes.set_ylim(max(0.0, low - room), min(1.0, high + room))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if high - low > 0.05 else 1))


def _draw_match(axes: Axes, study: Study, pair: Facts) -> None:
    """An arrow at the leader's accuracy, from its number of labels to that of the follower, or to the edge; where they cross."""
    counts, match = study.facts["per_class"], pair["matches"][pair["match"]]
    places = {entry.name: entry.place for entry in study.entries}
    colour, level, start = (
        LIGHT.accent(places[pair["follower"]]),
        match["accuracy"],
        match["per_class"],
    )
    where = match["needs"]["where"]
    end = match["needs"]["per_class"] or (counts[-1] * 1.2 if where == "above" else counts[0] / 1.2)
    style = {
        "arrowstyle": "-|>",
        "color": LIGHT.ink,
        "linewidth": 1.1,
        "linestyle": (0, (4, 2)),
        "shrinkA": 6,
        "shrinkB": 1,
    }
    axes.annotate("", (end, level), (start, level), arrowprops=style, zorder=4)
    beyond = (
        f"> {ratio(counts[-1] / start)}" if where == "above" else f"< {ratio(counts[0] / start)}"
    )
    many = ratio(match["times"]) if where == "inside" else beyond
    text = f"{many}× the labels"
    axes.annotate(
        text,
        ((start * end) ** 0.5, level),
        (0, -5),
        textcoords="offset points",
        ha="center",
        va="top",
        weight="bold",
        fontsize=9.5,
        bbox={"facecolor": LIGHT.paper, "edgecolor": "none", "pad": 1.2, "alpha": 0.5},
        zorder=5,
    )
    if where == "inside":
        axes.plot(
            [end],
            [level],
            "o",
            color=colour,
            markersize=7,
            markerfacecolor=LIGHT.paper,
            markeredgewidth=1.8,
            zorder=5,
        )
    crossing = pair["crossing"]
    if crossing["where"] == "inside" and pair["differences"][-1]["is_shown"]:
        at = crossing["per_class"]
        axes.axvline(at, color=LIGHT.soft, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
        words = f"cross at {interpolated_count(at)}"
        axes.text(
            at,
            0.02,
            words,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
            color=LIGHT.soft,
            bbox={"facecolor": LIGHT.paper, "edgecolor": "none", "pad": 1.5},
        )


def _name_ends(axes: Axes, ends: list[tuple[Entry, list[Facts]]], height: float) -> None:
    """The name and last accuracy of each contender beside the end of its line, moved apart where lines end close together."""
    low, high = axes.get_ylim()
    a_point = (high - low) / (
        0.78 * height * 72
    )  # of accuracy: the axes take about so much of the height
    placed = low
    for entry, points in sorted(ends, key=lambda one: one[1][-1]["accuracy"]["mean"]):
        mean = points[-1]["accuracy"]["mean"]
        at = placed = max(mean, placed + _LINE_PT * a_point)
        axes.annotate(
            f"{shorten(entry.name, _LONGEST_NAME)}  {percent(mean)}",
            (points[-1]["per_class"], mean),
            (9, (at - mean) / a_point),
            textcoords="offset points",
            va="center",
            color=LIGHT.accent(entry.place),
            weight="bold",
            fontsize=9,
            annotation_clip=False,
        )


def _name_above(axes: Axes, ends: list[tuple[Entry, list[Facts]]]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=LIGHT.accent(entry.place), linewidth=2.2, marker="o", markersize=4.5)
        for entry, _ in ends
    ]
    names = [
        f"{shorten(entry.name, _LONGEST_NAME)}  {percent(points[-1]['accuracy']['mean'])}"
        for entry, points in ends
    ]
    legend = axes.legend(
        lines,
        names,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        frameon=False,
        borderpad=0,
        fontsize=9,
    )
    for text, (entry, _) in zip(legend.get_texts(), ends, strict=True):
        text.set(color=LIGHT.accent(entry.place), weight="bold")
