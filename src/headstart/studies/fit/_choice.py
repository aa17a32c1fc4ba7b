"""The choice among finished rungs, on validation images, and its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.errors import Stopped
from headstart.evaluation import SelectionMetric, select_ensemble
from headstart.signals import deferred_signals
from headstart.studies.fit._folds import FitFolds
from headstart.studies.fit._rung import FROZEN, RungResult, input_px_of

CLASSIFIER = "classifier"  # in the study folder


@dataclass(frozen=True)
class Beaten:
    """The best choice by folds, or the best frozen head, which a run without folds exceeds.

    Attributes:
        name: Its short name.
        score: Its score by the metric of the selection, on the validation images.
    """

    name: str
    score: float


@dataclass(frozen=True, eq=False)
class Choice:
    """One run, or several whose probabilities are averaged.

    Attributes:
        members: The results, the largest weight first.
        weights: Their weights, which sum to 1.
        score: Their score by the metric of the selection, on the validation images, or by folds.
        beaten: What a run without folds was compared with; None in all other cases.
    """

    members: tuple[RungResult, ...]
    weights: tuple[float, ...]
    score: float
    beaten: Beaten | None = None

    @property
    def is_single(self) -> bool:
        """True if one run was chosen."""
        return len(self.members) == 1

    @property
    def short_name(self) -> str:
        """The choice in a few words."""
        if self.is_single:
            return self.members[0].rung.name
        return f"an average of {len(self.members)} runs"

    @property
    def is_cross_validated(self) -> bool:
        """True if every member was predicted by folds."""
        return all(member.folds is not None for member in self.members)

    def out_of_fold(self) -> NDArray[np.float32] | None:
        """Return the probabilities of all images by folds, of shape (N, K); None without folds.

        Those of one run are not calibrated. An average is that of calibrated probabilities.
        """
        folds = [member.folds for member in self.members if member.folds is not None]
        if len(folds) < len(self.members):
            return None
        if self.is_single:
            return folds[0].raw
        return self._mean([scores.probabilities for scores in folds])

    def validation_probabilities(self, folds: FitFolds | None = None) -> NDArray[np.float32]:
        """Return calibrated probabilities of the n validation images, of shape (n, K).

        Args:
            folds: The folds, whose predictions are preferred; None for those of the runs.
        """
        scores = [member.folds for member in self.members if member.folds is not None]
        if folds is None or len(scores) < len(self.members):
            return self._mean([member.probabilities for member in self.members])
        return self._mean([own.probabilities for own in scores])[folds.validation_places]

    def _mean(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        weights = np.asarray(self.weights, np.float32)
        return np.asarray(np.tensordot(weights, np.stack(parts), axes=1), np.float32)

    def weight_of(self, name: str) -> float:
        """Return the weight of a rung; 0 if it is not part of the choice."""
        for member, weight in zip(self.members, self.weights, strict=True):
            if member.rung.name == name:
                return weight
        return 0.0


def choose(
    results: Sequence[RungResult],
    labels: NDArray[np.int64],
    metric: SelectionMetric,
    *,
    single: bool = False,
    max_ms: float | None = None,
    average_ms: float | None = None,
) -> Choice:
    """Choose on the validation images: the best run, or an average of several if it is better.

    Args:
        results: The finished rungs.
        labels: Labels of the validation images, int64 of shape (N,).
        metric: The metric of the selection. Among equal scores of runs, the loss decides.
        single: Whether one run is wanted in any case.
        max_ms: The most milliseconds per image; None without a bound. If no run is that fast, the
            fastest is chosen. Members of an average count together.
        average_ms: The same for averages only, where less time is left to evaluate one.
    """
    results = within(without_copies(results), max_ms)
    best = best_result(results)
    alone = Choice((best,), (1.0,), best.score)
    members = [result for result in results if not result.ended_as_head]
    if single or not members:
        return alone
    stacked = np.stack([result.probabilities for result in members])
    averaged = average(members, stacked, labels, metric, least_bound(max_ms, average_ms))
    if averaged is None or (best.ended_as_head and best.score >= averaged.score):
        return alone
    return averaged


def average(
    results: Sequence[RungResult],
    stacked: NDArray[np.float32],
    labels: NDArray[np.int64],
    metric: SelectionMetric,
    max_ms: float | None,
) -> Choice | None:
    """Return an average of several results that is better than one; None if there is none.

    If it is too slow, as many of its members as are fast enough together are averaged instead.

    Args:
        results: M results.
        stacked: Their calibrated probabilities, float32 of shape (M, N, K).
        labels: Labels of these images, int64 of shape (N,).
        metric: The metric of the selection.
        max_ms: The most milliseconds per image of all members together; None without a bound.
    """
    members = range(len(results))
    chosen = _average_of(members, results, stacked, labels, metric)
    if chosen is None or max_ms is None or _ms_together(chosen.members) <= max_ms:
        return chosen

    places = [place for place in members if chosen.weight_of(results[place].rung.name)]
    best = max(metric.score(labels, stacked[place]) for place in members)
    for size in range(len(places) - 1, 1, -1):
        averages = []
        for part in combinations(places, size):
            if _ms_together([results[place] for place in part]) <= max_ms:
                averages.append(_average_of(part, results, stacked, labels, metric))
        better = [smaller for smaller in averages if smaller is not None and smaller.score > best]
        if better:
            return max(better, key=lambda smaller: smaller.score)
    return None


def _average_of(
    places: Sequence[int],
    results: Sequence[RungResult],
    stacked: NDArray[np.float32],
    labels: NDArray[np.int64],
    metric: SelectionMetric,
) -> Choice | None:
    """Return an average of the results at these places; None if one alone is as good."""
    if len(places) == 1:
        return None
    probabilities = stacked[list(places)]
    weights = select_ensemble(probabilities, labels, metric.score)
    order = sorted(np.flatnonzero(weights).tolist(), key=lambda place: -weights[place])
    if len(order) == 1:
        return None
    mean = np.asarray(np.tensordot(weights, probabilities, axes=1), np.float32)
    return Choice(
        tuple(results[places[place]] for place in order),
        tuple(float(weights[place]) for place in order),
        metric.score(labels, mean),
    )


def least_bound(first: float | None, second: float | None) -> float | None:
    """Return the lower of two bounds, of which each may be None."""
    bounds = [bound for bound in (first, second) if bound is not None]
    return min(bounds, default=None)


def without_copies(results: Sequence[RungResult]) -> list[RungResult]:
    """Return the results without fine-tunings that ended as the head of a frozen rung.

    Such a result is the classifier of that rung again: the same backbone at the same image size.
    It averages over mirror images if the data have them, so it takes twice as long per image.
    """
    heads = [result for result in results if result.family == FROZEN and result.is_solved]
    return [result for result in results if not _is_copy(result, heads)]


def _is_copy(result: RungResult, heads: Sequence[RungResult]) -> bool:
    """Return whether a fine-tuning ended as one of these heads."""
    if not result.ended_as_head:
        return False
    recipes = [head.rung.recipe for head in heads]
    pairs = [(recipe.model, input_px_of(recipe)) for recipe in recipes]
    return (result.rung.recipe.model, input_px_of(result.rung.recipe)) in pairs


def best_result(results: Sequence[RungResult]) -> RungResult:
    """Return the result with the highest score, and the lowest loss among equal scores."""
    return max(results, key=lambda result: result.rank)


def within(results: Sequence[RungResult], max_ms: float | None) -> list[RungResult]:
    """Return the results of runs that predict fast enough; the fastest if there is none."""
    if max_ms is None:
        return list(results)
    fast = [result for result in results if _ms_per_image(result) <= max_ms]
    return fast or [min(results, key=_ms_per_image)]


def _ms_per_image(result: RungResult) -> float:
    return result.metrics.predict_ms_per_image or 0.0


def _ms_together(results: Sequence[RungResult]) -> float:
    return sum(_ms_per_image(result) for result in results)


def keep_best_so_far(best: RungResult, study: Path, *, is_new: bool) -> None:
    """Copy the best run into the study folder, in place of the earlier one.

    Args:
        best: The best run.
        study: The study folder.
        is_new: Whether another run was best before. If not, a copy that is there stays.
    """
    if not is_new and (study / CLASSIFIER).exists():
        return
    with replaced_classifier(study) as folder:
        store.copy_folder(best.folder, folder)


@contextmanager
def replaced_classifier(study: Path) -> Iterator[Path]:
    """Replace the classifier of a study by the folder that the block fills.

    Yields:
        A path at which the block creates the folder. If the block fails, the earlier one stays.

    Raises:
        Stopped: A signal asked to stop while one folder replaced the other.
    """
    folder, building = study / CLASSIFIER, study / f"{CLASSIFIER}-new"
    if building.exists():
        store.remove_folder(building)
    yield building
    with deferred_signals() as stop:
        store.replace_folder(building, folder)
    if stop.signum is not None:
        raise Stopped(stop.signum, f"stopped after {folder} was written.")
