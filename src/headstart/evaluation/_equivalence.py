"""Two one-sided tests: is a difference in accuracy smaller than a margin?

The margin is fixed before the data are seen. Equivalence at level 0.05 is the same as a 90%
interval that lies within the margin (Schuirmann 1987).
"""

from __future__ import annotations

import math

from headstart.errors import InputError

DEFAULT_MARGIN = 0.005  # half a percentage point


def check_margin(margin: float) -> float:
    """Return the margin, a fraction.

    Args:
        margin: The largest difference in accuracy that counts as equivalent, a fraction.

    Raises:
        InputError: It is not between 0 and 1.
    """
    if not 0 < margin < 1:
        raise InputError(
            "invalid equivalence margin: expected more than 0 and less than 100 percentage points, "
            f"got {100 * margin:g}.",
            "Choose the largest difference that would not matter in use. Example: --equivalence 1",
        )
    return margin


def recipe_equivalence_p_value(
    difference: float, standard_error: float, degrees_of_freedom: float, margin: float
) -> float:
    """Return the p-value of two one-sided t tests.

    Args:
        difference: Difference in accuracy, a fraction.
        standard_error: Its standard error.
        degrees_of_freedom: Degrees of freedom of the standard error.
        margin: Equivalence margin, a fraction.

    Returns:
        The larger p-value of the two tests, against a difference of at least `margin` and of at
        most `-margin`.

    References:
        Schuirmann (1987).
    """
    from scipy.stats import t

    return float(t.sf((margin - abs(difference)) / standard_error, degrees_of_freedom))


def model_equivalence_p_value(only_a: int, only_b: int, n: int, margin: float) -> float:
    """Return the p-value of two one-sided score tests of two models on the same images.

    Args:
        only_a: Number of images that only the first model classifies correctly.
        only_b: Number of images that only the second model classifies correctly.
        n: Number of images.
        margin: Equivalence margin, a fraction.

    Returns:
        The larger p-value of the two tests.

    References:
        Score test of a paired difference, for equivalence: Tango (1998).
    """
    from scipy.stats import norm

    larger, smaller = max(only_a, only_b), min(only_a, only_b)
    return float(norm.cdf(_score(larger, smaller, n, margin)))


def model_equivalence_interval(
    only_a: int, only_b: int, n: int, confidence: float
) -> tuple[float, float]:
    """Return the score interval of the difference in accuracy of two models, a - b.

    Args:
        only_a: Number of images that only the first model classifies correctly.
        only_b: Number of images that only the second model classifies correctly.
        n: Number of images.
        confidence: Confidence level, 0.9 for two one-sided tests at level 0.05.

    References:
        Tango (1998).
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    quantile = float(norm.ppf((1 + confidence) / 2))
    difference = (only_a - only_b) / n

    def end(sign: int) -> float:
        """Return the end of the interval in the direction of `sign`."""

        def excess(distance: float) -> float:
            hypothesis = difference + sign * distance
            return -sign * _score(only_a, only_b, n, hypothesis) - quantile

        farthest = 1 - sign * difference
        if farthest <= 0 or excess(farthest) <= 0:
            return float(sign)
        return difference + sign * float(brentq(excess, 0.0, farthest, xtol=1e-9))

    return end(-1), end(1)


def _score(only_a: int, only_b: int, n: int, hypothesis: float) -> float:
    """Return the score statistic of the difference a - b against a hypothetical difference.

    The variance is that of the most probable table with the hypothetical difference.
    """
    # The share of images that only b classifies correctly solves a quadratic equation.
    linear = -only_a - only_b + (2 * n - only_a + only_b) * hypothesis
    constant = -only_b * hypothesis * (1 - hypothesis)
    root = math.sqrt(max(0.0, linear**2 - 8 * n * constant))
    share = max((root - linear) / (4 * n), 0.0, -hypothesis)

    variance = n * (2 * share + hypothesis * (1 - hypothesis))
    surplus = only_a - only_b - n * hypothesis
    if variance <= 0:
        return 0.0 if surplus == 0 else math.copysign(math.inf, surplus)
    return surplus / math.sqrt(variance)
