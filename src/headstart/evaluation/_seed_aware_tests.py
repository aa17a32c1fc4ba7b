"""Intervals and tests of recipes, over both images and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._metrics import wilson_interval
from headstart.evaluation._paired_tests import POWER, BoolArray, as_paired_runs, as_runs

_MIN_RECIPES_TO_POOL = 4
# Efficiency of the median relative to the mean, 2/pi for a normal variable. It sets the degrees of
# freedom of the pooled variance.
_MEDIAN_EFFICIENCY = 0.64
_OUTLIER_QUANTILE = 0.999  # of the chi-squared distribution of a recipe's own variance


@dataclass(frozen=True)
class AccuracyDifference:
    """Difference in accuracy between two recipes, a - b.

    Attributes:
        difference: Difference of the mean accuracies over seeds, a fraction in [-1, 1].
        interval: t interval at confidence 1 - level, within [-1, 1].
        p_value: Two-sided p-value.
        standard_error: Standard error over images and seeds. It is never 0.
        degrees_of_freedom: Degrees of freedom of the t distribution.
        smallest_detectable: Minimum detectable effect: the true difference that this test detects
            with a power of 80%. A fraction, at most 1.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    standard_error: float
    degrees_of_freedom: float
    smallest_detectable: float


@dataclass(frozen=True)
class SeedVariance:
    """Variance of accuracy over seeds, pooled over recipes.

    Attributes:
        variance: Variance of the accuracy of one run.
        degrees_of_freedom: Degrees of freedom of that estimate.
    """

    variance: float
    degrees_of_freedom: float


def recipe_test(
    correct_a: BoolArray,
    correct_b: BoolArray,
    level: float = 0.05,
    seed_variance: SeedVariance | None = None,
) -> AccuracyDifference:
    """Test whether two recipes have the same accuracy.

    The conclusion covers other images of the same kind and other seeds. The training images are
    taken as given.

    The squared standard error has one part for images and one part per recipe for seeds. The part
    for images is the variance over images of the difference (mean over seeds), divided by N. The
    part for seeds is the variance of accuracy over seeds, divided by the number of seeds, minus
    the noise that the part for images already contains.

    With two seeds and recipes of very unequal variance over seeds, the coverage of the intervals
    is too low (88% in the worst case). Two runs do not determine a variance.

    Args:
        correct_a: Boolean array of shape (S_a, N). True where the prediction is correct.
        correct_b: The same for the second recipe, of shape (S_b, N), for the same images. S_b may
            differ from S_a.
        level: Significance level of the two-sided test.
        seed_variance: Variance over seeds from `pooled_seed_variance`, which is more precise than
            the variance of these runs.

    Raises:
        InputError: A recipe has fewer than two seeds, an array is not boolean, or the numbers of
            images differ.

    References:
        Images and seeds are both random, as in the denominator of Clark's (1973) quasi-F. Degrees
        of freedom: Satterthwaite (1946). Minimum detectable effect, (t_{1-level/2} + t_{0.8})
        standard errors: Bloom (1995). Two pseudo-observations with squared differences of 1/2 are
        added, one of each sign, so that the variance is never 0: Agresti and Min (2005).
    """
    a, b = as_paired_runs(correct_a, correct_b)
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"invalid runs: expected at least two seeds per recipe, got {len(a)} and {len(b)}.",
            "Add seeds, or compare the two trained models with exact_mcnemar.",
        )
    return accuracy_difference(a, b, level, seed_variance)


def pooled_seed_variance(runs: Sequence[BoolArray]) -> SeedVariance | None:
    """Estimate the variance over seeds from all recipes of a grid together.

    The recipes are assumed to differ little. Two or three seeds of one recipe give a poor estimate
    of their variance. Ten recipes together give a good one. The estimate is the median of the
    variances, divided by the median of the chi-squared distribution, which is robust to a few
    recipes with an extreme variance. tests/evaluation/test_seed_aware_tests.py simulates grids with
    and without a difference.

    Args:
        runs: One Boolean array of shape (S, N) per recipe. Recipes whose number of seeds differs
            from the median number are ignored.

    Returns:
        The pooled variance, or None for fewer than four recipes.
    """
    from scipy.stats import chi2

    seeds = int(np.median([len(array) for array in runs]))
    variances = [
        float(array.mean(axis=1).var(ddof=1)) for array in runs if len(array) == seeds and seeds > 1
    ]
    if len(variances) < _MIN_RECIPES_TO_POOL:
        return None

    degrees_of_freedom = seeds - 1
    median_of_chi2 = float(chi2.ppf(0.5, degrees_of_freedom)) / degrees_of_freedom
    return SeedVariance(
        float(np.median(variances)) / median_of_chi2,
        _MEDIAN_EFFICIENCY * len(variances) * degrees_of_freedom,
    )


def accuracy_difference(
    a: BoolArray, b: BoolArray, level: float, seed_variance: SeedVariance | None = None
) -> AccuracyDifference:
    """Compute the difference of two recipes as in `recipe_test`, without checks.

    A contender with a single row counts as fixed. A baseline, for example, has no seeds.

    Args:
        a: Boolean array of shape (S_a, N). True where the prediction is correct.
        b: The same for the second recipe, of shape (S_b, N).
        level: Significance level of the two-sided test.
        seed_variance: Pooled variance over seeds. A contender whose own variance is clearly
            larger keeps its own.
    """
    from scipy.stats import t

    per_image = a.mean(axis=0) - b.mean(axis=0)
    difference = float(a.mean() - b.mean())
    pseudo_observations = [0.5**0.5, -(0.5**0.5)]
    error, freedom = _standard_error(
        np.append(per_image, pseudo_observations), a, b, seed_variance=seed_variance
    )

    margin = float(t.ppf(1 - level / 2, freedom)) * error
    return AccuracyDifference(
        difference,
        interval=(max(-1.0, difference - margin), min(1.0, difference + margin)),
        p_value=float(2 * t.sf(abs(difference) / error, freedom)),
        standard_error=error,
        degrees_of_freedom=freedom,
        smallest_detectable=min(1.0, margin + float(t.ppf(POWER, freedom)) * error),
    )


def accuracy_interval(correct: BoolArray, level: float = 0.95) -> tuple[float, float]:
    """Return a confidence interval of the accuracy of a recipe.

    The interval covers images and seeds, or images only if there is a single run.

    Args:
        correct: Boolean array of shape (S, N) or (N,). True where the prediction is correct.
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper bound in [0, 1]. For one run, this is the Wilson interval. For several runs,
        it is a t interval around the mean over seeds, with the standard error of `recipe_test`.

    Raises:
        InputError: The array is not boolean or is empty.

    References:
        For two runs, two correct and two incorrect pseudo-observations are added to the variance:
        Agresti and Coull (1998). From three runs on, the interval is one of the log-odds, with one
        pseudo-observation of each kind. Near 100%, runs that are worse than usual are worse by
        more than good runs are better, and the log-odds reflect that.
    """
    runs = as_runs(correct)
    if len(runs) == 1:
        return wilson_interval(int(runs.sum()), runs.size, level)
    from scipy.special import expit, logit
    from scipy.stats import t

    pseudo_observations = [0.0, 1.0] if len(runs) > 2 else [0.0, 0.0, 1.0, 1.0]
    per_image = np.append(runs.mean(axis=0), pseudo_observations)
    error, freedom = _standard_error(per_image, runs)
    margin = float(t.ppf((1 + level) / 2, freedom)) * error
    mean, shrunk_mean = float(runs.mean()), float(per_image.mean())

    if len(runs) == 2:
        # With a t quantile of up to 12.7, log-odds would put 99% anywhere above 70%.
        return max(0.0, mean - margin), min(1.0, mean + margin)

    margin /= shrunk_mean * (1 - shrunk_mean)  # the derivative of the log-odds
    low = float(expit(logit(shrunk_mean) - margin))
    high = float(expit(logit(shrunk_mean) + margin))
    return min(mean, low), max(mean, high)


def _standard_error(
    per_image: NDArray[np.float64],
    *contenders: BoolArray,
    seed_variance: SeedVariance | None = None,
) -> tuple[float, float]:
    """Return the standard error and Satterthwaite's degrees of freedom.

    Both the variance over images and the variance over seeds contain the noise of single
    predictions. It is subtracted from the second, as in a two-way analysis of variance. The sum is
    never below the variance over images. Without that bound, up to 8% of null experiments were
    significant at level 0.05 with 2 seeds. With the noise counted twice, nearly equal recipes were
    hardly ever significant (1%), and intervals were up to a quarter too wide
    (benchmarks/evidence.md).

    Args:
        per_image: Values per image, followed by the pseudo-observations.
        contenders: Boolean arrays of shape (S, N). Those with one row have no variance over seeds.
        seed_variance: Pooled variance over seeds.
    """
    n = contenders[0].shape[1]
    over_images = float(per_image.var()) / n

    over_seeds: list[tuple[float, float]] = []
    noise = 0.0
    for runs in contenders:
        if len(runs) > 1:
            variance, freedom = _seed_variance(runs, seed_variance)
            over_seeds.append((variance / len(runs), freedom))
            noise += float(runs.var(axis=0, ddof=1).mean()) / runs.size

    # More noise than variance over images means that the runs of both contenders are not
    # independent, so the variance over images does not contain all of the noise.
    noise = min(noise, over_images)
    total = over_images + max(0.0, sum(variance for variance, _ in over_seeds) - noise)

    parts = [(over_images, max(n - 1, 1)), *over_seeds]
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    return total**0.5, freedom


def _seed_variance(runs: BoolArray, pooled: SeedVariance | None) -> tuple[float, float]:
    """Return the variance of accuracy over seeds and its degrees of freedom.

    Uses the pooled variance, unless the recipe's own variance is far above it.
    """
    from scipy.stats import chi2

    own = float(runs.mean(axis=1).var(ddof=1))
    freedom = len(runs) - 1
    if pooled is None:
        return own, freedom

    limit = float(chi2.ppf(_OUTLIER_QUANTILE, freedom)) * pooled.variance
    if own * freedom > limit:
        return own, freedom
    return pooled.variance, pooled.degrees_of_freedom


def mean_interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Return a t interval of the mean of a population, from a sample.

    The values can be, for example, differences between two models on the same images.

    Args:
        values: Sample of shape (N,).
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper bound, which are infinite for a single value.
    """
    from scipy.stats import t

    if len(values) < 2:
        return float("-inf"), float("inf")

    quantile = float(t.ppf((1 + level) / 2, len(values) - 1))
    margin = quantile * float(values.std(ddof=1)) / len(values) ** 0.5
    mean = float(values.mean())
    return mean - margin, mean + margin
