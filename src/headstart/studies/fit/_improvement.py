"""The test that a candidate must pass on few validation images to replace the best so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import SelectionMetric, exact_mcnemar, groups_to_resample

# One-sided level of the test of one candidate. It is divided by the number of families tested.
LEVEL = 0.05
_RESAMPLES = 1000


def is_improvement(
    labels: NDArray[np.int64],
    candidate: NDArray[np.float32],
    best: NDArray[np.float32],
    metric: SelectionMetric,
    *,
    level: float = LEVEL,
    groups: NDArray[np.int64] | None = None,
) -> bool:
    """Return whether validation images demonstrate that a candidate is better.

    For accuracy, this is McNemar's exact test, which stays valid for a handful of images. For other
    metrics, the candidate must be better in all but a share `level` of 1,000 bootstrap samples, and
    must not be less accurate.

    Args:
        labels: Labels of N validation images, int64 of shape (N,).
        candidate: Probabilities of the candidate, float32 of shape (N, K).
        best: The same of the best so far, by models that had not seen the images either.
        metric: The metric of the selection.
        level: One-sided level.
        groups: Group of each image, int64 of shape (N,), or None. With ten groups or more, the
            units of the test are groups.
    """
    if metric.score(labels, candidate) <= metric.score(labels, best):
        return False
    is_correct, was_correct = candidate.argmax(1) == labels, best.argmax(1) == labels
    if metric.name == "accuracy":
        return bool(exact_mcnemar(is_correct, was_correct, groups).p_value <= 2 * level)
    if is_correct.sum() < was_correct.sum():
        return False

    resampled = groups_to_resample(groups, len(labels))
    units = [np.array([image]) for image in range(len(labels))]
    if resampled is not None:
        units = np.split(resampled.order, resampled.starts[1:])
    generator = np.random.default_rng(0)
    worse = 0
    for _ in range(_RESAMPLES):
        drawn = generator.integers(0, len(units), len(units))
        rows = np.concatenate([units[unit] for unit in drawn])
        gain = metric.score(labels[rows], candidate[rows]) - metric.score(labels[rows], best[rows])
        worse += gain <= 0
    return bool(worse / _RESAMPLES <= level)
