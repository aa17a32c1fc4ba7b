"""Figures of a learning-rate study: scores against the learning rate, and the range test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.formatting import setting
from headstart.report.figures._canvas import PAGE, new_figure, percent_axis
from headstart.report.figures._learning_curves import Limits, Metric
from headstart.report.figures._line_values import name_line
from headstart.report.figures._style import LIGHT
from headstart.results import LearningRateRange, LearningRates, RangeTests, SeedSpread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMMON_RATES = (1e-4, 1e-3, 1e-2, 1e-1)
BEST_COLOUR, SUGGESTED_COLOUR = LIGHT.accent(0), LIGHT.accent(1)

_Measured = list[tuple[float, SeedSpread]]  # learning rate and score


def scores_figure(finding: LearningRates) -> Figure:
    """Draw accuracy and loss side by side."""
    figure = new_figure(PAGE, 2.8)
    left, right = figure.subplots(1, 2)
    _draw_scores(left, finding, "accuracy")
    _draw_scores(right, finding, "loss")
    return figure


def score_panel(finding: LearningRates, metric: Metric) -> Figure:
    """Draw accuracy or loss for the page."""
    figure = new_figure(3.9, 2.8)
    _draw_scores(figure.subplots(), finding, metric)
    return figure


def measured_scores(finding: LearningRates, metric: Metric) -> _Measured:
    """Return the learning rates at which at least one run finished, with their scores."""
    measured: _Measured = []
    for rate in finding.rates:
        scores = rate.part(finding.evaluated_on)
        if scores is not None:
            measured.append((rate.lr, scores.accuracy if metric == "accuracy" else scores.loss))
    return measured


def largest_loss_shown(finding: LearningRates) -> float:
    """Return the end of an axis of losses: 1.5 times ln(classes), the loss of guessing."""
    classes = finding.dataset.classes
    return 1.5 * float(np.log(classes)) if classes > 1 else float("inf")


def _draw_scores(axes: Axes, finding: LearningRates, metric: Metric) -> None:
    """Draw the mean over seeds with its band and the seeds, on a logarithmic axis of rates."""
    measured = measured_scores(finding, metric)
    limits = _score_limits([score for _, score in measured], metric, largest_loss_shown(finding))
    x_limits = (finding.rates[0].lr / 1.6, finding.rates[-1].lr * 1.6)

    _scale_rates(axes, x_limits)
    _scale_scores(axes, metric)
    axes.set(ylim=limits, ylabel=f"{finding.evaluated_on} {metric}")
    _shade_good_range(axes, finding.good)
    _hatch_divergence(axes, finding, x_limits)
    _draw_seeds(axes, measured, limits)
    _draw_best(axes, measured, finding.best, metric, limits)


def _draw_seeds(axes: Axes, measured: _Measured, limits: Limits) -> None:
    """Draw mean, band and seeds. A mean above the axis is an arrow at its end."""
    bottom, top = limits
    rates = [rate for rate, _ in measured]
    mean = np.clip([score.mean for _, score in measured], bottom, top)
    low = np.clip([score.low for _, score in measured], bottom, top)
    high = np.clip([score.high for _, score in measured], bottom, top)
    axes.fill_between(rates, low, high, color=LIGHT.soft, alpha=0.22, linewidth=0)
    (line,) = axes.plot(rates, mean, color=LIGHT.ink, linewidth=1.6, solid_capstyle="round")
    name_line(line, "mean")

    for rate, score in measured:
        visible = [value for value in score.per_seed if bottom <= value <= top]
        axes.plot(
            [rate] * len(visible),
            visible,
            "o",
            color=LIGHT.ink,
            markersize=3,
            alpha=0.55,
            markeredgewidth=0,
        )
        if score.mean > top:
            axes.plot([rate], [top], "^", color=LIGHT.ink, markersize=6, clip_on=False)


def _draw_best(
    axes: Axes, measured: _Measured, best: float | None, metric: Metric, limits: Limits
) -> None:
    bottom, top = limits
    for rate, score in measured:
        if rate != best or score.mean > top:
            continue
        axes.plot(
            [rate],
            [score.mean],
            "D",
            color=BEST_COLOUR,
            markersize=8,
            markeredgecolor=LIGHT.paper,
            zorder=5,
        )
        values = [score.low, score.mean, score.high, *score.per_seed]
        is_accuracy = metric == "accuracy"
        axes.annotate(
            f"best: {setting(rate)}",
            (rate, max(values) if is_accuracy else max(min(values), bottom)),
            (0, 6 if is_accuracy else -13),
            textcoords="offset points",
            ha="center",
            color=BEST_COLOUR,
            weight="bold",
            fontsize=8.5,
        )


def _score_limits(scores: Sequence[SeedSpread], metric: Metric, largest_loss: float) -> Limits:
    """Return the limits of the vertical axis. Losses above `largest_loss` are arrows."""
    if not scores:
        return 0.1, 1.0
    low = min(score.low for score in scores)
    high = max(score.high for score in scores)
    if metric == "loss":
        positive = [score.mean for score in scores if score.mean > 0]
        low = max(low, 0.5 * min(positive, default=1e-3))
        return low / 1.6, 1.15 * max(min(high, largest_loss), 2 * low)

    room = (high - low) or 0.1
    return max(0.0, low - 0.06 * room), high + 0.16 * room  # the best one is named above its point


def _scale_scores(axes: Axes, metric: Metric) -> None:
    from matplotlib.ticker import (
        FixedLocator,
        FuncFormatter,
        NullLocator,
    )

    if metric == "loss":
        ticks = np.outer(10.0 ** np.arange(-6, 3), (1, 1.5, 2, 3, 5, 7)).ravel().tolist()
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        return
    percent_axis(axes.yaxis, 6)


def _scale_rates(axes: Axes, limits: Limits) -> None:
    """Use a logarithmic axis that names the powers of ten, the common rates in bold."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    low, high = limits
    rates = [10.0**power for power in range(-9, 3) if low <= 10.0**power <= high]
    axes.set_xscale("log")
    axes.set(xlim=limits, xlabel="learning rate")
    axes.xaxis.set_major_locator(FixedLocator(rates))
    axes.set_xticklabels([setting(rate) for rate in rates])
    for label, rate in zip(axes.get_xticklabels(), rates, strict=True):
        label.set_fontweight("bold" if rate in COMMON_RATES else "normal")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(length=3)
    axes.tick_params(which="minor", length=0)
    axes.grid(axis="x", which="major", visible=True)


def _shade_good_range(axes: Axes, good: LearningRateRange | None) -> None:
    if good is not None:
        axes.axvspan(good.low / 1.12, good.high * 1.12, color=BEST_COLOUR, alpha=0.13, linewidth=0)


def _hatch_divergence(axes: Axes, finding: LearningRates, limits: Limits) -> None:
    """Hatch the rates from the lowest one at which a seed diverges."""
    border = finding.diverges_from
    if border is None:
        return
    below = [rate.lr for rate in finding.rates if rate.lr < border]
    start = (below[-1] * border) ** 0.5 if below else limits[0]
    axes.axvspan(
        start,
        limits[1],
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


def range_test_figure(finding: LearningRates, tests: RangeTests) -> Figure:
    """Draw the training loss of each range test against the rising learning rate.

    The suggested rate is a dashed line. The range that the study found is shaded.
    """
    rates = np.concatenate([curve.rates for curve in tests.repeats])
    losses = np.concatenate([curve.losses for curve in tests.repeats])
    figure = new_figure(3.9, 2.8)
    axes = figure.subplots()
    _scale_rates(axes, (float(rates.min()), float(rates.max())))
    top = min(float(losses.max()), largest_loss_shown(finding))
    axes.set(ylim=(min(0.0, float(losses.min())), top), ylabel="training loss")

    _shade_good_range(axes, finding.good)
    for number, curve in enumerate(tests.repeats, 1):
        (line,) = axes.plot(curve.rates, curve.losses, color=LIGHT.ink, linewidth=1.2, alpha=0.6)
        name_line(line, f"test {number}")
    axes.axvline(tests.suggested, color=SUGGESTED_COLOUR, linewidth=1.8, linestyle=(0, (4, 2)))
    axes.text(
        tests.suggested,
        1.01,
        f"suggested: {setting(tests.suggested)}",
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=8.5,
        color=SUGGESTED_COLOUR,
        weight="bold",
    )
    return figure
