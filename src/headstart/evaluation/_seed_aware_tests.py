"""Recipes, over images and seeds: an accuracy with its interval, and the difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._metrics import wilson_interval
from headstart.evaluation._paired_tests import POWER, BoolArray, as_paired_runs, as_runs

_FEWEST_TO_SHARE = 4
_MEDIAN_EFFICIENCY = 0.64  # of the median against the mean, 2/pi for a normal variable: how many recipes the median is worth
_FAR_ABOVE = 0.999


@dataclass(frozen=True)
class AccuracyDifference:
    """A difference in accuracy, a - b, between two recipes.

    Attributes:
        difference: of the mean accuracies over seeds, in [-1, 1].
        interval: t interval at confidence 1 - level (95% unless told otherwise), within [-1, 1].
        p_value: two-sided.
        standard_error: over images and seeds, never 0.
        degrees_of_freedom: of the t distribution.
        smallest_detectable: smallest true difference this test would show with power 80%; at most 1.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    standard_error: float
    degrees_of_freedom: float
    smallest_detectable: float


def recipe_test(
    correct_a: BoolArray,
    correct_b: BoolArray,
    level: float = 0.05,
    spread: SeedVariance | None = None,
) -> AccuracyDifference:
    """Test whether two recipes differ in accuracy: on other images of this kind and from other seeds, not only these.

    The squared standard error is the sum of the variance over images of the difference (each image's mean over seeds),
    divided by N, and for each recipe the variance of its accuracy over seeds, divided by its number of seeds, less the part
    that is in the first already. The training images are taken as given. With two seeds and recipes of very unequal spread
    over seeds, intervals cover too little (88% at worst): nobody can tell a spread from two runs.

    Args:
        correct_a: `(S_a, N)` booleans: was the image right under the seed?
        correct_b: `(S_b, N)`, about the same images; S_b may differ from S_a.
        level: of the two-sided test.
        spread: over seeds, where other recipes say more of it than these runs: `pooled_seed_variance`.

    Raises:
        InputError: fewer than two seeds of either, not booleans, or different images.

    Source: images and seeds both random, as in the denominator of Clark's (1973) quasi-F; degrees of freedom by Satterthwaite
    (1946); smallest detectable difference (t_{1-level/2} + t_{0.8}) standard errors by Bloom (1995). Two images with
    squared differences of 1/2 are added, one of each sign, so that the variance is never 0: Agresti and Min (2005).
    """
    a, b = as_paired_runs(correct_a, correct_b)
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"{len(a)} and {len(b)} runs: a test of two recipes needs at least two seeds of each.",
            "Add seeds, or compare the two finished models with exact_mcnemar.",
        )
    return accuracy_difference(a, b, level, spread)


@dataclass(frozen=True)
class SeedVariance:
    """Variance of accuracy from seed to seed that the recipes of a grid share, and how well it is known."""

    variance: float
    degrees_of_freedom: float


def pooled_seed_variance(runs: Sequence[BoolArray]) -> SeedVariance | None:
    """The seed-to-seed variance of recipes that differ little, from all of them together; None for fewer than four.

    Two or three seeds of one recipe say next to nothing about their spread; of ten recipes they say a lot. The median of the
    recipes' variances, over that of a chi-squared variable, so that a few wild recipes do not count. Simulated grids without any
    difference, and with one, are in tests/evaluation/test_seed_aware_tests.py.

    Args:
        runs: `(S, N)` booleans of each recipe; those with another number of seeds than most are left out.
    """
    from scipy.stats import chi2

    seeds = int(np.median([len(of) for of in runs]))
    variances = [
        float(of.mean(axis=1).var(ddof=1)) for of in runs if len(of) == seeds and seeds > 1
    ]
    if len(variances) < _FEWEST_TO_SHARE:
        return None
    middle = float(chi2.ppf(0.5, seeds - 1)) / (seeds - 1)
    return SeedVariance(
        float(np.median(variances)) / middle, _MEDIAN_EFFICIENCY * len(variances) * (seeds - 1)
    )


def accuracy_difference(
    a: BoolArray, b: BoolArray, level: float, spread: SeedVariance | None = None
) -> AccuracyDifference:
    """As `recipe_test`; a contender with one row counts as fixed (a floor has no seeds).

    Args:
        spread: over seeds, where more is known of it than these runs tell; a contender that clearly varies more keeps its own.
    """
    from scipy.stats import t

    per_image = a.mean(axis=0) - b.mean(axis=0)
    difference = float(a.mean() - b.mean())
    error, freedom = _standard_error(
        np.append(per_image, [0.5**0.5, -(0.5**0.5)]), a, b, spread=spread
    )
    margin = float(t.ppf(1 - level / 2, freedom)) * error
    return AccuracyDifference(
        difference,
        (max(-1.0, difference - margin), min(1.0, difference + margin)),
        float(2 * t.sf(abs(difference) / error, freedom)),
        error,
        freedom,
        min(1.0, margin + float(t.ppf(POWER, freedom)) * error),
    )


def accuracy_interval(correct: BoolArray, level: float = 0.95) -> tuple[float, float]:
    """Interval for the accuracy of a recipe: over images and seeds, or over images where there is one run.

    Args:
        correct: `(S, N)` or `(N,)` booleans.
        level: confidence in (0, 1).

    Returns:
        Lower and upper end in [0, 1]: Wilson's for one run; for several a t interval around the mean over seeds, as in
        `recipe_test`. For two runs with two right and two wrong images added to the variance (Agresti and Coull 1998); from three
        on of the logarithm of the odds, with one of each added: near 100%, runs that are worse than usual are so by more.

    Raises:
        InputError: not booleans, or empty.
    """
    runs = as_runs(correct)
    if len(runs) == 1:
        return wilson_interval(int(runs.sum()), runs.size, level)
    from scipy.special import expit, logit
    from scipy.stats import t

    added = [0.0, 1.0] if len(runs) > 2 else [0.0, 0.0, 1.0, 1.0]
    per_image = np.append(runs.mean(axis=0), added)
    error, freedom = _standard_error(per_image, runs)
    margin = float(t.ppf((1 + level) / 2, freedom)) * error
    mean, middle = float(runs.mean()), float(per_image.mean())
    if len(runs) == 2:  # with a t quantile of up to 12.7, odds would put 99% anywhere above 70%
        return max(0.0, mean - margin), min(1.0, mean + margin)
    margin /= middle * (1 - middle)  # the derivative of the logarithm of the odds
    return min(mean, float(expit(logit(middle) - margin))), max(
        mean, float(expit(logit(middle) + margin))
    )


def _standard_error(
    per_image: NDArray[np.float64], *contenders: BoolArray, spread: SeedVariance | None = None
) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom; `per_image` has the added images at its end.

    The noise of single predictions is in the variance over images and in the spread over seeds, so it is taken out of the
    second, as in a two-way analysis of variance; but the sum never falls below the variance over images. Without that bound up
    to 8% of null experiments ended as findings at level 0.05 with 2 seeds; with the noise left in twice, nearly equal
    recipes hardly ever did (1%), and intervals were up to a quarter too wide (benchmarks/evidence.md).
    """
    n = contenders[0].shape[1]
    several = [runs for runs in contenders if len(runs) > 1]
    over_images = float(per_image.var()) / n
    over_seeds = [
        (variance / len(runs), freedom)
        for runs in several
        for variance, freedom in [_seed_variance(runs, spread)]
    ]
    noise = sum(float(runs.var(axis=0, ddof=1).mean()) / runs.size for runs in several)
    # More noise than variance over images: the runs of both were not independent, so it is not all in there.
    total = over_images + max(
        0.0, sum(variance for variance, _ in over_seeds) - min(noise, over_images)
    )
    parts = [(over_images, max(n - 1, 1)), *over_seeds]
    return total**0.5, total**2 / sum(variance**2 / freedom for variance, freedom in parts)


def _seed_variance(runs: BoolArray, spread: SeedVariance | None) -> tuple[float, float]:
    """Variance of accuracy over seeds and its degrees of freedom: the shared one, unless this recipe's is far above it."""
    from scipy.stats import chi2

    own, freedom = float(runs.mean(axis=1).var(ddof=1)), len(runs) - 1
    if spread is None or own * freedom > float(chi2.ppf(_FAR_ABOVE, freedom)) * spread.variance:
        return own, freedom
    return spread.variance, spread.degrees_of_freedom


def mean_interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """t interval for the mean of what `(N,)` values were drawn from; (-inf, inf) for one value.

    Of differences between two models on the same images, say.
    """
    from scipy.stats import t

    if len(values) < 2:
        return float("-inf"), float("inf")
    margin = (
        float(t.ppf((1 + level) / 2, len(values) - 1))
        * float(values.std(ddof=1))
        / len(values) ** 0.5
    )
    return float(values.mean()) - margin, float(values.mean()) + margin
