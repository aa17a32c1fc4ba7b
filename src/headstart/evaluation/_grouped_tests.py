"""Tests and intervals of trained models where groups of images are resampled, not images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation._grouped_images import (
    Floats,
    ImageGroups,
    IntArray,
    design_of_accuracy,
    design_of_difference,
)

_MAX_DRAWS = 20_000_000  # resampled groups in all: about 0.3 s
_FEWEST_RESAMPLES = 2000
_BLOCK_DRAWS = 2_000_000  # resampled groups in memory at the same time


def grouped_wilson_interval(
    correct: NDArray[np.bool_], groups: ImageGroups, level: float = 0.95
) -> tuple[float, float]:
    """Return a Wilson interval of an accuracy over groups of images.

    The number of images is divided by the design effect: 41 groups whose images are alike are not
    worth more than 41 images. The quantile is that of a t distribution, because the design effect
    is an estimate.

    Args:
        correct: Boolean array of shape (N,). True where the prediction is correct.
        groups: The groups of the images.
        level: Confidence level in (0, 1).

    References:
        Wilson (1927) with the effective number of images: Korn and Graubard (1998) and Franco,
        Little, Louis and Slud (2019), who compare such intervals of proportions.
    """
    from scipy.stats import t

    values = correct.astype(np.float64)
    design = design_of_accuracy(values, groups)
    n = groups.images / design.effect
    quantile = float(t.ppf((1 + level) / 2, design.degrees_of_freedom))
    return wilson_bounds(float(values.mean()), n, quantile)


def wilson_bounds(mean: float, n: float, quantile: float) -> tuple[float, float]:
    """Return the bounds of a Wilson interval.

    Args:
        mean: The accuracy.
        n: Effective number of images.
        quantile: Quantile of the normal or t distribution.
    """
    shrunk = quantile**2 / n
    centre = (mean + shrunk / 2) / (1 + shrunk)
    margin = (mean * (1 - mean) * shrunk + shrunk**2 / 4) ** 0.5 / (1 + shrunk)
    return max(0.0, centre - margin), min(1.0, centre + margin)


def sign_flip_p_value(sums: IntArray) -> float:
    """Return the two-sided p-value of a sign-flip test of whole groups.

    If both models have the same accuracy, each group is as likely to favour one of them by its
    difference as the other one by the same difference. All 2^G choices of signs are counted, by
    adding up the distributions of groups with equal differences. So the p-value is exact for any
    number of groups. For groups of one image this is the exact McNemar test.

    Args:
        sums: Int64 array of shape (G,): for each group, the number of images that only the first
            model classifies correctly, minus the number that only the second one does.

    References:
        Fisher (1935), section 21; for groups, Winkler, Webster, Vidaurre, Nichols and Smith (2015).
    """
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    total = int((sizes * counts).sum())
    if total == 0:
        return 1.0

    # The distribution of the sum over the groups that favour the first model, from 0 to `total`.
    distribution = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        of_this_size = np.zeros(size * count + 1)
        of_this_size[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        distribution = np.convolve(distribution, of_this_size)

    extreme = (total + abs(int(sums.sum()))) // 2
    return min(1.0, 2 * float(distribution[extreme:].sum()))


def grouped_bootstrap(
    differences: Floats, groups: ImageGroups, seed: int, resamples: int, level: float
) -> tuple[float, float]:
    """Return a bootstrap interval of a mean difference, with groups drawn with replacement.

    The quantiles are further out than those of a percentile interval. With few groups, resamples
    vary too little, by (G - 1) / G, and a normal quantile is too small.

    Args:
        differences: Float array of shape (N,): difference per image, from -1 to 1.
        groups: The groups of the images.
        seed: Seed of the resampling.
        resamples: Number of resamples. There are fewer, but at least 2,000, for many groups.
        level: Confidence level in (0, 1).

    References:
        Resampling of groups: Davison and Hinkley (1997), section 3.8. Expanded percentiles:
        Hesterberg (2015), "What teachers should know about the bootstrap". Two pseudo-observations
        of the size of one image, times the design effect, keep the width above 0: Agresti and Min
        (2005).
    """
    from scipy.stats import norm, t

    design = design_of_difference(differences, groups)
    freedom = design.degrees_of_freedom
    # The variance over resamples has neither the correction for few groups nor the one for large
    # groups of the design effect.
    residuals = differences - differences.mean()
    resampled_effect = float((groups.sums(residuals) ** 2).sum()) / float((residuals**2).sum() or 1)
    typical = groups.images / groups.count
    pseudo = (design.effect / 2) ** 0.5
    sums = np.append(groups.sums(differences), [pseudo, -pseudo])
    sizes = np.append(groups.sizes, [typical, typical]).astype(np.float64)

    resamples = max(min(resamples, _MAX_DRAWS // groups.count), _FEWEST_RESAMPLES)
    means = _resampled_means(sums, sizes, groups.count, resamples, np.random.default_rng(seed))
    wider = (design.effect / resampled_effect) ** 0.5 if resampled_effect > 0 else 1.0
    quantile = float(t.ppf((1 + level) / 2, freedom)) * wider
    tail = float(norm.sf(quantile))
    low, high = np.quantile(means, [tail, 1 - tail])
    return max(-1.0, float(low)), min(1.0, float(high))


def _resampled_means(
    sums: Floats, sizes: Floats, drawn: int, resamples: int, rng: np.random.Generator
) -> Floats:
    """Return the means over images of resampled groups, of shape (resamples,)."""
    means = np.empty(resamples)
    block = max(1, _BLOCK_DRAWS // drawn)
    for start in range(0, resamples, block):
        rows = rng.integers(len(sums), size=(min(block, resamples - start), drawn))
        means[start : start + block] = sums[rows].sum(axis=1) / sizes[rows].sum(axis=1)
    return means


def prediction_noise(runs: NDArray[np.bool_], groups: ImageGroups | None) -> float:
    """Return the part of the variance of a mean accuracy that is noise of single predictions.

    It is part of the variance over images and of the variance over seeds. With groups, it is what
    remains of the sums over groups without the effects of groups and of seeds: the interaction of
    the two.

    Args:
        runs: Boolean array of shape (S, N) with at least two runs.
        groups: The groups that are resampled, or None for images.

    References:
        The term that two-way clustering subtracts: Cameron, Gelbach and Miller (2011).
    """
    if groups is None:
        return float(runs.var(axis=0, ddof=1).mean()) / runs.size

    residuals = groups.sums(runs.astype(np.int64)) - runs.mean(axis=1)[:, None] * groups.sizes
    shares = groups.sizes / groups.images
    # A group pulls the mean of its run towards itself, as in `design_of_mean`.
    variances = residuals.var(axis=0, ddof=1) / (1 - shares)
    return float(variances.sum()) / (runs.size * groups.images)


def grouped_detectable_effect(
    differences: Floats, groups: ImageGroups, level: float, power: float
) -> float:
    """Return the smallest difference in accuracy that a sign-flip test of groups detects.

    Args:
        differences: Float array of shape (N,): difference per image, from -1 to 1.
        groups: The groups of the images.
        level: Significance level of the two-sided test.
        power: The power with which it is detected.

    Returns:
        A difference in (0, 1]: the quantiles of level and power, times the standard error over
        groups. It is 1 if so few groups cannot reach the level.

    References:
        Bloom (1995), with the standard error of `design_of_mean`.
    """
    from scipy.stats import t

    fewest = math.ceil(1 - math.log2(level))  # smallest G with 2 * 0.5**G <= level
    if groups.count < fewest:
        return 1.0

    design = design_of_difference(differences, groups)
    # The sum of two squared pseudo-observations of 1/2, as in `recipe_test`.
    variance = (float(((differences - differences.mean()) ** 2).sum()) + 1) / groups.images**2
    quantiles = t.ppf([1 - level / 2, power], design.degrees_of_freedom)
    error = math.sqrt(variance * design.effect)
    return min(1.0, float(quantiles.sum()) * error)
