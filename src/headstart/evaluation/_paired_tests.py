"""Tests of two trained models on the same images: McNemar and the paired bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._grouped_images import IntArray, groups_to_resample
from headstart.evaluation._grouped_tests import grouped_bootstrap, sign_flip_p_value

BoolArray = NDArray[np.bool_]
McNemarForm = Literal["exact", "mid-p"]
PairedTestForm = Literal["exact", "mid-p", "sign-flip"]
POWER = 0.8  # Cohen's (1988) convention for the power of a study


@dataclass(frozen=True)
class PairedTest:
    """Result of a McNemar test, or of a sign-flip test of groups.

    Attributes:
        only_a: Number of images that only the first model classifies correctly.
        only_b: Number of images that only the second model classifies correctly.
        p_value: Two-sided p-value.
        form: "exact" or "mid-p" for McNemar's test, "sign-flip" for the exact test of groups.
    """

    only_a: int
    only_b: int
    p_value: float
    form: PairedTestForm = "exact"


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


def exact_mcnemar(
    correct_a: BoolArray, correct_b: BoolArray, groups: IntArray | None = None
) -> PairedTest:
    """Test whether two classifiers have the same accuracy on the same images.

    Uses the exact binomial form, which stays valid when few images are discordant. The chi-square
    form fails below about 25 of them.

    Args:
        correct_a: Boolean array of shape (N,). True where the first classifier is correct.
        correct_b: The same for the second classifier, in the same image order.
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, the signs of whole groups are flipped instead of those of images. This is exact,
            too.

    Returns:
        The two discordant counts and the two-sided p-value. The p-value is 1 when no image is
        discordant.

    Raises:
        InputError: The arrays have different lengths, are empty or are not one-dimensional.

    References:
        McNemar (1947); exact form as in Dietterich (1998), section 3.1.
    """
    from scipy.stats import binomtest

    grouped = _sign_flip_test(correct_a, correct_b, groups)
    if grouped is not None:
        return grouped

    only_a, only_b = _discordant_counts(correct_a, correct_b)
    discordant = only_a + only_b
    p_value = float(binomtest(only_a, discordant).pvalue) if discordant else 1.0
    return PairedTest(only_a, only_b, p_value)


def mid_p_mcnemar(
    correct_a: BoolArray, correct_b: BoolArray, groups: IntArray | None = None
) -> PairedTest:
    """Test whether two classifiers have the same accuracy, with the mid-p form.

    The observed outcome counts half. The exact form counts it fully, and is therefore significant
    less often than its level allows: at 270 images and level 0.05, in 1 to 4% of the pairs of
    equally accurate models. The mid-p form is significant in 3 to 5%
    (benchmarks/evidence_intervals.md).

    Args:
        correct_a: Boolean array of shape (N,). True where the first classifier is correct.
        correct_b: The same for the second classifier, in the same image order.
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, the test is that of `exact_mcnemar`, which flips the signs of whole groups.

    Returns:
        The two discordant counts and the two-sided p-value. The p-value is 1 when no image is
        discordant.

    Raises:
        InputError: The arrays have different lengths, are empty or are not one-dimensional.

    References:
        Fagerland, Lydersen and Laake (2013). It held its level in all of their 9,595 settings.
    """
    from scipy.stats import binom

    grouped = _sign_flip_test(correct_a, correct_b, groups)
    if grouped is not None:
        return grouped

    only_a, only_b = _discordant_counts(correct_a, correct_b)
    smaller, discordant = min(only_a, only_b), only_a + only_b
    p_value = 2 * binom.cdf(smaller, discordant, 0.5) - binom.pmf(smaller, discordant, 0.5)
    return PairedTest(only_a, only_b, min(1.0, float(p_value)), "mid-p")


def _discordant_counts(correct_a: BoolArray, correct_b: BoolArray) -> tuple[int, int]:
    """Return how many images only the first, or only the second, model classifies correctly."""
    if np.ndim(correct_a) != 1 or np.ndim(correct_b) != 1:
        raise InputError(
            "invalid input of McNemar's test: expected one run per model, of shape (images,), "
            f"got shapes {np.shape(correct_a)} and {np.shape(correct_b)}.",
            "Use recipe_test for several seeds.",
        )
    (a,), (b,) = as_paired_runs(correct_a, correct_b)
    return int((a & ~b).sum()), int((b & ~a).sum())


def _sign_flip_test(
    correct_a: BoolArray, correct_b: BoolArray, groups: IntArray | None
) -> PairedTest | None:
    """Return the exact test over groups, or None where images are the units."""
    only_a, only_b = _discordant_counts(correct_a, correct_b)
    resampled = groups_to_resample(groups, len(correct_a))
    if resampled is None:
        return None
    p_value = sign_flip_p_value(resampled.sums(correct_a.astype(np.int64) - correct_b))
    return PairedTest(only_a, only_b, p_value, "sign-flip")


def paired_bootstrap(
    correct_a: BoolArray,
    correct_b: BoolArray,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    groups: IntArray | None = None,
) -> tuple[float, float]:
    """Return a percentile interval of the difference in accuracy, a - b.

    Images are resampled and runs are kept. Each image counts with its mean over runs.

    Args:
        correct_a: Boolean array of shape (N,) or (S_a, N). True where the prediction is correct.
        correct_b: The same for the second model, of shape (N,) or (S_b, N), for the same images.
        seed: Seed of the resampling. The same seed gives the same interval.
        resamples: Number of resamples.
        level: Confidence level in (0, 1).
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, groups are resampled instead of images.

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
    resampled = groups_to_resample(groups, a.shape[1])
    if resampled is not None:
        differences = a.mean(axis=0) - b.mean(axis=0)
        return grouped_bootstrap(differences, resampled, seed, resamples, level)

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


def minimum_detectable_effect(
    discordant: int, n: int, level: float = 0.05, form: McNemarForm = "exact"
) -> float:
    """Return the smallest difference in accuracy that McNemar's test detects with a power of 80%.

    Args:
        discordant: Number of images that exactly one of the two models classifies correctly.
        n: Number of test images.
        level: Significance level of the two-sided test.
        form: Form of the test.

    Returns:
        A difference in (0, 1]. With too few discordant images for any p-value to reach `level` (at
        0.05 fewer than 6, or 5 with the mid-p form), the result is that of the smallest sufficient
        number. The result is 1 if even that number exceeds `n`, so that no difference can be
        detected.

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

    # The smallest d at which one model alone could be significant: 2 * 0.5**d or 0.5**d <= level.
    fewest = math.ceil((form == "exact") - math.log2(level))
    if n < fewest:
        return 1.0

    d = max(discordant, fewest)
    rejects_from = int(binom.isf(level / 2, d, 0.5)) + 1
    if form == "mid-p":
        # The mid-p form needs one image less, or as many: p is halfway between two exact values.
        tails = binom.sf([rejects_from - 2, rejects_from - 1], d, 0.5)
        rejects_from -= bool(tails.sum() <= level)
    # The share for which P(Binomial(d, share) >= rejects_from) = POWER.
    share = float(beta.ppf(POWER, rejects_from, d - rejects_from + 1))
    return d * (2 * share - 1) / n
