"""What limits an undecided comparison, and how many seeds or images would decide it."""

import numpy as np
import pytest
from scipy.stats import norm

from headstart.evaluation import ErrorParts, needed_evidence, recipe_test
from headstart.evaluation._needed_evidence import MOST_SEEDS, parts_of_recipes
from headstart.evaluation._paired_tests import BoolArray


def simulated(spread: float, seeds: int, n: int, seed: int = 0) -> tuple[BoolArray, BoolArray]:
    """Return runs of two recipes with 90% accuracy and a standard deviation over seeds."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 0.84, n)
    runs = []
    for _ in "ab":
        recipe = rng.normal(0, 0.39, n)
        luck = rng.normal(0, spread / norm.pdf(norm.ppf(0.9)), (seeds, 1))
        runs.append(ease + recipe + rng.normal(0, 0.39, (seeds, n)) + luck + norm.ppf(0.9) > 0)
    return runs[0], runs[1]


@pytest.mark.parametrize(("spread", "n", "limit"), [(0.0, 1000, "images"), (0.03, 20_000, "seeds")])
def test_the_limit_is_what_the_variance_comes_from(spread: float, n: int, limit: str) -> None:
    a, b = simulated(spread, 10, n)
    parts = parts_of_recipes(a, b, recipe_test(a, b).standard_error)
    needed = needed_evidence(0.012, parts, 0.005, 0.05)
    assert needed.limit == limit
    if limit == "images":
        assert needed.seeds is None and needed.images is not None and needed.images > n
    if limit == "seeds":
        assert needed.image_share < 0.25


def test_the_parts_add_up_to_the_squared_standard_error() -> None:
    for seed, spread in enumerate((0.0, 0.005, 0.02)):
        a, b = simulated(spread, 3, 2000, seed)
        error = recipe_test(a, b).standard_error
        parts = parts_of_recipes(a, b, error)
        assert parts.variance(parts.seeds, parts.n) == pytest.approx(error**2)
        assert min(parts.image_variance, parts.noise_variance, parts.seed_variance) >= 0


def test_the_needed_seeds_give_the_promised_power() -> None:
    """Differences that are normal around the truth are significant in about 80% of repetitions."""
    parts = ErrorParts(1e-6, noise_variance=0.0, seed_variance=5e-5, seeds=3, n=10_000)
    needed = needed_evidence(0.01, parts, 0.005, 0.05)
    assert needed.seeds is not None and needed.images is None
    rng = np.random.default_rng(0)
    runs = 4000
    spread = (5e-5 * 3 / 2) ** 0.5
    a = rng.normal(0.01, spread, (runs, needed.seeds))
    b = rng.normal(0.0, spread, (runs, needed.seeds))
    difference = a.mean(1) - b.mean(1) + rng.normal(0, 1e-3, runs)
    over_seeds = (a.var(1, ddof=1) + b.var(1, ddof=1)) / needed.seeds
    significant = np.abs(difference) > 2.1 * (over_seeds + 1e-6) ** 0.5
    assert 0.74 < significant.mean() < 0.92


def test_the_needed_images_give_a_standard_error_that_shows_the_difference() -> None:
    parts = ErrorParts(image_variance=4e-5, noise_variance=0.0, seed_variance=0.0, seeds=1, n=1000)
    needed = needed_evidence(0.01, parts, 0.005, 0.05)
    assert needed.images is not None
    error = (4e-5 * 1000 / needed.images) ** 0.5
    assert 0.01 / error == pytest.approx(1.96 + 0.84, abs=0.02)


def test_a_large_spread_on_few_images_needs_both_and_an_impossible_case_neither() -> None:
    both = ErrorParts(image_variance=5e-5, noise_variance=0.0, seed_variance=4e-5, seeds=3, n=1000)
    needed = needed_evidence(0.01, both, 0.005, 0.05)
    assert needed.seeds is not None and needed.images is not None
    assert 3 < needed.seeds <= MOST_SEEDS and needed.images > 1000

    halfway = ErrorParts(5e-5, noise_variance=0.0, seed_variance=2e-3, seeds=2, n=300)
    needed = needed_evidence(0.0025, halfway, 0.005, 0.05)
    assert (needed.seeds, needed.images) == (None, None)


@pytest.mark.parametrize("seeds", [29, 30, 40])
def test_images_still_help_a_study_with_thirty_seeds_or_more(seeds: int) -> None:
    needed = needed_evidence(0.0045, ErrorParts(4e-6, 1e-7, 2e-6, seeds, 2000), 0.005, 0.05)
    assert needed.seeds == max(30, seeds)
    assert needed.images is not None
    assert 10_000 < needed.images < 1_000_000
