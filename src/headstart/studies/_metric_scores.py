"""Scores of contenders by the metric of their recipes, beside the accuracy that is tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headstart.evaluation import SelectionMetric, metric_name, score_text, selection_metric
from headstart.models.recipes import SELECTS_BY_LOSS
from headstart.results import EvaluationPart, MetricScores, read_metrics
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.training import read_probabilities


def metric_scores(entry: ComparisonEntry, part: EvaluationPart) -> MetricScores | None:
    """Return the scores of a contender by its metric; None if it is the loss, which is reported.

    Args:
        entry: The contender with its finished runs.
        part: The part of the split that evaluates.
    """
    name = entry.recipe.metric
    if name in (SELECTS_BY_LOSS, "accuracy"):
        return None
    metric = selection_metric(name)
    per_seed = tuple(_score(run, part, metric) for run in entry.runs.values())
    return MetricScores(name=name, score=float(np.mean(per_seed)), per_seed=per_seed)


def metric_notes(
    entries: Sequence[ComparisonEntry], part: EvaluationPart, images: int
) -> list[str]:
    """Return a sentence with the scores of all contenders by their metric, if they have one.

    Args:
        entries: The contenders with their finished runs.
        part: The part of the split that evaluates.
        images: Number of images that evaluate.
    """
    texts, names = [], []
    for entry in entries:
        scores = metric_scores(entry, part)
        if scores is None:
            continue
        texts.append(f"{entry.name} {score_text(scores.name, scores.score, images)}")
        names.append(metric_name(scores.name))
    if not texts:
        return []
    name = " and ".join(dict.fromkeys(names))
    return [
        f"By {name} on {part} images, as means over runs: {', '.join(texts)}. The verdict tests "
        "the accuracy: there is no paired test of this metric."
    ]


def _score(run: Path, part: EvaluationPart, metric: SelectionMetric) -> float:
    scores = read_metrics(run).part(part)
    assert scores is not None, "a finished run was evaluated on this part"
    labels, probabilities = read_probabilities(run, part, scores.class_names)
    return metric.score(labels, probabilities)
