"""The choice among finished rungs with few images: by folds, and for other runs by validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.studies.fit._choice import (
    Beaten,
    Choice,
    average,
    best_result,
    choose,
    least_bound,
    within,
    without_copies,
)
from headstart.studies.fit._folds import FitFolds
from headstart.studies.fit._rung import FROZEN, RungResult


def choose_on_folds(
    results: Sequence[RungResult],
    folds: FitFolds,
    *,
    single: bool = False,
    max_ms: float | None = None,
    average_ms: float | None = None,
) -> Choice:
    """Choose on all training and validation images, by folds; for few images.

    Rungs with folds are compared on every image, and so are their averages. A rung without folds is
    chosen if it is better than these on the validation images. Without any folds, it must be better
    than the best frozen head.

    A test of this difference would cost accuracy: the smallest mean loss is that of no test, from
    20 to 180 images (benchmarks/fit_choice.py).

    Args:
        results: The finished rungs.
        folds: The folds of the study.
        single: Whether one run is wanted in any case.
        max_ms: As for `choose`.
        average_ms: As for `choose`.
    """
    data, metric = folds.data, folds.metric
    labels = data.validation_labels
    results = within(without_copies(results), max_ms)
    folded = [result for result in results if result.folds is not None]
    heads = folded or [result for result in results if result.family == FROZEN]
    if not heads:
        bounds = {"max_ms": max_ms, "average_ms": average_ms}
        return choose(results, labels, metric, single=single, **bounds)

    best = max(heads, key=_rank_on_folds)
    choice = Choice((best,), (1.0,), best.score if best.folds is None else best.folds.score)
    if folded and not single:
        stacked = np.stack([result.folds.probabilities for result in folded if result.folds])
        all_labels = data.dataset.labels[folds.images]
        bound = least_bound(max_ms, average_ms)
        choice = average(folded, stacked, all_labels, metric, bound) or choice

    others = [result for result in results if result not in heads]
    if not others:
        return choice
    candidate = best_result(others)
    score = metric.score(labels, choice.validation_probabilities(folds))
    if candidate.score <= score:
        return choice
    beaten = Beaten(choice.short_name, score)
    return Choice((candidate,), (1.0,), candidate.score, beaten)


def _rank_on_folds(result: RungResult) -> tuple[float, float]:
    return result.rank if result.folds is None else result.folds.rank
