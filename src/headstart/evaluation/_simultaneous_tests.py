"""Comparisons that stay valid after the same runs have selected the best contender.

The best of several contenders is the one that was lucky. A test of the others against it, corrected
for one comparison per contender, therefore calls equal contenders worse too often. The tests here
are corrected for all pairs of contenders, so they hold whichever contender was selected, and how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation._comparisons import Runs, holm
from headstart.evaluation._fold_tests import fold_test
from headstart.evaluation._grouped_images import IntArray
from headstart.evaluation._paired_tests import (
    BoolArray,
    exact_mcnemar,
    paired_bootstrap,
)
from headstart.evaluation._seed_aware_tests import (
    AccuracyDifference,
    SeedVariance,
    accuracy_difference,
    accuracy_interval,
    pooled_seed_variance,
)

_STRATA = 256  # values of the chi-squared variable
_DRAWS_PER_STRATUM = 32  # of the normal variables
_OUTLIER_LEVEL = 0.001  # for leaving a recipe out of the pooled variance
# Share of the level for the tests of a larger variance over seeds. It is small, because only gross
# cases are to be found.
_VARIANCE_SHARE = 0.02


@dataclass(frozen=True)
class SelectedComparison:
    """Comparison of a contender with the selected one.

    Attributes:
        difference: Accuracy of the contender minus that of the selected one, from -1 to 1.
        interval: Simultaneous interval of the difference: with confidence 1 - level, those of all
            contenders contain the true differences.
        p_value: Two-sided p-value before correction.
        p_adjusted: Two-sided p-value, corrected for all pairs of contenders.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    p_adjusted: float

    def is_significant(self, level: float) -> bool:
        """Return whether the corrected p-value is at most `level`."""
        return self.p_adjusted <= level


@dataclass(frozen=True)
class SelectedComparisons:
    """Comparisons of all contenders with the selected one.

    Attributes:
        comparisons: Comparisons by the name of the other contender.
        interval: Interval of the accuracy of the selected contender, corrected for its selection:
            the lower end holds for all contenders simultaneously.
        more_variable: Names of contenders that are less accurate than the selected one and have a
            significantly larger variance over seeds.
    """

    comparisons: dict[str, SelectedComparison]
    interval: tuple[float, float]
    more_variable: tuple[str, ...]


def comparisons_with_selected(
    name: str,
    runs: Runs,
    level: float,
    groups: IntArray | None = None,
    fold_of: IntArray | None = None,
) -> SelectedComparisons:
    """Compare all contenders with one that was selected by their own results.

    Recipes are compared as in `recipe_test`, with the variance over seeds pooled over all
    contenders. The critical value is that of the largest t statistic of all pairs (max-t). It
    accounts for what the pairs share: contenders, images, and the estimate of the variance. Trained
    models are compared with exact McNemar tests and Holm's correction over all pairs.

    Args:
        name: Name of the selected contender.
        runs: Contender name to Boolean array of shape (S, N). If any contender has a single run,
            the first runs are compared as trained models.
        level: Significance level of all tests together.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a repeated cross-validation, int64 of shape (S, N), or None. Pairs are
            then compared with `fold_test`, each with its own variance between folds. Groups are
            whole in each fold, and not needed.

    References:
        All pairs: Tukey (1953). The distribution of max-t: Hothorn, Bretz and Westfall (2008). The
        contenders that are not significantly worse than the best are those of multiple comparisons
        with the best, Hsu (1984). His critical value keeps each single one of several equal
        contenders with 95% confidence, that of all pairs keeps all of them.
    """
    if fold_of is not None or min(len(array) for array in runs.values()) >= 2:
        return _compare_recipes(name, runs, level, groups, fold_of)
    first_runs = {other: array[:1] for other, array in runs.items()}
    return _compare_models(name, first_runs, level, groups)


def _compare_recipes(
    name: str, runs: Runs, level: float, groups: IntArray | None, fold_of: IntArray | None
) -> SelectedComparisons:
    """Compare recipes, over images and seeds, or over folds."""
    variance = None if fold_of is not None else _pooled_variance(list(runs.values()))
    family = _Family(runs, level, variance, groups, fold_of)
    comparisons = {other: family.comparison(other, name) for other in runs if other != name}
    return SelectedComparisons(
        comparisons, family.interval_of_selected(name), _more_variable(name, runs, variance, level)
    )


def _pooled_variance(runs: Sequence[BoolArray]) -> SeedVariance | None:
    """Return the mean variance over seeds of all recipes without a far larger one.

    The median of `pooled_seed_variance` is robust, but has few true degrees of freedom. That is
    too few for the critical value of many pairs, which is far out: 12% of studies of seven equal
    recipes with two seeds excluded one. Here the median only finds the recipes to leave out.
    """
    from scipy.stats import f

    median = pooled_seed_variance(runs)
    if median is None:
        return None
    seeds = int(np.median([len(array) for array in runs]))
    variances = [array.mean(axis=1).var(ddof=1) for array in runs if len(array) == seeds]
    limit = median.variance * f.isf(_OUTLIER_LEVEL, seeds - 1, median.degrees_of_freedom)
    kept = [float(variance) for variance in variances if variance <= limit]
    # A test adds the variances of two recipes and takes them as independent estimates, which
    # doubles the degrees of freedom. But both are this one estimate.
    return SeedVariance(float(np.mean(kept)), len(kept) * (seeds - 1) / 2)


class _Family:
    """The t tests of all pairs of recipes, and the joint distribution of their statistics.

    A statistic is a difference divided by its standard error and by the quantile of its own t
    distribution. It is significant without correction if it is above 1.

    The contenders are followed by one that is always wrong. The difference from it is an accuracy.

    Args:
        runs: Contender name to Boolean array of shape (S, N), with at least two seeds or folds.
        level: Significance level of all tests together.
        variance: Pooled variance over seeds, or None.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a repeated cross-validation, int64 of shape (S, N), or None.
    """

    def __init__(
        self,
        runs: Runs,
        level: float,
        variance: SeedVariance | None,
        groups: IntArray | None,
        fold_of: IntArray | None,
    ) -> None:
        self._names = list(runs)
        self._level = level
        self._images = next(iter(runs.values())).shape[1]
        has_two_seeds = min(map(len, runs.values())) == 2
        self._has_symmetric_accuracy = variance is None and fold_of is None and has_two_seeds
        always_wrong = np.zeros((1, self._images) if fold_of is None else fold_of.shape, bool)
        arrays = [*runs.values(), always_wrong]

        self._pairs = list(combinations(range(len(arrays)), 2))
        self._tests = []
        for a, b in self._pairs:
            if fold_of is None:
                test = accuracy_difference(arrays[a], arrays[b], level, variance, groups)
            else:
                test = fold_test(arrays[a], arrays[b], fold_of, level)
            self._tests.append(test)
        draws = self._draw_statistics(len(arrays), is_pooled=variance is not None)
        is_accuracy = np.array([b == len(runs) for _, b in self._pairs])
        self._largest_difference = np.abs(draws[:, ~is_accuracy]).max(axis=1, initial=0.0)
        self._largest_excess = draws[:, is_accuracy].max(axis=1)

    def _draw_statistics(self, contenders: int, *, is_pooled: bool) -> NDArray[np.float64]:
        """Draw the statistics of all pairs, under the hypothesis that no pair differs.

        Returns:
            Array of shape (draws, pairs).
        """
        from scipy.stats import chi2

        rng = np.random.default_rng(0)
        errors = np.array([test.standard_error for test in self._tests])
        freedom = np.array([test.degrees_of_freedom for test in self._tests])
        noise = _draw_noise(contenders, self._pairs, errors, rng)
        first, second = np.transpose(self._pairs)
        statistics = (noise[:, first] - noise[:, second]) / errors

        # A pooled variance is wrong by the same factor in all tests. Own variances are not.
        probabilities = (np.arange(_STRATA) + 0.5) / _STRATA
        scales = np.sqrt(chi2.ppf(probabilities[:, None], freedom) / freedom)
        if not is_pooled:
            scales = rng.permuted(scales, axis=0)
        statistics /= np.repeat(scales, _DRAWS_PER_STRATUM, axis=0)
        return np.asarray(statistics / self._quantiles(freedom))

    def _quantiles(self, freedom: NDArray[np.float64] | float) -> NDArray[np.float64]:
        from scipy.stats import t

        return np.asarray(t.isf(self._level / 2, freedom))

    def comparison(self, a: str, b: str) -> SelectedComparison:
        """Return the comparison of two recipes, corrected for all pairs."""
        test, sign = self._test(self._names.index(a), self._names.index(b))
        quantile = float(self._quantiles(test.degrees_of_freedom))
        statistic = abs(test.difference) / test.standard_error / quantile
        exceeding = int((self._largest_difference >= statistic).sum())
        p_adjusted = (1 + exceeding) / (1 + len(self._largest_difference))
        # Bonferroni's bound is nearly exact where the draws end.
        count = len(self._names) * (len(self._names) - 1) // 2
        p_adjusted = min(p_adjusted, count * test.p_value)

        factor = float(np.quantile(self._largest_difference, 1 - self._level))
        margin = factor * quantile * test.standard_error
        difference = sign * test.difference
        return SelectedComparison(
            difference=difference,
            interval=(max(-1.0, difference - margin), min(1.0, difference + margin)),
            p_value=test.p_value,
            p_adjusted=p_adjusted,
        )

    def interval_of_selected(self, name: str) -> tuple[float, float]:
        """Return an interval of the accuracy of the selected contender.

        Selection flatters, so only the lower end is corrected. It is computed for all contenders
        together. The ends are those of the log-odds, as in `accuracy_interval`.
        """
        from scipy.special import expit, logit

        test, _ = self._test(self._names.index(name), len(self._names))
        quantile = float(self._quantiles(test.degrees_of_freedom))
        factor = float(np.quantile(self._largest_excess, 1 - self._level / 2))
        accuracy, margin = test.difference, quantile * test.standard_error
        if self._has_symmetric_accuracy:
            return max(0.0, accuracy - factor * margin), min(1.0, accuracy + margin)

        # One pseudo-observation of each kind keeps the log-odds finite.
        n = self._images
        shrunk = (accuracy * n + 1) / (n + 2)
        margin /= shrunk * (1 - shrunk)
        low = float(expit(logit(shrunk) - factor * margin))
        high = float(expit(logit(shrunk) + margin))
        return min(accuracy, low), max(accuracy, high)

    def _test(self, a: int, b: int) -> tuple[AccuracyDifference, int]:
        """Return the test of a pair, and the sign that its difference has to be multiplied by."""
        if a < b:
            return self._tests[self._pairs.index((a, b))], 1
        return self._tests[self._pairs.index((b, a))], -1


def _draw_noise(
    contenders: int,
    pairs: Sequence[tuple[int, int]],
    errors: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw normal errors of the accuracies whose differences have the given standard errors.

    The covariance matrix follows from the variances of all differences, up to a part that all
    contenders share. That part cancels in differences.

    Args:
        contenders: Number of contenders.
        pairs: All pairs of them.
        errors: Standard error of the difference of each pair.
        rng: Random generator.

    Returns:
        Array of shape (draws, contenders).

    References:
        The matrix is the one of classical scaling: Torgerson (1952).
    """
    squared = np.zeros((contenders, contenders))
    first, second = np.transpose(pairs)
    squared[first, second] = squared[second, first] = errors**2
    centre = np.eye(contenders) - 1 / contenders
    covariance = -0.5 * centre @ squared @ centre

    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = rng.standard_normal((_STRATA * _DRAWS_PER_STRATUM, contenders))
    return np.asarray(draws @ root.T)


def _more_variable(
    name: str, runs: Runs, variance: SeedVariance | None, level: float
) -> tuple[str, ...]:
    """Return the less accurate recipes that have a significantly larger variance over seeds.

    A recipe that fails once in three seeds may not be significantly worse on average, just because
    it varies so much. The F test is corrected for the number of recipes (Bonferroni).
    """
    from scipy.stats import f

    if variance is None:
        return ()
    more_variable = []
    for other, array in runs.items():
        freedom = len(array) - 1
        limit = f.isf(_VARIANCE_SHARE * level / len(runs), freedom, variance.degrees_of_freedom)
        own = float(array.mean(axis=1).var(ddof=1))
        if array.mean() < runs[name].mean() and own > limit * variance.variance:
            more_variable.append(other)
    return tuple(more_variable)


def _compare_models(
    name: str, runs: Runs, level: float, groups: IntArray | None
) -> SelectedComparisons:
    """Compare single trained models, over images."""
    pairs = list(combinations(runs, 2))
    tests = [exact_mcnemar(runs[a][0], runs[b][0], groups) for a, b in pairs]
    adjusted = holm([test.p_value for test in tests])

    # The intervals of all pairs hold together (Bonferroni).
    confidence = 1 - level / max(1, len(pairs))
    comparisons = {}
    for (a, b), test, p_adjusted in zip(pairs, tests, adjusted, strict=True):
        if name in (a, b):
            other = b if a == name else a
            comparisons[other] = SelectedComparison(
                difference=float(runs[other].mean() - runs[name].mean()),
                interval=paired_bootstrap(runs[other], runs[name], level=confidence, groups=groups),
                p_value=test.p_value,
                p_adjusted=p_adjusted,
            )

    low, _ = accuracy_interval(runs[name], 1 - level / len(runs), groups)
    _, high = accuracy_interval(runs[name], 1 - level, groups)
    return SelectedComparisons(comparisons, (low, high), ())
