"""Comparisons that stay valid after the same runs have selected the best contender."""

import numpy as np
import pytest
from scipy.stats import studentized_range

from headstart.evaluation import (
    accuracy_difference,
    accuracy_interval,
    comparisons_with_selected,
    exact_mcnemar,
)
from headstart.evaluation._paired_tests import BoolArray
from headstart.evaluation._simultaneous_tests import _pooled_variance

LEVEL = 0.05


def equal_recipes(
    rng: np.random.Generator, count: int, seeds: int, n: int, luck: float
) -> dict[str, BoolArray]:
    """Simulate recipes with an accuracy of about 84%, whose runs differ by their luck."""
    ease = rng.normal(1.0, 0.9, n)
    runs = {}
    for number in range(count):
        per_run = rng.normal(0, 0.45, (seeds, n)) + rng.normal(0, luck, (seeds, 1))
        runs[str(number)] = np.asarray(ease + per_run > 0)
    return runs


def most_accurate(runs: dict[str, BoolArray]) -> str:
    return max(runs, key=lambda name: float(runs[name].mean()))


def test_the_critical_value_is_that_of_the_studentized_range() -> None:
    """With equal recipes, many images and little luck, the family is that of Tukey (1953)."""
    runs = equal_recipes(np.random.default_rng(0), 7, 3, 4000, luck=0.0)
    best = most_accurate(runs)
    selected = comparisons_with_selected(best, runs, LEVEL).comparisons
    variance = _pooled_variance(list(runs.values()))
    factors = []
    for name, comparison in selected.items():
        test = accuracy_difference(runs[name], runs[best], LEVEL, variance)
        margin = (comparison.interval[1] - comparison.interval[0]) / 2
        tukey = studentized_range.isf(LEVEL, 7, test.degrees_of_freedom) / 2**0.5
        factors.append(margin / test.standard_error / tukey)
    assert np.mean(factors) == pytest.approx(1, abs=0.04)


def test_the_interval_of_the_selected_recipe_reaches_lower() -> None:
    rng = np.random.default_rng(0)
    runs = equal_recipes(rng, 7, 3, 400, luck=0.1)
    best = most_accurate(runs)
    low, high = comparisons_with_selected(best, runs, LEVEL).interval
    plain_low, _ = accuracy_interval(runs[best])
    assert low < plain_low < runs[best].mean() < high

    alone = comparisons_with_selected(best, {best: runs[best]}, LEVEL)
    assert alone.comparisons == {}
    assert alone.interval == pytest.approx(accuracy_interval(runs[best]), abs=0.02)


def test_a_worse_recipe_is_excluded_and_its_interval_agrees_with_its_p_value() -> None:
    rng = np.random.default_rng(1)
    runs = equal_recipes(rng, 6, 3, 2000, luck=0.02)
    runs["worse"] = runs["0"] & (rng.random((3, 2000)) < 0.9)
    result = comparisons_with_selected(most_accurate(runs), runs, LEVEL)
    assert result.comparisons["worse"].p_adjusted < 0.01
    assert result.comparisons["worse"].difference < -0.05
    for comparison in result.comparisons.values():
        low, high = comparison.interval
        assert low < comparison.difference < high
        assert comparison.is_significant(LEVEL) == (not low <= 0 <= high)
        assert comparison.p_value <= comparison.p_adjusted


def test_a_recipe_that_fails_once_in_three_seeds_varies_significantly_more() -> None:
    rng = np.random.default_rng(2)
    runs = equal_recipes(rng, 6, 3, 1000, luck=0.02)
    unstable = runs["0"].copy()
    unstable[1] &= rng.random(1000) < 0.5
    runs["unstable"] = unstable
    result = comparisons_with_selected("1", runs, LEVEL)
    assert not result.comparisons["unstable"].is_significant(LEVEL), "its seeds differ too much"
    assert result.more_variable == ("unstable",)


def test_single_models_are_compared_by_exact_tests_corrected_for_all_pairs() -> None:
    rng = np.random.default_rng(3)
    runs = equal_recipes(rng, 4, 1, 300, luck=0.0)
    best = most_accurate(runs)
    result = comparisons_with_selected(best, runs, LEVEL)
    for name, comparison in result.comparisons.items():
        p = exact_mcnemar(runs[name][0], runs[best][0]).p_value
        assert comparison.p_value == pytest.approx(p)
        assert p <= comparison.p_adjusted <= min(1.0, 6 * p)
        assert comparison.interval[0] < comparison.difference < comparison.interval[1]
    # A single seed of one recipe makes all of them models.
    mixed = comparisons_with_selected(best, {**runs, "five": runs["0"].repeat(5, axis=0)}, LEVEL)
    assert set(mixed.comparisons) == {"five", *runs} - {best}
