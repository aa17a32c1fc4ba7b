"""Comparison of two learning curves: accuracy against the number of labels.

Answers where the curves cross, and how many labels one model needs to match the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._fold_tests import fold_deviations
from headstart.evaluation._grouped_images import ImageGroups, IntArray, groups_to_resample
from headstart.evaluation._paired_tests import BoolArray

_RESAMPLES = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelEstimate:
    """A number of labels, interpolated between the numbers that were tried.

    Attributes:
        value: The estimate. 0 stands for fewer labels than were tried, infinity for more.
        interval: 95% confidence interval. Its bounds can also be 0 or infinity.
    """

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class CurveComparison:
    """Two learning curves on the same images, with resampled versions.

    Attributes:
        labels: Numbers of labels of shape (C,), ascending.
        a: Mean accuracies over seeds of the first model, of shape (C,).
        b: Mean accuracies over seeds of the second model, of shape (C,).
        draws: Resampled accuracies of a and b, of shape (resamples, 2, C).
    """

    labels: Floats
    a: Floats
    b: Floats
    draws: Floats

    def crossing(self) -> LabelEstimate:
        """Estimate the number of labels from which b stays at least as accurate as a.

        Returns:
            Infinity if b is less accurate with the largest number of labels.
        """
        return self._estimate(lambda a, b: _last_crossing(self.labels, b - a))

    def matching(self, index: int) -> LabelEstimate:
        """Estimate the number of labels that b needs for the accuracy of a.

        Args:
            index: The accuracy to reach is that of a with `labels[index]`.
        """
        return self._estimate(lambda a, b: _first_reaching(self.labels, b, a[index]))

    def _estimate(self, statistic: Callable[[Floats, Floats], float]) -> LabelEstimate:
        values = [statistic(a, b) for a, b in self.draws]
        # This quantile method never averages two values, some of which are infinite.
        low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
        return LabelEstimate(statistic(self.a, self.b), (float(low), float(high)))


def compare_curves(
    labels: Sequence[int],
    a: BoolArray,
    b: BoolArray,
    seed: int = 0,
    groups: IntArray | None = None,
    fold_of: IntArray | None = None,
) -> CurveComparison:
    """Resample two learning curves over images and seeds, or over folds.

    Images are drawn with replacement, the same ones for all points of both curves. If groups are
    known, whole groups are drawn. Ten to thirty groups vary too little when they are resampled,
    which is corrected with G / (G - 1) and a t variable, as for seeds.

    Seeds are resampled with a multiplier bootstrap. The deviation of each seed from the mean, over
    both curves together, is multiplied by a normal variable. The sum is multiplied by the ratio of
    a t variable to a normal variable with S - 1 degrees of freedom. Three seeds drawn with
    replacement would never exceed their own range. With 2 (S - 1) degrees of freedom, as if each
    curve had its own normal variables, the coverage is too low if seeds differ, and
    tests/evaluation/test_label_curves.py fails. `benchmarks/evidence.py crossing` measures the
    coverage.

    With folds, the deviations are those of the folds, with the variance of `fold_test`. Subsets of
    the training images overlap less than whole training sets do, so this variance is an upper one.

    Args:
        labels: Numbers of labels, ascending.
        a: Boolean array of shape (C, S, N). True where the first model, trained with `labels[c]`
            labels and seed s, classifies image n correctly.
        b: The same for the second model, with the same seeds (and therefore the same labelled
            images) and the same test images. With a single seed, only images are resampled.
        seed: Seed of the resampling. The same seed gives the same intervals.
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, groups are resampled instead of images.
        fold_of: Folds of a repeated cross-validation, int64 of shape (S, N), or None. Groups are
            whole in each fold, and not needed.

    Returns:
        Both curves and their resampled draws, from which intervals are computed.

    Raises:
        InputError: The shapes differ or the labels are not ascending.

    References:
        Images: Efron and Tibshirani (1993), chapter 13. Multipliers: Mammen (1993), "Bootstrap and
        wild bootstrap for high dimensional linear models".
    """
    _check(labels, a, b)
    rng = np.random.default_rng(seed)
    both = np.stack([a, b])
    per_seed = both.mean(axis=3)
    means = per_seed.mean(axis=2)
    if fold_of is not None:
        draws = means + _draw_over_folds(both, fold_of, rng)
        return CurveComparison(np.asarray(labels, np.float64), means[0], means[1], draws)

    resampled = groups_to_resample(groups, both.shape[3])
    per_image = both.mean(axis=2)
    if resampled is None:
        draws = _resample_images(per_image, rng)
    else:
        draws = _resample_groups(per_image, resampled, rng)

    seeds = both.shape[2]
    if seeds > 1:
        deviations = (per_seed - means[..., None]) / (seeds * (seeds - 1)) ** 0.5
        draws = draws + _multiply(deviations, rng)
    return CurveComparison(np.asarray(labels, np.float64), means[0], means[1], draws)


def _check(labels: Sequence[int], a: BoolArray, b: BoolArray) -> None:
    has_shapes = a.ndim == 3 and a.shape == b.shape and len(a) == len(labels) and a.size > 0
    if not has_shapes:
        raise InputError(
            f"invalid shapes: expected ({len(labels)}, seeds, images) for both models, "
            f"got {a.shape} and {b.shape}."
        )
    if sorted(set(labels)) != list(labels):
        raise InputError(f"invalid labels: expected ascending numbers, got {list(labels)}.")


def _multiply(deviations: Floats, rng: np.random.Generator) -> Floats:
    """Draw errors of mean accuracies from the deviations of J seeds or folds.

    Args:
        deviations: Array of shape (2, C, J), divided so that its sum of squares over J estimates
            the variance of the mean.
        rng: Generator of the draws.

    Returns:
        Errors of shape (resamples, 2, C).
    """
    count = deviations.shape[2]
    normal = rng.normal(size=(_RESAMPLES, count))
    t_ratio = np.sqrt((count - 1) / rng.chisquare(count - 1, size=(_RESAMPLES, 1)))
    return np.asarray(np.einsum("kcs,rs->rkc", deviations, normal * t_ratio))


def _draw_over_folds(correct: BoolArray, fold_of: IntArray, rng: np.random.Generator) -> Floats:
    """Draw errors of mean accuracies over folds, of shape (resamples, 2, C).

    Args:
        correct: Boolean array of shape (2, C, R, N).
        fold_of: Int64 array of shape (R, N).
        rng: Generator of the draws.

    References:
        Nadeau and Bengio (2003), as in `fold_test`.
    """
    curves = [
        [fold_deviations(point.astype(np.float64), fold_of) for point in curve] for curve in correct
    ]
    deviations = np.array(curves)
    folds, count = int(fold_of.max()) + 1, deviations.shape[2]
    scale = (1 / count + 1 / (folds - 1)) / (count - 1)
    return _multiply(deviations * scale**0.5, rng)


def _resample_images(correct: Floats, rng: np.random.Generator) -> Floats:
    """Return the mean accuracies of resampled sets of images.

    Args:
        correct: Shares of seeds with a correct prediction, of shape (2, C, N).
        rng: Generator of the resamples.

    Returns:
        Accuracies of shape (resamples, 2, C).
    """
    flat = correct.reshape(-1, correct.shape[2]).T.astype(np.float32)
    images = len(flat)
    accuracies = np.empty((_RESAMPLES, flat.shape[1]))
    for resample in range(_RESAMPLES):
        rows = rng.integers(images, size=images)
        weights = np.bincount(rows, minlength=images).astype(np.float32)
        accuracies[resample] = weights @ flat / images
    return accuracies.reshape(_RESAMPLES, *correct.shape[:2])


def _resample_groups(correct: Floats, groups: ImageGroups, rng: np.random.Generator) -> Floats:
    """Return the mean accuracies of sets of images that are made of resampled groups.

    Args:
        correct: Shares of seeds with a correct prediction, of shape (2, C, N).
        groups: The groups of the images.
        rng: Generator of the resamples.

    Returns:
        Accuracies of shape (resamples, 2, C).
    """
    sums = groups.sums(correct).reshape(-1, groups.count).T
    accuracies = np.empty((_RESAMPLES, sums.shape[1]))
    for resample in range(_RESAMPLES):
        rows = rng.integers(groups.count, size=groups.count)
        weights = np.bincount(rows, minlength=groups.count).astype(np.float64)
        accuracies[resample] = weights @ sums / (weights @ groups.sizes)

    freedom = groups.count - 1
    t_ratio = np.sqrt(freedom / rng.chisquare(freedom, size=(_RESAMPLES, 1)))
    mean = correct.mean(axis=2).reshape(-1)
    deviations = (accuracies - mean) * (groups.count / freedom) ** 0.5 * t_ratio
    draws: Floats = (mean + deviations).reshape(_RESAMPLES, *correct.shape[:2])
    return draws


def _last_crossing(labels: Floats, lead: Floats) -> float:
    """Return the last zero of `lead`, which is linear in the logarithm of `labels`.

    Returns:
        0 if `lead` is never negative, infinity if it is negative at the end.
    """
    behind = np.flatnonzero(lead < 0)
    if not len(behind):
        return 0.0
    if behind[-1] + 1 == len(lead):
        return float("inf")
    return _interpolate(labels, lead, int(behind[-1]), 0.0)


def _first_reaching(labels: Floats, curve: Floats, accuracy: float) -> float:
    """Return where `curve`, linear in the logarithm of `labels`, first reaches an accuracy.

    Returns:
        0 if the curve starts above it, infinity if it never reaches it.
    """
    reached = np.flatnonzero(curve >= accuracy)
    if not len(reached):
        return float("inf")
    if reached[0] == 0:
        return float(labels[0]) if curve[0] == accuracy else 0.0
    return _interpolate(labels, curve, int(reached[0]) - 1, accuracy)


def _interpolate(labels: Floats, values: Floats, index: int, value: float) -> float:
    """Return where `values` takes a value between two points, on a logarithmic label axis."""
    share = (value - values[index]) / (values[index + 1] - values[index])
    return float(labels[index] ** (1 - share) * labels[index + 1] ** share)
