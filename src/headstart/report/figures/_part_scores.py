"""The figure of runs without learning curves: accuracy on training, validation and test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.evaluation import wilson_interval
from headstart.formatting import percent, shorten
from headstart.report._study import Entry, RunFolder
from headstart.report.figures._canvas import PAGE, new_figure, percent_axis
from headstart.report.figures._style import LIGHT
from headstart.results import DatasetSummary, Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class PartScore:
    """The accuracy of one run on one part of the split."""

    part: str
    accuracy: float
    interval: Interval
    images: int
    loss: float | None


def part_scores(run: RunFolder, dataset: DatasetSummary) -> tuple[PartScore, ...]:
    """Return the accuracy of a run on the training, validation and test images.

    The training scores are those of the last epoch, so they are absent without curves.

    Args:
        run: The run.
        dataset: The dataset and split of the run.
    """
    scores: list[PartScore] = []
    images = dataset.parts.train.images
    accuracy = float(run.curves["train_accuracy"][-1]) if run.curves else float("nan")
    if np.isfinite(accuracy):
        loss = float(run.curves["train_loss"][-1])
        interval = wilson_interval(round(accuracy * images), images)
        scores.append(PartScore("training", accuracy, interval, images, loss))

    for part in ("validation", "test"):
        metrics = run.scores(part)
        if metrics is not None:
            scores.append(
                PartScore(part, metrics.accuracy, metrics.interval, metrics.n, metrics.loss)
            )
    return tuple(scores)


def part_scores_figure(
    entries: Sequence[tuple[Entry[object], Sequence[PartScore]]],
) -> Figure:
    """Draw the accuracies with their 95% confidence intervals, one row per entry and part."""
    rows: list[tuple[Entry[object], PartScore]] = []
    for entry, scores in entries:
        rows += [(entry, score) for score in scores]

    figure = new_figure(PAGE, 0.9 + 0.42 * len(rows))
    axes = figure.subplots()
    for row, (entry, score) in enumerate(rows):
        colour = LIGHT.accent(entry.place)
        axes.plot(score.interval, [row, row], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot(
            [score.accuracy], [row], "o", color=colour, markersize=8, markeredgecolor=LIGHT.paper
        )
        axes.annotate(
            percent(score.accuracy, score.images),
            (score.accuracy, row),
            (0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=colour,
            weight="bold",
        )
    labels = [f"{shorten(entry.name, 26)}: {score.part}" for entry, score in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set(ylim=(len(rows) - 0.4, -0.8), xlabel="accuracy, with 95% confidence interval")
    percent_axis(axes.xaxis)
    axes.tick_params(length=0)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.spines["left"].set_visible(False)
    return figure
