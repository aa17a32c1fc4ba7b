"""The figure of a fit: the score of each rung, and the best choice so far, against time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.report.figures._canvas import new_figure
from headstart.report.figures._style import LIGHT
from headstart.results import FitFinding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST_SPAN = 0.02
_SHARES = ("accuracy", "balanced-accuracy", "macro-f1")  # metrics that are shown in percent


def fit_progress_figure(finding: FitFinding) -> Figure:
    """Draw the best score so far against seconds, with one mark per rung."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(7.2, 3.4)
    axes = figure.subplots()
    history = finding.history
    seconds = [step.seconds for step in history]
    scores, best = [step.score for step in history], [step.best for step in history]
    chosen = {member.name for member in finding.chosen.members}

    axes.step(seconds, best, where="post", color=LIGHT.ink, linewidth=1.8, label="best so far")
    for is_part, label in ((True, "part of the classifier"), (False, "other rungs")):
        steps = [step for step in history if (step.name in chosen) is is_part]
        if steps:
            axes.plot(
                [step.seconds for step in steps],
                [step.score for step in steps],
                linestyle="",
                marker="o" if is_part else "D",
                markersize=6,
                markeredgewidth=0,
                color=LIGHT.accent(0) if is_part else LIGHT.soft,
                label=label,
            )
    low, high = min(scores), max([*scores, *best])
    margin = 0.1 * max(high - low, _LEAST_SPAN)
    axes.set(
        ylim=(low - margin, high + margin),
        xlim=(0, 1.05 * max(seconds)),
        xlabel="seconds",
        ylabel=f"validation {finding.metric}",
    )
    if finding.metric in _SHARES:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.tick_params(length=0)
    figure.legend(
        loc="outside lower center", ncols=3, frameon=False, fontsize=8, labelcolor=LIGHT.soft
    )
    return figure
