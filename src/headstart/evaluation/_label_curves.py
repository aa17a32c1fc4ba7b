"""Two learning curves, accuracy against number of labels: where they cross, and how many labels one needs to match the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._paired_tests import BoolArray

_RESAMPLES = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelEstimate:
    """A number of labels that was interpolated between those that were tried.

    Attributes:
        value: 0 where it is below the fewest that were tried, infinity where it is above the most.
        interval: 95%, its ends likewise.
    """

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class CurveComparison:
    """Two learning curves on the same images, and what chance could have made of them.

    Attributes:
        labels: `(C,)` ascending numbers of labels.
        a, b: `(C,)` mean accuracies over seeds.
        draws: `(resamples, 2, C)` accuracies of a and b as they might have come out.
    """

    labels: Floats
    a: Floats
    b: Floats
    draws: Floats

    def crossing(self) -> LabelEstimate:
        """From how many labels on b is ahead of a, or level, as far as the curves go; infinity where b is behind at the end."""
        return self._labels(lambda a, b: _leads_from(self.labels, b - a))

    def matching(self, at: int) -> LabelEstimate:
        """How many labels b needs for the accuracy that a has with `labels[at]`."""
        return self._labels(lambda a, b: _reaches(self.labels, b, a[at]))

    def _labels(self, of: Callable[[Floats, Floats], float]) -> LabelEstimate:
        found = [of(a, b) for a, b in self.draws]
        low, high = np.quantile(
            found, [0.025, 0.975], method="inverted_cdf"
        )  # which never mixes two: some are infinite
        return LabelEstimate(of(self.a, self.b), (float(low), float(high)))


def compare_curves(
    labels: Sequence[int], a: BoolArray, b: BoolArray, seed: int = 0
) -> CurveComparison:
    """Two learning curves, resampled over images and seeds.

    Images are drawn anew with replacement, the same ones for all points of both curves. Seeds are drawn by multiplying what each
    one deviates from the mean, over both curves at once, by a normal number (a multiplier bootstrap), and the sum of these by the
    ratio of a t to a normal variable with S - 1 degrees of freedom: three seeds drawn with replacement would say that their own
    range is all there is. With 2 (S - 1), as if each curve had normal numbers of its own, intervals hold too little where seeds
    differ: tests/evaluation/test_label_curves.py fails. `benchmarks/evidence.py crossing` counts how often they hold the truth.

    Args:
        labels: ascending.
        a, b: `(C, S, N)` booleans: with `labels[c]` labels and seed s, was image n right? The same seeds (so the same labelled
            images) and the same test images for both. With one seed, only images are drawn.
        seed: of the resampling; equal seeds give equal intervals.

    Raises:
        InputError: shapes that differ, or labels that do not ascend.

    Source: Efron and Tibshirani (1993), chapter 13, for images; multipliers as in Mammen (1993), "Bootstrap and wild bootstrap
    for high dimensional linear models".
    """
    if (
        a.shape != b.shape
        or a.ndim != 3
        or len(a) != len(labels)
        or not a.size
        or sorted(set(labels)) != list(labels)
    ):
        raise InputError(
            f"shapes {a.shape} and {b.shape} for {len(labels)} numbers of labels, but wanted is (labels, seeds, images)."
        )
    rng = np.random.default_rng(seed)
    both = np.stack([a, b])
    by_seed = both.mean(axis=3)
    means = by_seed.mean(axis=2)
    draws = _over_images(both.mean(axis=2), rng)
    seeds = both.shape[2]
    if seeds > 1:
        off = (by_seed - means[..., None]) / (seeds * (seeds - 1)) ** 0.5
        freedom = seeds - 1
        multipliers = rng.normal(size=(_RESAMPLES, seeds)) * np.sqrt(
            freedom / rng.chisquare(freedom, size=(_RESAMPLES, 1))
        )
        draws = draws + np.einsum("kcs,rs->rkc", off, multipliers)
    return CurveComparison(np.asarray(labels, np.float64), means[0], means[1], draws)


def _over_images(right: Floats, rng: np.random.Generator) -> Floats:
    """`(resamples, 2, C)` means over resampled images of `(2, C, N)` shares of right answers."""
    flat = right.reshape(-1, right.shape[2]).T.astype(np.float32)
    images = len(flat)
    found = np.empty((_RESAMPLES, flat.shape[1]))
    for number in range(_RESAMPLES):
        weights = np.bincount(rng.integers(images, size=images), minlength=images).astype(
            np.float32
        )
        found[number] = weights @ flat / images
    return found.reshape(_RESAMPLES, *right.shape[:2])


def _leads_from(labels: Floats, lead: Floats) -> float:
    """The last zero of `lead`, linear in the logarithm of `labels`; 0 if it is never negative, infinity if it ends so."""
    behind = np.flatnonzero(lead < 0)
    if not len(behind):
        return 0.0
    return (
        _between(labels, lead, int(behind[-1]), 0.0) if behind[-1] + 1 < len(lead) else float("inf")
    )


def _reaches(labels: Floats, curve: Floats, level: float) -> float:
    """Where `curve`, linear in the logarithm of `labels`, gets to `level`; 0 if it begins above, infinity if it never does."""
    there = np.flatnonzero(curve >= level)
    if not len(there):
        return float("inf")
    if there[0] == 0:
        return float(labels[0]) if curve[0] == level else 0.0
    return _between(labels, curve, int(there[0]) - 1, level)


def _between(labels: Floats, values: Floats, at: int, level: float) -> float:
    share = (level - values[at]) / (values[at + 1] - values[at])
    return float(labels[at] ** (1 - share) * labels[at + 1] ** share)
