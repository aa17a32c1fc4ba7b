"""Figures of a search: its progress, the importance of each hyper-parameter, and all trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import JsonValue

from headstart.evaluation import is_share, metric_name
from headstart.formatting import setting, shorten
from headstart.report._study import ranked_trials
from headstart.report.figures._canvas import PAGE, PROGRESS_SIZES, new_figure, percent_axis
from headstart.report.figures._fonts import cut_to_width, wrap_to_width
from headstart.report.figures._style import LIGHT
from headstart.results import Trial, Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SETTINGS = 9  # axes of the figure of all trials
_TRIAL_COLUMN, _TRIAL_MARGIN = 1.1, 0.4  # inches
_KEY_SIZE, _TICK_SIZE = 7.0, 6.5  # points
_MAX_INTEGER_TICKS = 7
_MAX_EPOCH_LABELS = 4
_SIMILAR_EPOCHS = 1.5  # the largest ratio within a group
# At most this share of the trials, from the worst, may lie below the axis of the progress figure.
# They would flatten the rest.
_SHARE_BELOW_AXIS = 0.2
_BEST, _DEFAULTS = LIGHT.accent(0), LIGHT.accent(1)
_MARKERS = ("o", "s", "D", "^", "v", "P")

_Dots = list[tuple[float, float]]  # seconds and score


def progress_figure(finding: Tuning, size: tuple[float, float] = PROGRESS_SIZES["wide"]) -> Figure:
    """Draw the best validation score against seconds, with one dot per finished rung.

    The score is that of the metric of the search, and the accuracy if the loss selects.
    """
    figure = new_figure(*size)
    axes = figure.subplots()
    seconds = [progress.seconds for progress in finding.history]
    metric = finding.further_metric or "accuracy"
    best = [
        _shown(metric, progress.best_score, progress.best_validation)
        for progress in finding.history
    ]
    dots = _dots_by_epochs(finding)
    bottom, top = _score_limits(dots, best)

    groups = _similar_epochs(list(dots))
    labels = _epoch_labels(groups)
    for number, (group, label) in enumerate(zip(groups, labels, strict=True)):
        is_last = number == len(groups) - 1
        points = sum((dots[epochs] for epochs in group), _Dots())
        style: dict[str, Any] = {
            "color": _BEST if is_last else LIGHT.soft,
            "markeredgewidth": 0,
            "alpha": 1.0 if is_last else 0.55,
            "linestyle": "",
        }
        visible = [point for point in points if point[1] >= bottom]
        below = [seconds for seconds, score in points if score < bottom]
        axes.plot(
            [seconds for seconds, _ in visible],
            [score for _, score in visible],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5.5,
            label=label,
            **style,
        )
        if below:  # an empty line outside the axes would take space in the layout
            heights = [bottom] * len(below)
            axes.plot(below, heights, marker=7, markersize=6, clip_on=False, **style)

    axes.step(
        seconds, best, where="post", color=LIGHT.ink, linewidth=1.8, label="best so far", zorder=1.5
    )
    axes.set(
        ylim=(bottom, top),
        xlim=(0, max(seconds) * 1.03 or 1),
        xlabel="seconds",
        ylabel=f"validation {metric_name(metric)}",
    )
    if is_share(metric):
        percent_axis(axes.yaxis)
    axes.tick_params(length=0)
    _legend_below(figure, columns=4 if size == PROGRESS_SIZES["wide"] else 2)
    return figure


def _dots_by_epochs(finding: Tuning) -> dict[float, _Dots]:
    """Return the finished rungs: for each number of epochs the times and scores.

    The n-th row of a trial in the history is its n-th rung.
    """
    trials = {trial.number: trial for trial in finding.trials}
    rows_seen: dict[int, int] = {}
    dots: dict[float, _Dots] = {}
    metric = finding.further_metric or "accuracy"
    for progress in finding.history:
        row = rows_seen.get(progress.trial, 0)
        rows_seen[progress.trial] = row + 1
        trial = trials.get(progress.trial)
        if trial is not None and row < len(trial.rungs):
            rung = trial.rungs[row]
            score = _shown(metric, rung.score, rung.accuracy)
            dots.setdefault(rung.epochs, []).append((progress.seconds, score))
    return dict(sorted(dots.items()))


def _shown(metric: str, score: float | None, accuracy: float) -> float:
    """Return the score by a metric; the accuracy if that is the metric, or without a score."""
    return accuracy if metric == "accuracy" or score is None else score


def _similar_epochs(epochs: Sequence[float]) -> list[list[float]]:
    """Return sorted numbers of epochs in groups of similar ones.

    The short runs of a search cost the same, so that their epochs differ a little.
    """
    groups: list[list[float]] = []
    for number in epochs:
        if groups and number <= _SIMILAR_EPOCHS * groups[-1][0]:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _epoch_labels(groups: Sequence[Sequence[float]]) -> list[str | None]:
    """Return the labels of the legend. Many groups below the last one share one label."""
    labels: list[str | None] = []
    for group in groups:
        ends = dict.fromkeys(setting(float(end)) for end in (group[0], group[-1]))
        labels.append(f"after {' to '.join(ends)} epochs")
    if len(groups) <= _MAX_EPOCH_LABELS:
        return labels
    return ["after fewer epochs", *[None] * (len(groups) - 2), labels[-1]]


def _score_limits(dots: dict[float, _Dots], best: Sequence[float]) -> tuple[float, float]:
    """Return limits that show the best so far and all but the worst trials."""
    scores = list(best)
    for points in dots.values():
        scores += [score for _, score in points]
    low, high = float(np.quantile(scores, _SHARE_BELOW_AXIS)), max(scores)
    low = min(max(low - 0.5 * (high - low), min(scores)), best[-1] - 0.005)
    return low - 0.06 * (high - low), high + 0.08 * (high - low)


def importance_figure(finding: Tuning) -> Figure:
    """Draw the importance of each hyper-parameter, the largest on top."""
    shares = ranked_importance(finding)
    figure = new_figure(5.0, 0.9 + 0.32 * len(shares))
    axes = figure.subplots()
    axes.barh(range(len(shares)), [share for _, share in shares], color=_BEST, height=0.62)
    axes.set_yticks(range(len(shares)), [shorten(key, 24) for key, _ in shares])
    axes.set(ylim=(len(shares) - 0.4, -0.6), xlabel="fraction of the variance between trials")
    percent_axis(axes.xaxis)
    axes.tick_params(length=0)
    axes.grid(axis="y", visible=False)
    return figure


def ranked_importance(finding: Tuning) -> list[tuple[str, float]]:
    """Return the hyper-parameters with their importance, the most important first."""
    return sorted(finding.importance.items(), key=lambda item: -item[1])


@dataclass(frozen=True)
class SettingAxis:
    """The axis of one hyper-parameter, from 0 to 1.

    Attributes:
        key: Name of the hyper-parameter.
        low: Smallest value of a range.
        high: Largest value of a range.
        choices: The values of a choice as text; empty for a range.
        is_log: True for a logarithmic range.
    """

    key: str
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()
    is_log: bool = False

    def position(self, value: JsonValue) -> float:
        """Return the position of a value; NaN, which breaks a line, for one outside the space."""
        if self.choices:
            return self._choice_position(setting(value))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return float("nan")
        if self.is_log and value <= 0:
            return float("nan")

        low, high, place = self.low, self.high, float(value)
        if self.is_log:
            low, high, place = np.log10((low, high, place))
        return float(np.clip((place - low) / ((high - low) or 1), -0.04, 1.04))

    def _choice_position(self, choice: str) -> float:
        if choice not in self.choices:
            return float("nan")
        return (self.choices.index(choice) + 0.5) / len(self.choices)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Positions and labels: all choices, powers of ten, a few integers, or both ends."""
        if self.choices:
            return [(self._choice_position(choice), choice) for choice in self.choices]
        return [(self.position(value), setting(float(value))) for value in self._tick_values()]

    def _tick_values(self) -> list[float]:
        ends = [self.low, self.high]
        if self.is_log:
            powers = [10.0**power for power in range(-9, 7)]
            return [*(value for value in powers if 1.3 * self.low < value < self.high / 1.3), *ends]
        if isinstance(self.low, int) and isinstance(self.high, int):
            integers = list(range(self.low, self.high + 1))
            if 0 < len(integers) <= _MAX_INTEGER_TICKS:
                return [float(value) for value in integers]
        return ends


def setting_axes(finding: Tuning) -> list[SettingAxis]:
    """Return the axes of the searched hyper-parameters, the most important first."""
    tried: dict[str, list[JsonValue]] = {}
    for trial in finding.trials:
        for key, value in trial.values.items():
            tried.setdefault(key, []).append(value)

    keys = [key for key in finding.space or tried if key in tried]
    axes = [_setting_axis(key, finding.space.get(key), tried[key]) for key in keys]
    return sorted(axes, key=lambda axis: -finding.importance.get(axis.key, 0.0))


def _setting_axis(key: str, searched: JsonValue, tried: Sequence[JsonValue]) -> SettingAxis:
    """Return the axis of a hyper-parameter.

    Args:
        key: Name of the hyper-parameter.
        searched: Its range or choices in the search space; None if the space is unknown.
        tried: The values of the trials.
    """
    if isinstance(searched, dict):
        low, high = searched["low"], searched["high"]
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            return SettingAxis(key, low, high, is_log=bool(searched.get("log")))

    if isinstance(searched, list):
        choices: Sequence[JsonValue] = searched
    else:
        floats = [value for value in tried if isinstance(value, float)]
        if len(floats) == len(tried):
            low, high = min(floats), max(floats)
            return SettingAxis(key, low, high, is_log=low > 0 and high > 30 * low)
        choices = sorted(tried, key=lambda value: (isinstance(value, str), str(value)))
    return SettingAxis(key, choices=tuple(dict.fromkeys(setting(value) for value in choices)))


def trials_figure(finding: Tuning) -> Figure:
    """Draw each trial as a line across its settings to its validation loss.

    Better trials are more opaque. The best one is thick, the defaults are dashed.
    """
    setting_columns = setting_axes(finding)[:MAX_SETTINGS]
    trials = ranked_trials(finding.trials)
    losses = [max(trial.rungs[-1].loss, 1e-9) for trial in trials]
    highest = max([*losses, min(losses) * 10**0.05])
    loss_axis = SettingAxis("validation loss", min(losses), highest, is_log=True)

    columns = len(setting_columns) + 1
    column_width = min(_TRIAL_COLUMN, (PAGE - _TRIAL_MARGIN) / columns)
    figure = new_figure(column_width * columns + _TRIAL_MARGIN, 3.4)
    axes = figure.subplots()
    for rank in reversed(range(len(trials))):
        trial = trials[rank]
        heights = [*_heights(trial, setting_columns), loss_axis.position(losses[rank])]
        quality = 1 - rank / max(len(trials) - 1, 1)
        axes.plot(range(len(heights)), heights, **_line_style(trial, quality))

    for column, axis in enumerate([*setting_columns, loss_axis]):
        _draw_axis(axes, column, axis, column_width)
    axes.set(xlim=(-0.15, len(setting_columns) + 0.6), ylim=(-0.08, 1.08))
    axes.set_axis_off()
    if axes.get_legend_handles_labels()[0]:
        _legend_below(figure, columns=2)
    return figure


def _heights(trial: Trial, columns: Sequence[SettingAxis]) -> list[float]:
    """Return the positions of a trial; trials that share a choice are drawn slightly apart."""
    offset = 0.05 * ((trial.number * 0.618) % 1 - 0.5)
    heights: list[float] = []
    for axis in columns:
        position = axis.position(trial.values.get(axis.key))
        heights.append(position + offset if axis.choices else position)
    return heights


def _line_style(trial: Trial, quality: float) -> dict[str, Any]:
    if trial.is_best:
        return {
            "color": _BEST,
            "linewidth": 3.0,
            "marker": "o",
            "markersize": 5,
            "zorder": 4,
            "label": "best",
        }
    if trial.is_default:
        return {
            "color": _DEFAULTS,
            "linewidth": 2.0,
            "linestyle": (0, (4, 2)),
            "zorder": 3,
            "label": "defaults",
        }
    return {"color": _BEST, "linewidth": 1.3, "alpha": 0.1 + 0.55 * quality**2}


def _draw_axis(axes: Axes, column: int, axis: SettingAxis, width: float) -> None:
    axes.axvline(column, 0.04, 0.96, color=LIGHT.soft, linewidth=0.9, zorder=2)
    name = wrap_to_width(axis.key, width - 0.05, _KEY_SIZE, "bold")
    axes.text(column, 1.1, name, ha="center", va="bottom", fontsize=_KEY_SIZE, weight="bold")
    background = {"facecolor": LIGHT.paper, "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    for height, label in axis.ticks:
        text = axes.text(
            column + 0.06,
            height,
            cut_to_width(label, 0.9 * width, _TICK_SIZE),
            fontsize=_TICK_SIZE,
            va="center",
            color=LIGHT.ink,
            zorder=6,
        )
        text.set_bbox(background)


def _legend_below(figure: Figure, columns: int) -> None:
    figure.legend(
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=8,
        labelcolor=LIGHT.soft,
    )
