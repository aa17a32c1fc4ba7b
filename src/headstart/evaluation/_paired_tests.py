"""Tests of two trained models on the same images: exact McNemar and the paired bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

BoolArray = NDArray[np.bool_]
POWER = 0.8  # Cohen's (1988) convention for the power of a study


@dataclass(frozen=True)
class PairedTest:
    """Result of a McNemar test.

    Attributes:
        only_a: Number of images that only the first model classifies correctly.
        only_b: Number of images that only the second model classifies correctly.
        p_value: Two-sided p-value.
    """

    only_a: int
    only_b: int
    p_value: float


def as_runs(correct: BoolArray, name: str = "correct") -> BoolArray:
    """Return one row per run.

    Args:
        correct: Boolean array of shape (N,) or (S, N).
        name: Name of the argument, for the error message.

    Returns:
        Boolean array of shape (S, N), with S = 1 for a one-dimensional array.

    Raises:
        InputError: The array is not boolean, is empty or has more than two dimensions.
    """
    runs = np.atleast_2d(np.asarray(correct))
    if runs.dtype != np.bool_ or runs.ndim != 2 or runs.size == 0:
        raise InputError(
            f"invalid {name}: expected booleans of shape (images,) or (seeds, images), "
            f"got {runs.dtype} of shape {np.shape(correct)}.",
            "Pass predicted == labels, with at least one image.",
        )
    return runs


def as_paired_runs(correct_a: BoolArray, correct_b: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Return both arrays with one row per run, of shapes (S_a, N) and (S_b, N).

    Raises:
        InputError: An array is not boolean or is empty, or the numbers of images differ.
    """
    a, b = as_runs(correct_a, "correct_a"), as_runs(correct_b, "correct_b")
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"invalid pair: expected the same test images, got {a.shape[1]:,} and {b.shape[1]:,}.",
            "Evaluate both models on the same images in the same order.",
        )
    return a, b


def exact_mcnemar(correct_a: BoolArray, correct_b: BoolArray) -> PairedTest:
    """Test whether two classifiers have the same accuracy on the same images.

    Uses the exact binomial form, which stays valid when few images are discordant. The chi-square
    form fails below about 25 of them.

    Args:
        correct_a: Boolean array of shape (N,). True where the first classifier is correct.
        correct_b: The same for the second classifier, in the same image order.

    Returns:
        The two discordant counts and the two-sided p-value. The p-value is 1 when no image is
        discordant.

    Raises:
        InputError: The arrays have different lengths, are empty or are not one-dimensional.

    References:
        McNemar (1947); exact form as in Dietterich (1998), section 3.1.
    """
    if np.ndim(correct_a) != 1 or np.ndim(correct_b) != 1:
        raise InputError(
            "invalid input of McNemar's test: expected one run per model, of shape (images,), "
            f"got shapes {np.shape(correct_a)} and {np.shape(correct_b)}.",
            "Use recipe_test for several seeds.",
        )
    from scipy.stats import binomtest

    (a,), (b,) = as_paired_runs(correct_a, correct_b)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    discordant = only_a + only_b

    p_value = float(binomtest(only_a, discordant).pvalue) if discordant else 1.0
    return PairedTest(only_a, only_b, p_value)


def paired_bootstrap(
    correct_a: BoolArray,
    correct_b: BoolArray,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return a percentile interval of the difference in accuracy, a - b.

    Images are resampled and runs are kept. Each image counts with its mean over runs.

    Args:
        correct_a: Boolean array of shape (N,) or (S_a, N). True where the prediction is correct.
        correct_b: The same for the second model, of shape (N,) or (S_b, N), for the same images.
        seed: Seed of the resampling. The same seed gives the same interval.
        resamples: Number of resamples.
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper bound in [-1, 1].

    Raises:
        InputError: An array is not boolean or is empty, or the numbers of images differ.

    References:
        Efron and Tibshirani (1993), chapter 13. Images with equal differences are
        interchangeable, so each resample is one multinomial draw of the number of images per
        difference. The draw is from the N images and two pseudo-observations: one at 0 and half
        of one at each of -1 and 1. The interval then has a positive width even if all images
        agree: Agresti and Min (2005).
    """
    a, b = as_paired_runs(correct_a, correct_b)

    # Differences are counted in integers first: float means would split equal differences.
    scale = len(a) * len(b)
    per_image = a.sum(axis=0) * len(b) - b.sum(axis=0) * len(a)
    n = len(per_image)
    counts = np.bincount(per_image + scale, minlength=2 * scale + 1) + 0.0
    counts[[0, scale, -1]] += [0.5, 1.0, 0.5]

    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n, counts / (n + 2), size=resamples)
    values = np.arange(-scale, scale + 1) / scale
    low, high = np.quantile(draws @ values / n, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def minimum_detectable_effect(discordant: int, n: int, level: float = 0.05) -> float:
    """Return the smallest difference in accuracy that exact McNemar detects with a power of 80%.

    Args:
        discordant: Number of images that exactly one of the two models classifies correctly.
        n: Number of test images.
        level: Significance level of the two-sided test.

    Returns:
        A difference in (0, 1]. With too few discordant images for any p-value to reach `level`
        (fewer than 6 at 0.05), the result is that of the smallest sufficient number. The result is
        1 if even that number exceeds `n`, so that no difference can be detected.

    Raises:
        InputError: `n` is below 1, or `discordant` is not between 0 and `n`.

    References:
        Given the number of discordant images, the test is a binomial test. Its power has a closed
        form in the beta distribution: Clopper and Pearson (1934). Conditioning on that number as
        in Lachin (1992).
    """
    if n < 1 or not 0 <= discordant <= n:
        raise InputError(
            "invalid counts: expected n of at least 1 and discordant between 0 and n, "
            f"got n={n} and discordant={discordant}."
        )
    from scipy.stats import beta, binom

    fewest = math.ceil(1 - math.log2(level))  # smallest d with 2 * 0.5**d <= level
    if n < fewest:
        return 1.0

    d = max(discordant, fewest)
    rejects_from = int(binom.isf(level / 2, d, 0.5)) + 1
    # The share for which P(Binomial(d, share) >= rejects_from) = POWER.
    share = float(beta.ppf(POWER, rejects_from, d - rejects_from + 1))
    return d * (2 * share - 1) / n
