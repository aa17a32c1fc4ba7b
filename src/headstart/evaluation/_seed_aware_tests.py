"""Intervals and tests of recipes, over both images and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._grouped_images import (
    ImageGroups,
    IntArray,
    design_of_accuracy,
    design_of_difference,
    design_of_mean,
    groups_to_resample,
)
from headstart.evaluation._grouped_tests import (
    grouped_wilson_interval,
    prediction_noise,
    wilson_bounds,
)
from headstart.evaluation._metrics import wilson_interval
from headstart.evaluation._paired_tests import POWER, BoolArray, as_paired_runs, as_runs

_MIN_RECIPES_TO_POOL = 4
# Share of the degrees of freedom that the pooled variance counts with. The efficiency of the median
# is 0.37, 0.48 and 0.55 with 2, 3 and 5 seeds. But the median of few variances is also too large,
# which compensates: 2.8 to 5.1% of equal recipes differ significantly at level 0.05.
_POOLED_SHARE = 0.64
# Weight of the noise of single predictions in the degrees of freedom of an accuracy, from
# simulations (benchmarks/evidence_intervals.md). For a difference it is 1: a smaller weight makes
# intervals of recipes that hardly vary narrower, but called 6 to 8% of equal recipes different.
_NOISE_WEIGHT_OF_ONE_RECIPE = 2.0
_FEWEST_DEGREES_OF_FREEDOM = 2.0  # of an accuracy; with 1, an interval of 99% would reach to 70%


@dataclass(frozen=True)
class AccuracyDifference:
    """Difference in accuracy between two recipes, a - b.

    Attributes:
        difference: Difference of the mean accuracies over seeds, a fraction in [-1, 1].
        interval: The t interval at confidence 1 - level, within [-1, 1].
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
    groups: IntArray | None = None,
) -> AccuracyDifference:
    """Test whether two recipes have the same accuracy.

    The conclusion covers other images of the same kind and other seeds. The training images are
    taken as given.

    The squared standard error has one part for images and one part per recipe for seeds. The part
    for images is the variance over images of the difference (mean over seeds), divided by N. The
    part for seeds is the variance of accuracy over seeds, divided by the number of seeds, minus
    the noise that the part for images already contains.

    With two seeds and recipes of very unequal variance over seeds, the coverage of the intervals
    is too low (benchmarks/evidence_intervals.md). Two runs do not determine a variance.

    Args:
        correct_a: Boolean array of shape (S_a, N). True where the prediction is correct.
        correct_b: The same for the second recipe, of shape (S_b, N), for the same images. S_b may
            differ from S_a.
        level: Significance level of the two-sided test.
        seed_variance: Variance over seeds from `pooled_seed_variance`, which is more precise than
            the variance of these runs. A recipe whose own variance is larger keeps its own.
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, the part for images is one for groups, and the conclusion covers other groups.

    Returns:
        The difference in accuracy, a minus b, with its interval, p-value and minimum detectable
        effect.

    Raises:
        InputError: A recipe has fewer than two seeds, an array is not boolean, or the numbers of
            images differ.

    References:
        Images and seeds are both random, as in the denominator of Clark's (1973) quasi-F. Degrees
        of freedom: Satterthwaite (1946). Minimum detectable effect: noncentral t distribution. Two
        pseudo-observations with squared differences of 1/2 are added, one of each sign, so that the
        variance is never 0: Agresti and Min (2005). Groups and seeds are two ways of clustering:
        Cameron, Gelbach and Miller (2011).
    """
    a, b = as_paired_runs(correct_a, correct_b)
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"invalid runs: expected at least two seeds per recipe, got {len(a)} and {len(b)}.",
            "Add seeds, or compare the two trained models with exact_mcnemar.",
        )
    return accuracy_difference(a, b, level, seed_variance, groups)


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
        _POOLED_SHARE * len(variances) * degrees_of_freedom,
    )


def accuracy_difference(
    a: BoolArray,
    b: BoolArray,
    level: float,
    seed_variance: SeedVariance | None = None,
    groups: IntArray | None = None,
) -> AccuracyDifference:
    """Compute the difference of two recipes as in `recipe_test`, without checks.

    A contender with a single row counts as fixed. A baseline, for example, has no seeds.

    Args:
        a: Boolean array of shape (S_a, N). True where the prediction is correct.
        b: The same for the second recipe, of shape (S_b, N).
        level: Significance level of the two-sided test.
        seed_variance: Pooled variance over seeds. A contender whose own variance is larger keeps
            its own.
        groups: Int64 array of shape (N,) with the group of each image, or None.
    """
    from scipy.stats import t

    per_image = a.mean(axis=0) - b.mean(axis=0)
    difference = float(a.mean() - b.mean())
    pseudo_observations = [0.5**0.5, -(0.5**0.5)]
    resampled = groups_to_resample(groups, a.shape[1])
    parts = _error_parts(
        np.append(per_image, pseudo_observations),
        a,
        b,
        seed_variance=seed_variance,
        groups=resampled,
    )
    error = parts.total**0.5
    freedom = parts.degrees_of_freedom()
    margin = float(t.ppf(1 - level / 2, freedom)) * error
    return AccuracyDifference(
        difference,
        interval=(max(-1.0, difference - margin), min(1.0, difference + margin)),
        p_value=float(2 * t.sf(abs(difference) / error, freedom)),
        standard_error=error,
        degrees_of_freedom=freedom,
        smallest_detectable=min(1.0, _noncentrality(freedom, level) * error),
    )


def _noncentrality(freedom: float, level: float) -> float:
    """Return the true effect, in standard errors, that a t test detects with a power of 80%.

    The significance in the wrong direction is neglected. The sum of two t quantiles, as in Bloom
    (1995), is too small for few degrees of freedom: 5.36 instead of 5.65 for two of them.

    References:
        Johnson and Welch (1940), "Applications of the non-central t-distribution".
    """
    from scipy.special import nctdtrinc
    from scipy.stats import t

    return float(nctdtrinc(freedom, 1 - POWER, t.ppf(1 - level / 2, freedom)))


def accuracy_interval(
    correct: BoolArray, level: float = 0.95, groups: IntArray | None = None
) -> tuple[float, float]:
    """Return a confidence interval of the accuracy of a recipe.

    The interval covers images and seeds, or images only if there is a single run.

    Args:
        correct: Boolean array of shape (S, N) or (N,). True where the prediction is correct.
        level: Confidence level in (0, 1).
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, groups are resampled instead of images.

    Returns:
        Lower and upper bound in [0, 1]. For one run, this is the Wilson interval. For several runs,
        it is a t interval around the mean over seeds, with the standard error of `recipe_test`.

    Raises:
        InputError: The array is not boolean or is empty.

    References:
        One correct and one incorrect pseudo-observation are added to the variance: Agresti and
        Coull (1998). The interval is one of the log-odds. Near 100%, runs that are worse than usual
        are worse by more than good runs are better, and the log-odds reflect that.
    """
    runs = as_runs(correct)
    resampled = groups_to_resample(groups, runs.shape[1])
    if len(runs) == 1 and resampled is not None:
        return grouped_wilson_interval(runs[0], resampled, level)
    if len(runs) == 1:
        return wilson_interval(int(runs.sum()), runs.size, level)
    from scipy.special import expit, logit
    from scipy.stats import t

    is_short = len(runs) == 2 and resampled is not None
    pseudo_observations = [0.0, 0.0, 1.0, 1.0] if is_short else [0.0, 1.0]
    per_image = np.append(runs.mean(axis=0), pseudo_observations)
    parts = _error_parts(per_image, runs, groups=resampled)
    error = parts.total**0.5
    freedom = parts.degrees_of_freedom()
    if resampled is None:
        freedom = parts.degrees_of_freedom(_NOISE_WEIGHT_OF_ONE_RECIPE)
        freedom = max(_FEWEST_DEGREES_OF_FREEDOM, freedom)

    quantile = float(t.ppf((1 + level) / 2, freedom))
    margin = quantile * error
    mean, shrunk_mean = float(runs.mean()), float(per_image.mean())
    if is_short:
        return wilson_bounds(mean, shrunk_mean * (1 - shrunk_mean) / error**2, quantile)

    margin /= shrunk_mean * (1 - shrunk_mean)  # the derivative of the log-odds
    low = float(expit(logit(shrunk_mean) - margin))
    high = float(expit(logit(shrunk_mean) + margin))
    return min(mean, low), max(mean, high)


@dataclass(frozen=True)
class _ErrorParts:
    """Parts of the squared standard error of an accuracy or a difference.

    Both the variance over images and the variance over seeds contain the noise of single
    predictions. It is subtracted from the second, as in a two-way analysis of variance. The sum is
    never below the variance over images. Without that bound, up to 8% of null experiments were
    significant at level 0.05 with 2 seeds. With the noise counted twice, nearly equal recipes were
    hardly ever significant (1%), and intervals were up to a quarter too wide
    (benchmarks/evidence_intervals.md).

    Attributes:
        over_images: Variance over images or groups, divided by their number.
        image_freedom: Its degrees of freedom.
        noise: Noise of single predictions, at most `over_images`. More noise means that the runs of
            both contenders are not independent, so the variance over images does not contain all
            of it.
        over_seeds: For each contender with several runs, the variance over seeds, divided by their
            number, and its degrees of freedom.
    """

    over_images: float
    image_freedom: float
    noise: float
    over_seeds: tuple[tuple[float, float], ...]

    @property
    def total(self) -> float:
        """The squared standard error."""
        return self.over_images + self._excess

    @property
    def _excess(self) -> float:
        """The variance over seeds beyond the noise."""
        return max(0.0, self._sum_over_seeds - self.noise)

    @property
    def _sum_over_seeds(self) -> float:
        return sum(variance for variance, _ in self.over_seeds)

    def degrees_of_freedom(self, noise_weight: float = 1.0) -> float:
        """Return Satterthwaite's degrees of freedom.

        Args:
            noise_weight: Weight of the noise among the variances that few seeds estimate. With 1,
                the noise counts as estimated from seeds alone.
        """
        seeds = self._sum_over_seeds
        uncertain = self._excess + noise_weight * min(seeds, self.noise)
        scale = uncertain / seeds if seeds > 0 else 0.0

        squares = self.over_images**2 / self.image_freedom
        for variance, freedom in self.over_seeds:
            squares += (scale * variance) ** 2 / freedom
        return self.total**2 / squares


def _error_parts(
    per_image: NDArray[np.float64],
    *contenders: BoolArray,
    seed_variance: SeedVariance | None = None,
    groups: ImageGroups | None = None,
) -> _ErrorParts:
    """Return the parts of the squared standard error.

    Args:
        per_image: Values per image, followed by the pseudo-observations.
        contenders: Boolean arrays of shape (S, N). Those with one row have no variance over seeds.
        seed_variance: Pooled variance over seeds.
        groups: The groups to resample instead of images, or None. The variance over images becomes
            one over groups, and the noise that of the sums over groups.
    """
    n = contenders[0].shape[1]
    over_images = float(per_image.var()) / n
    image_freedom = float(max(n - 1, 1))
    if groups is not None:
        design_of = design_of_accuracy if len(contenders) == 1 else design_of_difference
        design = design_of(per_image[:n], groups)
        over_images *= design.effect
        image_freedom = design.degrees_of_freedom

    over_seeds: list[tuple[float, float]] = []
    noise = 0.0
    for runs in contenders:
        if len(runs) > 1:
            variance, freedom = _seed_variance(runs, seed_variance)
            over_seeds.append((variance / len(runs), freedom))
            noise += prediction_noise(runs, groups)
    return _ErrorParts(over_images, image_freedom, min(noise, over_images), tuple(over_seeds))


def _seed_variance(runs: BoolArray, pooled: SeedVariance | None) -> tuple[float, float]:
    """Return the variance of accuracy over seeds and its degrees of freedom.

    A pooled variance is used upward only: the recipe's own variance is raised towards it, and never
    lowered. Otherwise a recipe with three times the spread of the others had intervals that covered
    84 to 87%. The degrees of freedom of the pooled variance are added. They count less, the further
    the own variance is above the pooled one.

    References:
        The weighted mean of both variances is that of Smyth (2004), "Linear models and empirical
        Bayes methods". Using it upward only, and the loss of degrees of freedom, are our own
        choice, from simulations (benchmarks/evidence_intervals.md).
    """
    own = float(runs.mean(axis=1).var(ddof=1))
    freedom = len(runs) - 1
    if pooled is None:
        return own, freedom

    total_freedom = pooled.degrees_of_freedom + freedom
    weighted = pooled.degrees_of_freedom * pooled.variance + freedom * own
    moderated = weighted / total_freedom
    if own <= moderated:
        return moderated, total_freedom
    return own, freedom + pooled.degrees_of_freedom * pooled.variance / own


def mean_interval(
    values: NDArray[np.float64], level: float = 0.95, groups: IntArray | None = None
) -> tuple[float, float]:
    """Return a t interval of the mean of a population, from a sample.

    The values can be, for example, differences between two models on the same images.

    Args:
        values: Sample of shape (N,).
        level: Confidence level in (0, 1).
        groups: Int64 array of shape (N,) with the group of each value, or None. With ten groups or
            more, groups are resampled instead of values.

    Returns:
        Lower and upper bound, which are infinite for a single value.
    """
    from scipy.stats import t

    if len(values) < 2:
        return float("-inf"), float("inf")

    error, freedom = float(values.std(ddof=1)) / len(values) ** 0.5, float(len(values) - 1)
    resampled = groups_to_resample(groups, len(values))
    if resampled is not None:
        design = design_of_mean(values, resampled)
        error, freedom = error * design.effect**0.5, design.degrees_of_freedom

    margin = float(t.ppf((1 + level) / 2, freedom)) * error
    mean = float(values.mean())
    return mean - margin, mean + margin
