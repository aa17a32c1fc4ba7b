"""Intervals and tests of recipes from repeated cross-validation.

Every image is evaluated once per repeat, by a model that was trained without its fold. The training
sets of two folds overlap, so the scores of folds are not independent. Tests that take them as
independent call 7 to 52% of equal recipes different (benchmarks/evidence_folds.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._paired_tests import POWER, BoolArray, as_runs
from headstart.evaluation._seed_aware_tests import AccuracyDifference

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FoldMeans:
    """A mean over images whose values come from the folds of a cross-validation.

    Attributes:
        mean: Mean over all images and repeats.
        standard_error: Corrected standard error of that mean. It is never 0.
        degrees_of_freedom: Number of folds times repeats, minus 1.
    """

    mean: float
    standard_error: float
    degrees_of_freedom: int


def fold_test(
    correct_a: BoolArray, correct_b: BoolArray, fold_of: IntArray, level: float = 0.05
) -> AccuracyDifference:
    """Test whether two recipes have the same accuracy, from repeated cross-validation.

    The conclusion covers other training images, other test images and other seeds. It is about
    models that are trained on (K - 1) / K of the images. Images of one group must be in one fold;
    the test then respects groups, because its units are folds.

    Args:
        correct_a: Boolean array of shape (R, N). True where the model that was trained without the
            image classified it correctly, for each of R repeats.
        correct_b: The same for the second recipe, with the same folds.
        fold_of: Int64 array of shape (R, N): the fold of each image in each repeat, from 0 to
            K - 1, with K of at least 2.
        level: Significance level of the two-sided test.

    Returns:
        The difference in accuracy, a minus b, with its interval, p-value and minimum detectable
        effect.

    Raises:
        InputError: The shapes differ, an array is not boolean, or a repeat has fewer than two
            folds or an empty one.

    References:
        Nadeau and Bengio (2003), "Inference for the generalization error": the variance of the
        mean over J = K R folds is s^2 (1/J + 1/(K - 1)), with the variance s^2 between folds and
        the ratio 1/(K - 1) of test to training images. For repeated folds: Bouckaert and Frank
        (2004). The Bayesian correlated t-test of Corani and Benavoli (2015) has the same
        distribution. Minimum detectable effect: Bloom (1995), with the noncentral t distribution.
    """
    from scipy.stats import t

    a, b = as_runs(correct_a, "correct_a"), as_runs(correct_b, "correct_b")
    if a.shape != b.shape:
        raise InputError(
            f"invalid correct_b: expected shape {a.shape} as for correct_a, got {b.shape}.",
            "Evaluate both recipes in the same folds.",
        )
    means = fold_means(a.astype(np.float64) - b, fold_of)
    quantile = float(t.ppf(1 - level / 2, means.degrees_of_freedom))
    margin = quantile * means.standard_error
    ratio = abs(means.mean) / means.standard_error
    return AccuracyDifference(
        means.mean,
        interval=(max(-1.0, means.mean - margin), min(1.0, means.mean + margin)),
        p_value=float(2 * t.sf(ratio, means.degrees_of_freedom)),
        standard_error=means.standard_error,
        degrees_of_freedom=means.degrees_of_freedom,
        smallest_detectable=min(
            1.0, detectable_errors(quantile, means.degrees_of_freedom) * means.standard_error
        ),
    )


def fold_accuracy_interval(
    correct: BoolArray, fold_of: IntArray, level: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval of the accuracy of a recipe, from repeated cross-validation.

    It is about models that are trained on (K - 1) / K of the images, and covers other training
    images, test images and seeds.

    Args:
        correct: Boolean array of shape (R, N), as in `fold_test`.
        fold_of: Int64 array of shape (R, N), as in `fold_test`.
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper bound in [0, 1].

    Raises:
        InputError: The shapes differ, or a repeat has fewer than two folds or an empty one.

    References:
        The standard error of `fold_test`, on the log-odds, with one correct and one incorrect
        pseudo-observation as in `accuracy_interval`.
    """
    from scipy.special import expit, logit
    from scipy.stats import t

    runs = as_runs(correct)
    means = fold_means(runs.astype(np.float64), fold_of)
    images = runs.shape[1]
    shrunk_mean = (means.mean * images + 1) / (images + 2)

    margin = float(t.ppf((1 + level) / 2, means.degrees_of_freedom)) * means.standard_error
    margin /= shrunk_mean * (1 - shrunk_mean)  # the derivative of the log-odds
    low = float(expit(logit(shrunk_mean) - margin))
    high = float(expit(logit(shrunk_mean) + margin))
    return min(means.mean, low), max(means.mean, high)


def fold_means(values: Floats, fold_of: IntArray) -> FoldMeans:
    """Return the mean of the values, with a standard error that respects the overlap of folds.

    Folds of unequal size count by their number of images.

    Args:
        values: Float64 array of shape (R, N), in [-1, 1]: a value per repeat and image.
        fold_of: Int64 array of shape (R, N), as in `fold_test`.

    Raises:
        InputError: The shapes differ, or a repeat has fewer than two folds or an empty one.

    References:
        Nadeau and Bengio (2003). Groups make folds unequal; the deviations are then those of a
        ratio estimator, Cochran (1977), section 6.3. One pseudo-observation of size 1 is added to
        the sum of squares over images, so that the variance is never 0, as in `recipe_test`.
    """
    images = values.shape[1]
    deviations = fold_deviations(values, fold_of)
    folds, count = int(fold_of.max()) + 1, len(deviations)
    variance = float((deviations**2).sum()) / (count - 1) + 1 / (images * (images / folds))
    error = (variance * (1 / count + 1 / (folds - 1))) ** 0.5
    return FoldMeans(float(values.mean()), error, count - 1)


def fold_deviations(values: Floats, fold_of: IntArray) -> Floats:
    """Return how far the mean of each fold lies from the mean of all, of shape (K R,).

    Args:
        values: Float64 array of shape (R, N), as in `fold_means`.
        fold_of: Int64 array of shape (R, N), as in `fold_test`.

    Raises:
        InputError: The shapes differ, or a repeat has fewer than two folds or an empty one.
    """
    folds = _check_folds(values, fold_of)
    repeats, images = values.shape
    flat = (fold_of + folds * np.arange(repeats)[:, None]).ravel()
    sizes = np.bincount(flat, minlength=folds * repeats)
    if not sizes.all():
        raise InputError(
            f"invalid fold_of: expected {folds} folds with images in each repeat, got an empty "
            "fold.",
            "Number the folds from 0, and use fewer of them.",
        )
    sums = np.bincount(flat, values.ravel(), minlength=folds * repeats)
    typical_size = images / folds
    deviations: Floats = (sums - values.mean() * sizes) / typical_size
    return deviations


def _check_folds(values: Floats, fold_of: IntArray) -> int:
    """Return the number of folds.

    Raises:
        InputError: The shapes differ, or there are fewer than two folds.
    """
    folds = int(fold_of.max()) + 1 if fold_of.size else 0
    if fold_of.shape != values.shape or folds < 2 or fold_of.min() < 0:
        raise InputError(
            f"invalid fold_of: expected shape {values.shape} with at least two folds from 0, got "
            f"shape {fold_of.shape} with {folds}.",
            "Pass the fold of each image in each repeat.",
        )
    return folds


def detectable_errors(quantile: float, degrees_of_freedom: float) -> float:
    """Return the true difference, in standard errors, that a t test detects with a power of 80%.

    Args:
        quantile: Two-sided critical value of the test.
        degrees_of_freedom: Its degrees of freedom.

    References:
        Lachin (1992): the noncentral t distribution.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, norm

    def excess_power(effect: float) -> float:
        return float(nct.sf(quantile, degrees_of_freedom, effect)) - POWER

    return float(brentq(excess_power, quantile, 2 * quantile + norm.ppf(POWER) + 1, xtol=1e-4))
