"""Cross-validation of rungs: with few images, the choice rests on all of them.

The training and validation images are divided into folds. Test images are in none. The run of a
fold is trained without validation images, and predicts the images of its fold.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import Folds, SplitDataset, make_folds, most_folds
from headstart.evaluation import (
    SelectionMetric,
    apply_temperature,
    compute_metrics,
    fit_temperature,
)
from headstart.formatting import counted
from headstart.results import PartMetrics
from headstart.studies._folds import AUTO_FOLDS, AUTO_IMAGES, AUTO_TEST_IMAGES, FOLD_WEIGHTS
from headstart.studies.fit._clock import FitClock
from headstart.studies.fit._fixed_recipe import fixed_recipe
from headstart.studies.fit._rung import FoldScores, RungResult
from headstart.training import TrainingJob, Watch, read_probabilities, train

FOLDS = AUTO_FOLDS
# With fewer, the model of a fold would lack half of the images of a class.
_LEAST_FOLDS = 3


@dataclass(frozen=True)
class FitFolds:
    """The folds of the training and validation images of a study.

    Attributes:
        folds: The folds.
        data: The data with the split of the study, without test images.
        metric: The metric of the selection.
    """

    folds: Folds
    data: SplitDataset
    metric: SelectionMetric

    @property
    def count(self) -> int:
        """The number of folds."""
        return self.folds.count

    @property
    def images(self) -> NDArray[np.int64]:
        """Dataset indices of the training and validation images, int64 of shape (N,), ascending."""
        return self.folds.images

    @property
    def validation_places(self) -> NDArray[np.int64]:
        """Places of the validation images among `images`, int64 of shape (n,)."""
        return np.searchsorted(self.images, self.data.split.validation)

    def evaluate(
        self, result: RungResult, clock: FitClock, watch: Watch | None = None
    ) -> FoldScores | None:
        """Cross-validate the recipe of a finished rung.

        Finished folds are read, so an interrupted cross-validation continues.

        Args:
            result: The result on the split of the study.
            clock: The clock of the study.
            watch: Called after each step.

        Returns:
            The scores; None if the time does not allow the folds that are left.

        Raises:
            RunFailed: A fold failed.
            Stopped: A signal asked to stop.
        """
        started, classes = time.perf_counter(), len(self.data.class_names)
        raw = np.zeros((len(self.images), classes), np.float32)
        for fold in range(self.folds.count):
            folder = result.folder.with_name(f"{result.folder.name}-fold{fold + 1}")
            seconds = time.perf_counter() - started
            needed = (self.folds.count - fold) * seconds / max(1, fold)
            is_finished = (folder / "metrics.json").exists()
            if fold and not is_finished and needed > clock.left():
                return None
            self._train(result, fold, folder, watch)
            in_fold = self.folds.fold_of[0] == fold
            _, raw[in_fold] = read_probabilities(folder, "test", self.data.class_names)
            store.remove_sealed(folder, FOLD_WEIGHTS)
            for name in ("checkpoint", "state"):
                if (folder / name).exists():
                    store.remove_folder(folder / name)
        return self._score(raw, round(time.perf_counter() - started, 2))

    def scores_of(self, raw: NDArray[np.float32]) -> PartMetrics:
        """Return the scores of probabilities of all images, of shape (N, K)."""
        dataset = self.data.dataset
        groups = None if dataset.groups is None else dataset.groups[self.images]
        metrics = compute_metrics(dataset.labels[self.images], raw, groups)
        return PartMetrics(**metrics.as_json(), class_names=self.data.class_names)

    def _train(self, result: RungResult, fold: int, folder: Path, watch: Watch | None) -> None:
        data = self.folds.data(0, fold)
        job = TrainingJob(fixed_recipe(result), data, result.rung.seed, folder, watch=watch)
        with progress.muted():
            train(job)

    def _score(self, raw: NDArray[np.float32], seconds: float) -> FoldScores:
        labels = self.data.dataset.labels[self.images]
        probabilities = apply_temperature(raw, fit_temperature(labels, raw))
        return FoldScores(
            labels=labels,
            raw=raw,
            probabilities=probabilities,
            score=self.metric.score(labels, probabilities),
            parts=self.scores_of(raw).scores(),
            seconds=seconds,
        )


def fit_folds(data: SplitDataset, metric: SelectionMetric) -> FitFolds | None:
    """Return the folds of a study with few images; None for one with enough validation images.

    As with `compare --folds auto`, folds are used if there are fewer than 1,000 images and fewer
    than 200 of them select. Here these are the training and validation images. There are five
    folds, or as many as the smallest class has images that are neither copies nor of one group, but
    at least three (benchmarks/fit_choice.md).

    Args:
        data: The data, without test images.
        metric: The metric of the selection.
    """
    split = data.split
    images = np.union1d(split.train, split.validation)
    if len(images) >= AUTO_IMAGES or len(split.validation) >= AUTO_TEST_IMAGES:
        return None
    count = min(FOLDS, most_folds(data, images))
    if count < _LEAST_FOLDS:
        progress.say(
            "the images are not cross-validated: a class has fewer than "
            f"{_LEAST_FOLDS} training and validation images that are neither copies nor of one "
            f"group. {counted(len(split.validation), 'validation image')} will select the "
            "classifier, which is little evidence: add images of small classes"
        )
        return None
    return FitFolds(make_folds(data, count, 1, has_validation=False, images=images), data, metric)
