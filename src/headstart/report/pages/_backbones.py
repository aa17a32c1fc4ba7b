"""The page of a study of backbones: accuracy of a probe against cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from headstart.formatting import count, one_line
from headstart.report._load import Facts, Study
from headstart.report.figures._canvas import figure
from headstart.report.figures._style import LIGHT
from headstart.report.pages._content import Content
from headstart.report.pages._panels import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCENT = LIGHT.accent(0)


def content(study: Study) -> Content:
    """Accuracy against images a second, and the table of candidates."""
    finding = study.facts
    rows = sorted(finding["candidates"], key=lambda one: -one["accuracy"])
    chosen = next(one for one in rows if one["is_recommended"])
    return Content(
        template="backbones.html.j2",
        headline=f"{chosen['model']} at {chosen['input_px']} pixels for {finding['dataset']['name']}",
        lead=finding["sentence"] or "",
        images=finding["images"],
        values={"rows": rows, "chosen": chosen, "cost_svg": svg(cost_figure(finding), "cost")},
        figures={"cost": partial(cost_figure, finding)},
    )


def cost_figure(finding: Facts) -> Figure:
    """Each candidate's accuracy and interval against its speed, on a logarithmic axis; sides of one model are joined."""
    drawing = figure(7.2, 3.8)
    axes = drawing.subplots()
    models: dict[str, list[Facts]] = {}
    for one in finding["candidates"]:
        models.setdefault(one["model"], []).append(one)
    for each in models.values():
        line = sorted(each, key=lambda one: one["images_per_second"])
        axes.plot(*zip(*map(_place, line), strict=True), color=LIGHT.line, linewidth=1.2, zorder=1)
    for one in finding["candidates"]:
        _draw(axes, one)
    _scale(axes, [one["images_per_second"] for one in finding["candidates"]])
    return drawing


def _place(one: Facts) -> tuple[float, float]:
    return one["images_per_second"], one["accuracy"]


def _draw(axes: Axes, one: Facts) -> None:
    colour = ACCENT if one["is_recommended"] else LIGHT.ink if one["as_good"] else LIGHT.soft
    x, y = _place(one)
    axes.plot([x, x], one["interval"], color=colour, linewidth=1.4, alpha=0.7, zorder=2)
    axes.plot([x], [y], "D" if one["is_recommended"] else "o", color=colour, markersize=6, zorder=3)
    axes.annotate(
        one_line(one["name"]),
        (x, y),
        (6, 4),
        textcoords="offset points",
        fontsize=8,
        color=colour,
        weight="bold" if one["is_recommended"] else "normal",
    )


def _scale(axes: Axes, speeds: list[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, PercentFormatter

    axes.set_xscale("log")
    axes.set(
        xlim=(min(speeds) / 1.3, max(speeds) * 2.2),
        xlabel="images a second on this machine",
        ylabel="accuracy of the probe",
    )
    named = [step * 10.0**power for power in range(-2, 7) for step in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator(named))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: count(round(value)) if value >= 1 else f"{value:g}")
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
