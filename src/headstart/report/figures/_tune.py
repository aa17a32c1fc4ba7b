"""The figures of a search: its history, the importance of each key, and all trials over their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.formatting import setting, shorten
from headstart.report._load import Facts, finished
from headstart.report.figures._canvas import figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEST = LIGHT.accent(0)
MARKERS = ("o", "s", "D", "^", "v", "P")
MOST_KEYS, MOST_STEPS = 9, 7
# The share of the trials, from the worst, that may lie below the axis of the history: they would flatten the rest.
SHARE_BELOW = 0.2


def history(finding: Facts) -> Figure:
    """The best validation accuracy so far against seconds; each finished rung of a trial is a dot."""
    from matplotlib.ticker import PercentFormatter

    drawing = figure(7.2, 3.4)
    axes = drawing.subplots()
    seconds = [one["seconds"] for one in finding["history"]]
    best = [one["best_validation"] for one in finding["history"]]
    dots = _dots(finding)
    scores = [accuracy for at in dots.values() for _, accuracy in at] + best
    low, high = float(np.quantile(scores, SHARE_BELOW)), max(scores)
    low = min(max(low - 0.5 * (high - low), min(scores)), best[-1] - 0.005)
    up = (low - 0.06 * (high - low), high + 0.08 * (high - low))
    for place, (epochs, at) in enumerate(dots.items()):
        is_last = epochs == max(dots)
        label = f"after {setting(float(epochs))} epochs"
        style: dict[str, Any] = {
            "color": BEST if is_last else LIGHT.soft,
            "markeredgewidth": 0,
            "alpha": 1.0 if is_last else 0.55,
        }
        inside = [(when, accuracy) for when, accuracy in at if accuracy >= up[0]] or [(0.0, np.nan)]
        axes.plot(
            *zip(*inside, strict=True),
            MARKERS[place % len(MARKERS)],
            markersize=5.5,
            linestyle="",
            label=label,
            **style,
        )
        if below := [when for when, accuracy in at if accuracy < up[0]]:
            axes.plot(
                below,
                [up[0]] * len(below),
                marker=7,
                markersize=6,
                linestyle="",
                clip_on=False,
                **style,
            )
    axes.step(
        seconds, best, where="post", color=LIGHT.ink, linewidth=1.8, label="best so far", zorder=1.5
    )
    axes.set(
        ylim=up, xlim=(0, max(seconds) * 1.03 or 1), xlabel="seconds", ylabel="validation accuracy"
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if up[1] - up[0] > 0.05 else 1))
    axes.tick_params(length=0)
    drawing.legend(
        loc="outside lower center", ncols=4, frameon=False, fontsize=8, labelcolor=LIGHT.soft
    )
    return drawing


def _dots(finding: Facts) -> dict[float, list[tuple[float, float]]]:
    """By epochs of the rung: when it ended, and its accuracy. The n-th line of a trial in the history is its n-th rung."""
    trials = {trial["number"]: trial for trial in finding["trials"]}
    seen: dict[int, int] = {}
    out: dict[float, list[tuple[float, float]]] = {}
    for one in finding["history"]:
        number = one["trial"]
        rungs = (trials.get(number) or Facts())["rungs"] or []
        place = seen[number] = seen.get(number, -1) + 1
        if place < len(rungs) and rungs[place]["accuracy"] is not None:
            out.setdefault(rungs[place]["epochs"], []).append(
                (one["seconds"], rungs[place]["accuracy"])
            )
    return dict(sorted(out.items()))


def importance(finding: Facts) -> Figure:
    """One bar a key, the most important on top."""
    from matplotlib.ticker import PercentFormatter

    shares = sorted(finding["importance"].items(), key=lambda one: -one[1])
    drawing = figure(5.0, 0.9 + 0.32 * len(shares))
    axes = drawing.subplots()
    axes.barh(range(len(shares)), [share for _, share in shares], color=BEST, height=0.62)
    axes.set_yticks(range(len(shares)), [shorten(key, 24) for key, _ in shares])
    axes.set(ylim=(len(shares) - 0.4, -0.6), xlabel="share of the differences between trials")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(length=0)
    axes.grid(axis="y", visible=False)
    return drawing


@dataclass(frozen=True)
class Axis:
    """One key of the space: where its values lie between 0 and 1, and which are named."""

    key: str
    low: float
    high: float
    choices: tuple[str, ...]
    log: bool

    def at(self, value: Any) -> float:
        """The place of `value`; NaN, which breaks a line, where a trial has none or one from elsewhere."""
        if self.choices:
            word = setting(value)
            return (
                (self.choices.index(word) + 0.5) / len(self.choices)
                if word in self.choices
                else np.nan
            )
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or (self.log and value <= 0)
        ):
            return np.nan
        low, high, place = (
            np.log10(end) if self.log else end for end in (self.low, self.high, value)
        )
        return float(np.clip((place - low) / ((high - low) or 1), -0.04, 1.04))

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and names: all choices, the powers of ten, a few whole numbers, or the two ends."""
        if self.choices:
            return [
                ((place + 0.5) / len(self.choices), shorten(choice, 12))
                for place, choice in enumerate(self.choices)
            ]
        ends = [self.low, self.high]
        if self.log:
            powers = [
                10.0**power
                for power in range(-9, 7)
                if self.low * 1.3 < 10.0**power < self.high / 1.3
            ]
            return [(self.at(value), setting(float(value))) for value in [*powers, *ends]]
        steps = (
            range(int(self.low), int(self.high) + 1)
            if all(isinstance(end, int) for end in ends)
            else range(0)
        )
        return [
            (self.at(value), setting(float(value)))
            for value in (steps if 0 < len(steps) <= MOST_STEPS else ends)
        ]


def axes_of(finding: Facts) -> list[Axis]:
    """The keys of the space, the most important first; without a space, what the trials hold."""
    space, shares = finding["space"] or {}, finding["importance"] or {}
    seen: dict[str, list[Any]] = {}
    for trial in finding["trials"]:
        for key, value in trial["values"].items():
            seen.setdefault(key, []).append(value)
    found = [_axis(key, space.get(key), seen[key]) for key in (space or seen) if key in seen]
    return sorted(found, key=lambda axis: -shares.get(axis.key, 0.0))


def _axis(key: str, part: Any, seen: list[Any]) -> Axis:
    if isinstance(part, dict):
        return Axis(key, part["low"], part["high"], (), bool(part["log"]))
    if part is None and all(isinstance(value, float) for value in seen):
        return Axis(key, min(seen), max(seen), (), log=min(seen) > 0 and max(seen) > 30 * min(seen))
    words = (
        part
        if part is not None
        else sorted(set(seen), key=lambda value: (isinstance(value, str), str(value)))
    )
    return Axis(key, 0.0, 1.0, tuple(dict.fromkeys(setting(value) for value in words)), log=False)


def parallel(finding: Facts) -> Figure:
    """Every finished trial as a line over its keys; the better, the stronger; the best thick, the defaults dashed."""
    columns, trials = axes_of(finding)[:MOST_KEYS], finished(finding["trials"])
    losses = [max(trial["rungs"][-1]["loss"], 1e-9) for trial in trials]
    spread = np.log10(losses)
    last = Axis(
        "validation loss",
        10 ** float(spread.min()),
        10 ** float(max(spread.max(), spread.min() + 0.05)),
        (),
        log=True,
    )
    drawing = figure(1.15 * (len(columns) + 1) + 0.4, 3.4)
    axes = drawing.subplots()
    for rank, (trial, loss) in reversed(list(enumerate(zip(trials, losses, strict=True)))):
        slip = 0.05 * ((trial["number"] * 0.618) % 1 - 0.5)  # sets lines apart that share a choice
        heights = [
            axis.at(trial["values"][axis.key]) + slip * bool(axis.choices) for axis in columns
        ] + [last.at(loss)]
        better = 1 - rank / max(len(trials) - 1, 1)
        style: dict[str, Any] = {"color": BEST, "linewidth": 1.3, "alpha": 0.1 + 0.55 * better**2}
        if trial["is_best"]:
            style = {
                "color": BEST,
                "linewidth": 3.0,
                "marker": "o",
                "markersize": 5,
                "zorder": 4,
                "label": "best",
            }
        elif trial["is_default"]:
            style = {
                "color": LIGHT.accent(1),
                "linewidth": 2.0,
                "linestyle": (0, (4, 2)),
                "zorder": 3,
                "label": "defaults",
            }
        axes.plot(range(len(heights)), heights, **style)
    for place, axis in enumerate([*columns, last]):
        _name_axis(axes, place, axis)
    axes.set(xlim=(-0.15, len(columns) + 0.6), ylim=(-0.08, 1.08))
    axes.set_axis_off()
    if axes.get_legend_handles_labels()[0]:
        drawing.legend(
            loc="outside lower center", ncols=2, frameon=False, fontsize=8, labelcolor=LIGHT.soft
        )
    return drawing


def _name_axis(axes: Axes, place: int, axis: Axis) -> None:
    axes.axvline(place, 0.04, 0.96, color=LIGHT.soft, linewidth=0.9, zorder=2)
    axes.text(
        place, 1.1, shorten(axis.key, 16), ha="center", va="bottom", fontsize=8.5, weight="bold"
    )
    for at, word in axis.ticks:
        axes.text(
            place + 0.06, at, word, fontsize=7.5, va="center", color=LIGHT.ink, zorder=6
        ).set_bbox({"facecolor": LIGHT.paper, "alpha": 0.75, "edgecolor": "none", "pad": 0.6})
