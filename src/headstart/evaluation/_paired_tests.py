"""Two finished models on the same images: exact McNemar, the paired bootstrap, and what they could have shown."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

BoolArray = NDArray[np.bool_]
POWER = 0.8  # Cohen's (1988) convention for a study's power


@dataclass(frozen=True)
class PairedTest:
    """Images that only model a, and only model b, gets right; and how surprising that imbalance is."""

    only_a: int
    only_b: int
    p_value: float


def as_runs(correct: BoolArray, name: str = "correct") -> BoolArray:
    """`(S, N)` booleans from `(N,)` or `(S, N)` ones, or an InputError that names the argument."""
    runs = np.atleast_2d(np.asarray(correct))
    if runs.dtype != np.bool_ or runs.ndim != 2 or runs.size == 0:
        raise InputError(
            f"{name} is {runs.dtype} of shape {np.shape(correct)}, but must be booleans, one a test image: "
            "(images,) or (seeds, images), at least one of each."
        )
    return runs


def as_paired_runs(correct_a: BoolArray, correct_b: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Both as `(S, N)` booleans about the same N images."""
    a, b = as_runs(correct_a, "correct_a"), as_runs(correct_b, "correct_b")
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"{a.shape[1]:,} and {b.shape[1]:,} test images: a paired test needs the same images in the same order."
        )
    return a, b


def exact_mcnemar(correct_a: BoolArray, correct_b: BoolArray) -> PairedTest:
    """Test whether two classifiers differ on the same images.

    Counts the images that only one of them gets right and asks how surprising the imbalance is under a fair coin:
    exact at any count, where the chi-square form fails below about 25 discordant images.

    Args:
        correct_a, correct_b: `(N,)` booleans, one an image of the same test set in the same order.

    Returns:
        The two discordant counts and the two-sided p-value in [0, 1]; 1 when no image is discordant.

    Raises:
        InputError: the arrays differ in length, or are empty.

    Source: McNemar (1947); the exact form as in Dietterich (1998), section 3.1.
    """
    if np.ndim(correct_a) != 1 or np.ndim(correct_b) != 1:
        raise InputError(
            f"shapes {np.shape(correct_a)} and {np.shape(correct_b)}: McNemar's test is about one run of each model, (images,).",
            "Over several seeds, use recipe_test.",
        )
    (a,), (b,) = as_paired_runs(correct_a, correct_b)
    from scipy.stats import binomtest

    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return PairedTest(only_a, only_b, p_value)


def paired_bootstrap(
    correct_a: BoolArray,
    correct_b: BoolArray,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval for the difference in accuracy a - b, resampling the images and keeping the runs as they are.

    Args:
        correct_a, correct_b: `(N,)` or `(S, N)` booleans about the same images; the numbers of runs may differ, and each
            image counts with its mean over runs.
        seed: of the resampling; equal seeds give equal intervals.
        resamples: how many.
        level: confidence in (0, 1).

    Returns:
        Lower and upper end, in [-1, 1].

    Raises:
        InputError: not booleans, empty, or of different numbers of images.

    Source: Efron and Tibshirani (1993), chapter 13. Images with equal differences are interchangeable, so each resample
    is one multinomial draw of how many images of each kind it holds. It draws from the N images and two more, one at 0 and half a
    one at each of -1 and 1, so that the interval has a width even where all images agree: Agresti and Min (2005).
    """
    a, b = as_paired_runs(correct_a, correct_b)
    scale = len(a) * len(b)  # whole numbers first: float means would split equal differences
    per_image = a.sum(axis=0) * len(b) - b.sum(axis=0) * len(a)
    n = len(per_image)
    counts = np.bincount(per_image + scale, minlength=2 * scale + 1) + 0.0
    counts[[0, scale, -1]] += [0.5, 1.0, 0.5]
    kinds = np.arange(-scale, scale + 1)
    draws = np.random.default_rng(seed).multinomial(n, counts / (n + 2), size=resamples)
    low, high = np.quantile(draws @ (kinds / scale) / n, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def minimum_detectable_effect(discordant: int, n: int, level: float = 0.05) -> float:
    """Smallest difference in accuracy that exact McNemar would show with power 80%, given how many images were discordant.

    Args:
        discordant: images that exactly one of the two models got right.
        n: all test images.
        level: of the two-sided test.

    Returns:
        A difference in (0, 1]. With too few discordant images for any p-value to reach `level` (fewer than 6 at 0.05), the
        answer is for the fewest that suffice. 1 means that even then `n` images cannot show any difference.

    Raises:
        InputError: not 0 <= discordant <= n, or n < 1.

    Source: the test given the number of discordant images is a binomial test, whose power has a closed form in the beta
    distribution (Clopper and Pearson 1934); conditioning on that number as in Lachin (1992).
    """
    if n < 1 or not 0 <= discordant <= n:
        raise InputError(
            f"{discordant} discordant of {n} images: wanted at least one image, and no more discordant than that."
        )
    from scipy.stats import beta, binom

    fewest = math.ceil(1 - math.log2(level))  # 2 * 0.5**d <= level
    if n < fewest:
        return 1.0
    d = max(discordant, fewest)
    rejects_from = int(binom.isf(level / 2, d, 0.5)) + 1
    share = float(
        beta.ppf(POWER, rejects_from, d - rejects_from + 1)
    )  # P(Binomial(d, share) >= rejects_from) = POWER
    return d * (2 * share - 1) / n
