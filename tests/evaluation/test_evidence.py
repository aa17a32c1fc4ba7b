"""A small version of benchmarks/evidence.md: intervals cover, tests find what they say, nothing is better than itself."""

import numpy as np
import pytest
from scipy.stats import norm

from headstart.evaluation import (
    accuracy_interval,
    exact_mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
    recipe_test,
    verdict,
)
from headstart.evaluation._paired_tests import BoolArray


def two_recipes(
    rng: np.random.Generator,
    seeds: int,
    n: int,
    accuracies: tuple[float, float],
    taste: float = 0.15,
    spread: float = 0.0,
) -> tuple[BoolArray, BoolArray]:
    """`(seeds, n)` of recipes with these true accuracies and this spread of them over seeds; they differ in taste in images."""
    ease = rng.normal(0, (0.85 - taste) ** 0.5, n)
    found = []
    for accuracy in accuracies:
        z = norm.ppf(accuracy)
        luck = spread / norm.pdf(z)
        image = ease + rng.normal(0, taste**0.5, n)
        run = rng.normal(0, 0.15**0.5, (seeds, n)) + rng.normal(0, luck, (seeds, 1))
        found.append(np.asarray(image + run + z * (1 + luck**2) ** 0.5 > 0))
    return found[0], found[1]


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_intervals_of_an_accuracy_cover_about_95_times_in_a_hundred(seeds: int) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = accuracy_interval(two_recipes(rng, seeds, 500, (0.9, 0.9))[0])
        covered += low <= 0.9 <= high
    assert 0.925 <= covered / 400 <= 0.975


@pytest.mark.parametrize(
    ("seeds", "taste", "spread"),
    [(1, 0.15, 0.0), (3, 0.15, 0.0), (3, 0.15, 0.01), (5, 0.02, 0.005)],
)
def test_intervals_of_a_difference_cover_about_95_times_in_a_hundred(
    seeds: int, taste: float, spread: float
) -> None:
    """The sum of both variances, with the noise of single predictions in it twice, covers 98 to 99 times."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        a, b = two_recipes(rng, seeds, 500, (0.9, 0.88), taste, spread)
        low, high = (
            paired_bootstrap(a, b, resamples=1000) if seeds == 1 else recipe_test(a, b).interval
        )
        covered += low <= 0.02 <= high
    assert 0.925 <= covered / 400 <= 0.979


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_differences_of_the_size_a_test_names_are_found_about_four_times_in_five(
    seeds: int,
) -> None:
    rng = np.random.default_rng(2)
    said = []
    for _ in range(30):
        a, b = two_recipes(rng, seeds, 1000, (0.9, 0.86))
        discordant = int((a[0] != b[0]).sum())
        said.append(
            minimum_detectable_effect(discordant, 1000)
            if seeds == 1
            else recipe_test(a, b).smallest_detectable
        )
    difference = float(np.median(said))
    found = 0
    for _ in range(200):
        a, b = two_recipes(rng, seeds, 1000, (0.9, 0.9 - difference))
        found += (exact_mcnemar(a[0], b[0]) if seeds == 1 else recipe_test(a, b)).p_value <= 0.05
    assert 0.70 <= found / 200 <= 0.90


@pytest.mark.parametrize(("seeds", "taste"), [(1, 0.15), (2, 0.0), (3, 0.0), (5, 0.0)])
def test_a_recipe_is_rarely_called_better_than_itself(seeds: int, taste: float) -> None:
    """One run each is judged as two models, which do differ where their tastes do: then images decide, and none favours one."""
    rng = np.random.default_rng(3)
    pairs = [
        two_recipes(rng, seeds, 500, (0.9, 0.9), taste, spread=0.005 * (seeds > 1))
        for _ in range(200)
    ]
    p_values = [
        (exact_mcnemar(a[0], b[0]) if seeds == 1 else recipe_test(a, b)).p_value for a, b in pairs
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05
    for least in np.argsort(p_values)[:4]:  # those that come nearest to a winner
        a, b = pairs[least]
        assert (verdict({"cnn": a, "cnn again": b}).winner is not None) == (p_values[least] <= 0.05)
