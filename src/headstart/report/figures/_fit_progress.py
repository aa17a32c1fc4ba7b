"""The figure of a fit: the score of each candidate, and the best choice so far, against time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.evaluation import is_lower_better, is_share, metric_name, shown_score
from headstart.report.figures._canvas import PROGRESS_SIZES, new_figure, percent_axis
from headstart.report.figures._style import LIGHT
from headstart.results import FitFinding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST_SPAN = 0.02  # at least this far from the middle of the scores to both ends of the axis


def fit_progress_figure(
    finding: FitFinding, size: tuple[float, float] = PROGRESS_SIZES["wide"]
) -> Figure:
    """Draw the best score so far against seconds, with one mark per candidate."""
    figure = new_figure(*size)
    axes = figure.subplots()
    history = finding.history
    seconds = [step.seconds for step in history]
    scores = [shown_score(finding.metric, step.score) for step in history]
    best = [shown_score(finding.metric, step.best) for step in history]
    chosen = {member.name for member in finding.chosen.members}

    if len(history) > 1:  # otherwise the legend would name an invisible line
        axes.step(
            seconds,
            best,
            where="post",
            clip_on=False,  # as the marks below
            color=LIGHT.ink,
            linewidth=1.8,
            label="best so far",
        )
    for is_part, label in ((True, "part of the classifier"), (False, "other candidates")):
        places = [place for place, step in enumerate(history) if (step.name in chosen) is is_part]
        if places:
            axes.plot(
                [seconds[place] for place in places],
                [scores[place] for place in places],
                linestyle="",
                marker="o" if is_part else "D",
                markersize=6,
                markeredgewidth=0,
                clip_on=False,  # a mark at 0% or 100% would lose half of itself
                color=LIGHT.accent(0) if is_part else LIGHT.soft,
                label=label,
            )
    low, high = min([*scores, *best]), max([*scores, *best])
    margin = max(0.1 * (high - low), _LEAST_SPAN - (high - low) / 2)
    limits = (low - margin, high + margin)
    if is_share(finding.metric):
        limits = (max(limits[0], 0.0), min(limits[1], 1.0))
    axes.set(
        ylim=limits,
        xlim=(0, 1.05 * max(seconds)),
        xlabel="seconds",
        ylabel=_axis_label(finding.metric),
    )
    if is_share(finding.metric):
        percent_axis(axes.yaxis)
    axes.tick_params(length=0)
    columns = 3 if size == PROGRESS_SIZES["wide"] else 2
    figure.legend(
        loc="outside lower center", ncols=columns, frameon=False, fontsize=8, labelcolor=LIGHT.soft
    )
    return figure


def _axis_label(metric: str) -> str:
    """Return the label of the scores, with the direction if lower ones are better."""
    direction = " (lower is better)" if is_lower_better(metric) else ""
    return f"validation {metric_name(metric)}{direction}"
