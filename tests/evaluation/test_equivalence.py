"""Two one-sided tests of equivalence, of recipes and of trained models."""

import numpy as np
import pytest
from scipy.stats import norm, t

from headstart.evaluation import (
    model_equivalence_interval,
    model_equivalence_p_value,
    recipe_equivalence_p_value,
)


def test_equivalence_of_recipes_is_a_90_percent_interval_within_the_margin() -> None:
    rng = np.random.default_rng(0)
    for difference, error, freedom in rng.uniform([-0.01, 1e-4, 2], [0.01, 6e-3, 40], (200, 3)):
        reach = t.ppf(0.95, freedom) * error
        is_within = difference - reach > -0.005 and difference + reach < 0.005
        p = recipe_equivalence_p_value(difference, error, freedom, 0.005)
        assert (p < 0.05) == is_within


def test_equivalence_of_models_is_a_90_percent_interval_within_the_margin() -> None:
    rng = np.random.default_rng(1)
    decided = 0
    for n, only_a, only_b in rng.integers([500, 0, 0], [20_000, 60, 60], (200, 3)).tolist():
        low, high = model_equivalence_interval(only_a, only_b, n, 0.9)
        is_within = low > -0.005 and high < 0.005
        decided += is_within
        p = model_equivalence_p_value(only_a, only_b, n, 0.005)
        assert (p < 0.05) == is_within
    assert 20 < decided < 180


@pytest.mark.parametrize("counts", [(12, 2, 50), (9, 7, 300), (0, 3, 40), (40, 38, 2000)])
def test_the_ends_of_the_interval_solve_the_score_equation(counts: tuple[int, int, int]) -> None:
    """The variance is that of the table of maximum likelihood, which is found numerically."""
    only_a, only_b, n = counts
    for hypothesis in model_equivalence_interval(only_a, only_b, n, 0.95):
        grid = np.linspace(max(0.0, -hypothesis), (1 - hypothesis) / 2, 400_001)[1:-1]
        likelihood = only_b * np.log(grid) + (n - only_a - only_b) * np.log1p(
            -2 * grid - hypothesis
        )
        likelihood += only_a * np.log(grid + hypothesis)
        share = grid[np.argmax(likelihood)]
        variance = (2 * share + hypothesis - hypothesis**2) / n
        z = ((only_a - only_b) / n - hypothesis) / variance**0.5
        assert abs(z) == pytest.approx(1.96, abs=0.01)


@pytest.mark.parametrize("counts", [(0, 0, 50), (5, 0, 50), (50, 0, 50), (0, 50, 50), (1, 0, 1)])
def test_the_score_interval_holds_the_difference_at_the_extremes(
    counts: tuple[int, int, int],
) -> None:
    only_a, only_b, n = counts
    low, high = model_equivalence_interval(only_a, only_b, n, 0.9)
    difference = (only_a - only_b) / n
    assert -1 <= low <= difference <= high <= 1
    assert high > low
    mirrored = model_equivalence_interval(only_b, only_a, n, 0.9)
    assert mirrored == pytest.approx((-high, -low), abs=1e-6)


def test_models_that_differ_by_the_margin_are_called_equivalent_in_one_case_of_twenty() -> None:
    """2,000 images, 8% discordant; the true difference is the margin of one point."""
    rng = np.random.default_rng(2)
    draws = rng.multinomial(2000, [0.045, 0.035, 0.92], size=2000)
    calls = [model_equivalence_p_value(a, b, 2000, 0.01) <= 0.05 for a, b, _ in draws.tolist()]
    assert np.mean(calls) < 0.05 + 2.6 * (0.05 * 0.95 / 2000) ** 0.5
    # A margin that the images cannot resolve is never shown.
    assert model_equivalence_p_value(80, 80, 2000, 0.0001) > 0.4


def test_no_discordant_image_is_as_strong_as_the_number_of_images() -> None:
    """With no discordant image of n, the score statistic is that of a margin against no event."""
    p = model_equivalence_p_value(0, 0, 1000, 0.005)
    assert p == pytest.approx(norm.cdf(-5 / (1000 * 0.005 * 0.995) ** 0.5))
