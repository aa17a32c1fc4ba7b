"""The weights of an ensemble, selected greedily on validation data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

Score = Callable[[NDArray[np.int64], NDArray[np.float32]], float]
_Rank = tuple[float, float]

_BAGS = 10
_ROUNDS = 20
# Bagging protects small validation sets. More images than this per bag only cost time.
_LARGEST_BAG = 2_000
# A smaller weight changes no prediction worth the time of one more network.
_LEAST_WEIGHT = 0.05
# A member must lower the Brier score by more than this many standard errors. With 1 instead of 0.5,
# ensembles of eight similar members lost 0.5 points of accuracy on 50 images, and nothing on 500
# (simulated, 30 repetitions).
_STANDARD_ERRORS = 0.5


def select_ensemble(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    score: Score,
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Select the members of an ensemble and their weights, on validation images.

    Greedy selection with replacement adds the member that improves the score of the mean most. It
    starts from the best members, as many as have the best mean. Among equal scores, the lower Brier
    score decides: on few images, many ensembles have the same accuracy.

    Three guards keep a small validation set from being overfitted:

    - Members are selected on ten bootstrap samples of the images, and their weights are averaged.
    - The images outside each sample compare the ensemble with the best member of that sample. If
      the ensemble is no better on average, the best member stands alone.
    - A member is removed if the ensemble is as good without it: the score does not fall, and the
      Brier score rises by less than half of its standard error.

    Args:
        probabilities: Float array of shape (M, N, K): of M members, for N validation images. Use
            calibrated probabilities, which the ensemble averages.
        labels: True classes of shape (N,).
        score: A function of labels (N,) and probabilities (N, K). Higher is better, such as
            `SelectionMetric.score`.
        seed: Seed of the bootstrap samples.

    Returns:
        Float64 weights of shape (M,), which sum to 1. Members without use have weight 0. The score
        on these images is never below that of the best member.

    Raises:
        InputError: There are no members or images, or the shapes do not agree.

    References:
        Caruana, Niculescu-Mizil, Crew and Ksikes (2004), Ensemble selection from libraries of
        models, sections 2.1 to 2.3. There, the bags are samples of members. Samples of images and
        the comparison outside them are our own choice.
    """
    _check_shapes(probabilities, labels)
    images = _Images(labels, probabilities, score)
    best = _one_hot(images.best_member(), len(probabilities))
    if len(probabilities) == 1:
        return best

    generator = np.random.default_rng(seed)
    bags: list[NDArray[np.float64]] = []
    gains: list[tuple[float, float]] = []
    for _ in range(_BAGS):
        drawn = generator.integers(0, len(labels), min(len(labels), _LARGEST_BAG))
        outside = np.setdiff1d(np.arange(len(labels)), drawn)
        bag = images.subset(drawn)
        bags.append(bag.select())
        if len(outside):
            alone = _one_hot(bag.best_member(), len(probabilities))
            gains.append(_gain(images.subset(outside), bags[-1], alone))
    if gains and tuple(np.mean(gains, axis=0)) <= (0.0, 0.0):
        return best

    weights = images.prune(np.mean(bags, axis=0))
    return best if images.rank(weights) < images.rank(best) else weights


class _Images:
    """Validation images with the probabilities of all members."""

    def __init__(
        self, labels: NDArray[np.int64], probabilities: NDArray[np.float32], score: Score
    ) -> None:
        self.labels, self.probabilities, self.score = labels, probabilities, score

    def subset(self, rows: NDArray[np.int64]) -> _Images:
        """Return some of the images."""
        return _Images(self.labels[rows], self.probabilities[:, rows], self.score)

    def mean(self, weights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the weighted mean of the members, of shape (N, K)."""
        used = np.flatnonzero(weights)
        parts = np.asarray(weights, np.float32)[used]
        mean = np.tensordot(parts, self.probabilities[used], axes=1)
        return np.asarray(mean, np.float32)

    def errors(self, mean: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the Brier score of each image, of shape (N,)."""
        true = mean[np.arange(len(self.labels)), self.labels]
        return np.asarray(np.square(mean).sum(1) - 2 * true + 1, np.float64)

    def rank_mean(self, mean: NDArray[np.float32]) -> _Rank:
        """Return score and negated Brier score: higher is better, in this order."""
        return self.score(self.labels, mean), -float(self.errors(mean).mean())

    def rank(self, weights: NDArray[np.float64]) -> _Rank:
        """Return the rank of an ensemble."""
        return self.rank_mean(self.mean(weights))

    def best_member(self) -> int:
        """Return the member of the highest rank."""
        ranks = [self.rank_mean(member) for member in self.probabilities]
        return ranks.index(max(ranks))

    def select(self) -> NDArray[np.float64]:
        """Return the weights of a greedy selection with replacement."""
        members = range(len(self.probabilities))
        counts, best = self._start()
        total = np.tensordot(counts, self.probabilities, axes=1).astype(np.float32)
        for size in range(int(counts.sum()) + 1, _ROUNDS + 1):
            ranks = [self.rank_mean((total + self.probabilities[m]) / size) for m in members]
            added = ranks.index(max(ranks))
            if ranks[added] <= best:
                break
            best = ranks[added]
            counts[added] += 1
            total = total + self.probabilities[added]
        weights: NDArray[np.float64] = counts / counts.sum()
        return weights

    def _start(self) -> tuple[NDArray[np.float64], _Rank]:
        """Return the best members whose mean has the highest rank, and this rank."""
        ranks = [self.rank_mean(member) for member in self.probabilities]
        order = sorted(range(len(ranks)), key=ranks.__getitem__, reverse=True)
        starts = []
        for size in range(1, len(order) + 1):
            counts = np.zeros(len(order))
            counts[order[:size]] = 1
            starts.append((self.rank(counts / size), -size, counts))
        rank, _, counts = max(starts, key=lambda start: start[:2])
        return counts, rank

    def prune(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Remove members from the least weight on, while the ensemble is as good without them."""
        for member in np.argsort(weights, kind="stable"):
            if not 0 < weights[member] < 1:
                continue
            without = weights.copy()
            without[member] = 0
            without /= without.sum()
            if weights[member] < _LEAST_WEIGHT or self._is_as_good(without, weights):
                weights = without
        return weights

    def _is_as_good(self, smaller: NDArray[np.float64], larger: NDArray[np.float64]) -> bool:
        """Return whether an ensemble is as good as one of more members."""
        without, with_it = self.mean(smaller), self.mean(larger)
        if self.score(self.labels, without) < self.score(self.labels, with_it):
            return False
        rises = self.errors(without) - self.errors(with_it)
        return bool(rises.mean() <= _STANDARD_ERRORS * rises.std() / np.sqrt(len(rises)))


def _gain(
    images: _Images, weights: NDArray[np.float64], alone: NDArray[np.float64]
) -> tuple[float, float]:
    """Return by how much an ensemble is better than one member, in score and Brier score."""
    ensemble, member = images.rank(weights), images.rank(alone)
    return ensemble[0] - member[0], ensemble[1] - member[1]


def _one_hot(place: int, length: int) -> NDArray[np.float64]:
    weights = np.zeros(length)
    weights[place] = 1
    return weights


def _check_shapes(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    shape = probabilities.shape
    if probabilities.ndim != 3 or 0 in shape or shape[1] != len(labels):
        raise InputError(
            "invalid probabilities: expected an array of shape (members, images, classes) with "
            f"{len(labels)} images, got {shape}.",
            "Stack the probabilities of all members for the same validation images.",
        )
