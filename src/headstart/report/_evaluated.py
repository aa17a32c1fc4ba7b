"""The predictions of the runs of an entry, as its statistics take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import accuracy_interval, fold_accuracy_interval
from headstart.report._embedded_data import PartPredictions
from headstart.results import CrossValidation

Predictions = Mapping[tuple[str, str], PartPredictions]


@dataclass(frozen=True)
class Evaluated:
    """The images that the runs of an entry classified correctly.

    Attributes:
        correct: Boolean array of shape (S, N), one row per seed, or per repeat of a
            cross-validation. The images of a repeat are in the order of its folds.
        groups: Int64 array of shape (N,) with the group of each image. None without groups, and
            with folds, which keep groups whole.
        fold_of: Int64 array of shape (S, N) with the fold of each image; None for one split.
    """

    correct: NDArray[np.bool_]
    groups: NDArray[np.int64] | None = None
    fold_of: NDArray[np.int64] | None = None

    @property
    def per_seed(self) -> list[float]:
        """The accuracy of each row."""
        return [float(accuracy) for accuracy in self.correct.mean(axis=1)]

    def interval(self) -> tuple[float, float]:
        """Return the 95% interval of the accuracy."""
        if self.fold_of is not None:
            return fold_accuracy_interval(self.correct, self.fold_of)
        return accuracy_interval(self.correct, groups=self.groups)


def evaluated_runs(
    predictions: Predictions, runs: Sequence[str], part: str, folds: CrossValidation | None
) -> Evaluated | str:
    """Return what the runs of an entry classified correctly.

    Args:
        predictions: The predictions inside a report, by run and part.
        runs: The runs of the entry. Those of a cross-validation are in the order of repeats, and
            of folds within a repeat.
        part: The part of the split.
        folds: The cross-validation of the study; None for one split.

    Returns:
        The predictions; or why there are none, in words.
    """
    known = [predictions[run, part] for run in runs if (run, part) in predictions]
    if not runs or len(known) < len(runs):
        return "its predictions are not in the report"
    if folds is not None and len(known) % folds.folds:
        return "a fold has no finished run"
    count = 1 if folds is None else folds.folds
    repeats = [known[start : start + count] for start in range(0, len(known), count)]
    sizes = {sum(len(run.labels) for run in repeat) for repeat in repeats}
    if len(sizes) != 1:
        return "its runs have different images"

    correct = np.stack(
        [np.concatenate([run.labels == run.predicted for run in repeat]) for repeat in repeats]
    )
    if folds is None:
        return Evaluated(correct, groups=known[0].groups)
    fold_of = np.stack(
        [np.repeat(np.arange(count), [len(run.labels) for run in repeat]) for repeat in repeats]
    )
    return Evaluated(correct, fold_of=fold_of)
