"""The figures of a learning-rate study: scores against the rate, and the range test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import setting
from headstart.report._load import Facts, interval
from headstart.report.figures._canvas import figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PUBLISHED = (1e-4, 1e-3, 1e-2, 1e-1)
ACCENT, SUGGESTED = LIGHT.accent(0), LIGHT.accent(1)


def scores_figure(finding: Facts, part: str) -> Figure:
    """Accuracy and loss side by side."""
    drawing = figure(10.0, 3.6)
    for axes, metric in zip(drawing.subplots(1, 2), ("accuracy", "loss"), strict=True):
        draw_scores(axes, finding, part, metric)
    return drawing


def score_panel(finding: Facts, part: str, metric: str) -> Figure:
    """One of them, for the page."""
    drawing = figure(4.6, 3.1)
    draw_scores(drawing.subplots(), finding, part, metric)
    return drawing


def draw_scores(axes: Axes, finding: Facts, part: str, metric: str) -> None:
    """Mean, band and seeds of `metric` on `part` against the rate; the good region, the best rate, the border of divergence."""
    from matplotlib.ticker import (
        FixedLocator,
        FuncFormatter,
        MaxNLocator,
        NullLocator,
        PercentFormatter,
    )

    rates = finding["rates"]
    known = [(rate["lr"], spread) for rate in rates if (spread := (rate[part] or Facts())[metric])]
    across = (rates[0]["lr"] / 1.6, rates[-1]["lr"] * 1.6)
    _rate_axis(axes, across)
    up = _up([spread for _, spread in known], metric, worst_loss(finding))
    if metric == "loss":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(
            FixedLocator([step * 10.0**power for power in range(-6, 3) for step in (1, 2, 5)])
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(
            PercentFormatter(1.0, decimals=0 if up[1] - up[0] > 0.05 else 1)
        )
    axes.set(ylim=up, ylabel=f"{part} {metric}")
    _shade(axes, finding, across)
    lrs = [lr for lr, _ in known]
    low, mean, high = np.clip([_ends(spread) for _, spread in known], *up).reshape(-1, 3).T
    axes.fill_between(lrs, low, high, color=LIGHT.soft, alpha=0.22, linewidth=0)
    axes.plot(lrs, mean, color=LIGHT.ink, linewidth=1.6, solid_capstyle="round")
    for lr, spread in known:
        inside = [value for value in spread["per_seed"] or [] if up[0] <= value <= up[1]]
        axes.plot(
            [lr] * len(inside),
            inside,
            "o",
            color=LIGHT.ink,
            markersize=3,
            alpha=0.55,
            markeredgewidth=0,
        )
    for lr, spread in known:
        if spread["mean"] > up[1]:
            axes.plot([lr], [up[1]], "^", color=LIGHT.ink, markersize=6, clip_on=False)
        elif lr == finding["best"]:
            axes.plot(
                [lr],
                [spread["mean"]],
                "D",
                color=ACCENT,
                markersize=8,
                markeredgecolor=LIGHT.paper,
                zorder=5,
            )
            ends = [*_ends(spread), *(spread["per_seed"] or [])]
            axes.annotate(
                f"best: {setting(lr)}",
                (lr, max(ends) if metric == "accuracy" else max(min(ends), up[0])),
                (0, 6 if metric == "accuracy" else -13),
                textcoords="offset points",
                ha="center",
                color=ACCENT,
                weight="bold",
                fontsize=8.5,
            )


def _ends(spread: Facts) -> tuple[float, float, float]:
    low, high = interval(spread) or [spread["mean"]] * 2
    return low, spread["mean"], high


def _up(spreads: list[Facts], metric: str, worst_loss: float) -> tuple[float, float]:
    """The vertical axis; losses above `worst_loss` are arrows."""
    if not spreads:
        return 0.1, 1.0
    low, high = (
        min(_ends(spread)[0] for spread in spreads),
        max(_ends(spread)[2] for spread in spreads),
    )
    if metric == "loss":
        positive = [spread["mean"] for spread in spreads if spread["mean"] > 0]
        low = max(low, 0.5 * min(positive, default=1e-3))
        return low / 1.6, max(min(high, worst_loss), 2 * low) * 1.15
    room = (high - low) or 0.1
    return max(0.0, low - 0.06 * room), high + 0.16 * room  # the best is named above its point


def _rate_axis(axes: Axes, across: tuple[float, float]) -> None:
    """A logarithmic axis that names the four published rates, and otherwise the powers of ten."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    powers = [10.0**power for power in range(-9, 3)]
    axes.set_xscale("log")
    axes.set(xlim=across, xlabel="learning rate")
    named = [rate for rate in powers if across[0] <= rate <= across[1]]
    axes.xaxis.set_major_locator(FixedLocator(named))
    axes.set_xticklabels([setting(rate) for rate in named])
    for label, rate in zip(axes.get_xticklabels(), named, strict=True):
        label.set_fontweight("bold" if rate in PUBLISHED else "normal")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(length=3)
    axes.tick_params(which="minor", length=0)
    axes.grid(axis="x", which="major", visible=True)


def _shade(axes: Axes, finding: Facts, across: tuple[float, float]) -> None:
    if good := finding["good"]:
        axes.axvspan(good["low"] / 1.12, good["high"] * 1.12, color=ACCENT, alpha=0.13, linewidth=0)
    if (border := finding["diverges_from"]) is not None:
        below = [rate["lr"] for rate in finding["rates"] if rate["lr"] < border]
        start = (below[-1] * border) ** 0.5 if below else across[0]
        axes.axvspan(
            start,
            across[1],
            facecolor="none",
            edgecolor=LIGHT.warn,
            hatch="///",
            alpha=0.35,
            linewidth=0,
        )
        axes.axvline(start, color=LIGHT.warn, linewidth=1.2)
        axes.text(
            start,
            1.01,
            "diverges",
            transform=axes.get_xaxis_transform(),
            ha="left",
            va="bottom",
            fontsize=8,
            color=LIGHT.warn,
        )


def range_figure(finding: Facts, height: float = 3.1) -> Figure:
    """The loss of each repeat while its rate rises, the suggested rate, and the good region of the study itself."""
    drawing = figure(4.6, height)
    axes = drawing.subplots()
    test = finding["range_test"]
    _rate_axis(axes, (_each(test, "rates", min), _each(test, "rates", max)))
    top = min(_each(test, "losses", max), worst_loss(finding))
    axes.set(ylim=(min(0.0, _each(test, "losses", min)), top), ylabel="training loss")
    _shade(axes, Facts(good=finding["good"], diverges_from=None), axes.get_xlim())
    for repeat in test["repeats"]:
        axes.plot(repeat["rates"], repeat["losses"], color=LIGHT.ink, linewidth=1.2, alpha=0.6)
    if test["suggested"] is not None:
        axes.axvline(test["suggested"], color=SUGGESTED, linewidth=1.8, linestyle=(0, (4, 2)))
        axes.text(
            test["suggested"],
            1.01,
            f"suggested: {setting(test['suggested'])}",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8.5,
            color=SUGGESTED,
            weight="bold",
        )
    return drawing


def _each(test: Facts, key: str, most: Callable[[list[float]], float]) -> float:
    return most(
        [
            value
            for repeat in test["repeats"]
            for value in repeat[key]
            if value is not None and np.isfinite(value)
        ]
    )


def worst_loss(finding: Facts) -> float:
    """The top of an axis of losses: half more than guessing costs, ln(classes). What diverges goes beyond."""
    classes = finding["dataset"]["classes"] or len(finding["dataset"]["class_names"] or [])
    return 1.5 * float(np.log(classes)) if classes > 1 else float("inf")
