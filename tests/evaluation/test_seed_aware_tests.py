"""Intervals and tests of recipes, over images and seeds."""

import numpy as np
import pytest
from scipy.stats import t

from headstart.errors import InputError
from headstart.evaluation import (
    accuracy_interval,
    comparisons_with,
    mean_interval,
    pooled_seed_variance,
    recipe_test,
)
from headstart.evaluation._paired_tests import BoolArray
from headstart.evaluation._seed_aware_tests import _noncentrality


def recipe(rng: np.random.Generator, ease: np.ndarray, seeds: int, seed_sd: float) -> BoolArray:
    """Simulate the correct predictions of a recipe, of shape (seeds, N).

    Args:
        rng: Generator of the simulation.
        ease: Mean logit per image. The recipe adds its own deviation per image.
        seeds: Number of seeds.
        seed_sd: Standard deviation over seeds, in logits.
    """
    logits = ease + rng.normal(0, 0.7, len(ease)) + rng.normal(0, seed_sd, (seeds, 1))
    return np.asarray(rng.random(logits.shape) < 1 / (1 + np.exp(-logits)))


def false_positive_rate(seeds: int, seed_sd: float, experiments: int = 300, n: int = 400) -> float:
    """Return the share of experiments on two equally good recipes with p <= 0.05."""
    rng = np.random.default_rng(0)
    significant = 0
    for _ in range(experiments):
        ease = rng.normal(3, 3, n)
        a, b = recipe(rng, ease, seeds, seed_sd), recipe(rng, ease, seeds, seed_sd)
        significant += recipe_test(a, b).p_value <= 0.05
    return significant / experiments


@pytest.mark.parametrize(("seeds", "seed_sd"), [(3, 0.0), (3, 0.5), (5, 0.5), (2, 0.2)])
def test_equal_recipes_rarely_differ_significantly(seeds: int, seed_sd: float) -> None:
    # 0.05 and two standard errors of 300 experiments.
    assert false_positive_rate(seeds, seed_sd) <= 0.075


def test_the_test_usually_detects_differences_above_its_minimum_detectable_effect() -> None:
    rng = np.random.default_rng(1)
    significant = 0
    detectable, differences = [], []
    for _ in range(100):
        ease = rng.normal(2, 2, 500)
        test = recipe_test(recipe(rng, ease + 0.6, 3, 0.1), recipe(rng, ease, 3, 0.1))
        significant += test.p_value <= 0.05
        detectable.append(test.smallest_detectable)
        differences.append(test.difference)
    assert np.mean(differences) > np.mean(detectable)
    assert significant >= 75


def test_the_variance_over_seeds_counts() -> None:
    """A recipe that varies over seeds gives weaker evidence than an equally accurate one."""
    steady = np.tile(np.arange(1000) < 850, (3, 1))
    variable = np.stack([np.arange(1000) < correct for correct in (900, 850, 800)])
    other = np.tile(np.arange(1000) < 800, (3, 1))
    assert recipe_test(steady, other).p_value < 0.001
    assert recipe_test(variable, other).p_value > 0.05


def test_the_result_is_that_of_the_formula() -> None:
    a = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)
    b = np.array([[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
    test = recipe_test(a, b)
    images = np.array([1, 1 / 3, 1 / 2, -1 / 3])
    over_images = ((images**2).sum() + 1) / 6 - (images.sum() / 6) ** 2
    parts = np.array([over_images / 4, 0.03125 / 2, 0.0])  # accuracies .75, .5 and .25, .25, .25
    # Two runs of a disagree on one image. One of three runs of b disagrees on two images.
    noise = 0.5 / 4 / 8 + (1 / 3 + 1 / 3) / 4 / 12
    total = parts[0] + max(0, parts[1] - noise)
    assert test.difference == pytest.approx(0.375)
    assert test.standard_error == pytest.approx(total**0.5)
    assert test.degrees_of_freedom == pytest.approx(total**2 / (parts[0] ** 2 / 3 + parts[1] ** 2))


def test_the_interval_and_the_p_value_agree() -> None:
    rng = np.random.default_rng(2)
    for shift in (0.0, 0.2, 0.4, 0.6, 0.8):
        ease = rng.normal(1, 2, 300)
        test = recipe_test(recipe(rng, ease + shift, 3, 0.1), recipe(rng, ease, 3, 0.1))
        assert (test.p_value <= 0.05) == (test.interval[0] > 0 or test.interval[1] < 0)


def test_identical_runs_have_difference_zero_and_an_interval_with_a_positive_width() -> None:
    runs = np.random.default_rng(0).random((3, 500)) < 0.9
    test = recipe_test(runs, runs)
    assert (test.difference, test.p_value) == (0.0, 1.0)
    assert 0 < test.smallest_detectable < 0.1
    assert test.interval[0] < 0 < test.interval[1]


def test_two_images_are_too_few_for_a_significant_difference() -> None:
    test = recipe_test(np.ones((2, 2), dtype=bool), np.zeros((2, 2), dtype=bool))
    assert test.difference == 1.0
    assert test.p_value > 0.05
    assert test.interval[1] == test.smallest_detectable == 1.0


def test_a_single_seed_is_refused_with_a_hint() -> None:
    with pytest.raises(
        InputError, match="expected at least two seeds per recipe, got 1 and 3"
    ) as caught:
        recipe_test(np.ones((1, 5), dtype=bool), np.ones((3, 5), dtype=bool))
    assert "exact_mcnemar" in caught.value.hint


def test_the_accuracy_interval_covers_the_accuracy_on_all_images() -> None:
    rng = np.random.default_rng(0)
    truth = float(recipe(rng, rng.normal(2, 1, 200_000), 1, 0.0).mean())
    covered = 0
    for _ in range(200):
        low, high = accuracy_interval(recipe(rng, rng.normal(2, 1, 400), 3, 0.2))
        covered += low <= truth <= high
    assert covered >= 184  # 95% of 200, minus two standard errors


def test_the_interval_of_one_run_is_the_wilson_interval() -> None:
    assert accuracy_interval(np.arange(263) < 81) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_the_interval_of_perfect_runs_has_a_positive_width_and_ends_at_one() -> None:
    low, high = accuracy_interval(np.ones((3, 50), dtype=bool))
    assert 0.8 < low < high == 1.0


def test_near_100_percent_the_interval_of_three_runs_is_wider_below_than_above() -> None:
    rng = np.random.default_rng(0)
    runs = rng.random((3, 1000)) < np.array([[0.994], [0.992], [0.984]])
    mean = float(runs.mean())
    low, high = accuracy_interval(runs)
    assert 0.9 < low < mean < high < 1.0
    assert mean - low > 1.5 * (high - mean)
    low, high = accuracy_interval(~runs)
    assert (high - (1 - mean)) > 1.5 * (1 - mean - low) > 0


def grid(
    rng: np.random.Generator, recipes: int, seeds: int, n: int = 1000, effect: float = 0.0
) -> dict[str, BoolArray]:
    """Simulate variants of a recipe that vary over seeds. The last one also differs by `effect`."""
    logits = rng.normal(3, 3, n)
    runs = {}
    for number in range(recipes):
        ease = logits + rng.normal(0, 0.25, (seeds, 1)) + (effect if number == recipes - 1 else 0.0)
        runs[str(number)] = np.asarray(rng.random(ease.shape) < 1 / (1 + np.exp(-ease)))
    return runs


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_grid_without_differences_rarely_has_a_significant_one(seeds: int) -> None:
    rng = np.random.default_rng(0)
    families = [comparisons_with("0", grid(rng, 10, seeds, 300), 0.05) for _ in range(120)]
    false_positives = sum(
        any(pair.is_significant(0.05) for pair in family.values()) for family in families
    )
    assert false_positives / len(families) <= 0.09  # 0.05 and two standard errors of 120 families


def test_with_two_seeds_a_grid_detects_differences_that_two_recipes_alone_do_not() -> None:
    rng = np.random.default_rng(0)
    together = alone = 0
    for _ in range(40):
        runs = grid(rng, 10, 2, effect=-1.5)
        together += comparisons_with("0", runs, 0.05)["9"].is_significant(0.05)
        alone += recipe_test(runs["0"], runs["9"]).p_value <= 0.05 / 9
    # 28 against 2 of 40. It was 38 when pooled variances replaced larger ones, and recipes that
    # vary more were called different in error.
    assert together >= 25 and alone <= 10


def test_an_outlier_keeps_its_own_variance_and_does_not_increase_the_pooled_one() -> None:
    rng = np.random.default_rng(0)
    usual = grid(rng, 8, 3)
    outlier = np.stack([np.arange(1000) < 100, np.arange(1000) < 500, np.arange(1000) < 900])
    pooled, with_outlier = (
        pooled_seed_variance(list(usual.values())),
        pooled_seed_variance([*usual.values(), outlier]),
    )
    assert pooled is not None and with_outlier is not None
    assert with_outlier.variance < 3 * pooled.variance
    assert not comparisons_with("0", {**usual, "outlier": outlier}, 0.05)["outlier"].is_significant(
        0.05
    )
    assert pooled_seed_variance(list(usual.values())[:3]) is None, "three recipes are too few"


def test_a_recipe_with_three_times_the_spread_keeps_its_wide_interval() -> None:
    """The pooled variance in place of its own one covered 84%."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(150):
        usual = grid(rng, 7, 3, 400)
        logits = rng.normal(3, 3, 400) + rng.normal(0, 0.75, (3, 1))
        runs = {**usual, "other": np.asarray(rng.random((3, 400)) < 1 / (1 + np.exp(-logits)))}
        pooled = pooled_seed_variance(list(runs.values()))
        assert pooled is not None
        own = float(runs["other"].mean(axis=1).var(ddof=1))
        alone = recipe_test(runs["0"], runs["other"])
        together = recipe_test(runs["0"], runs["other"], seed_variance=pooled)
        if own > pooled.variance:
            assert together.standard_error >= 0.99 * alone.standard_error
        covered += together.p_value > 0.05
    assert covered / 150 >= 0.90


def test_the_minimum_detectable_effect_has_the_power_that_it_promises() -> None:
    """The sum of two t quantiles is too small for few degrees of freedom."""
    rng = np.random.default_rng(0)
    for freedom, level, errors in ((2, 0.05, 5.65), (2, 0.05 / 3, 9.82), (1000, 0.05, 2.80)):
        effect = _noncentrality(freedom, level)
        assert effect == pytest.approx(errors, abs=0.01)
        statistic = (rng.normal(size=40_000) + effect) / np.sqrt(
            rng.chisquare(freedom, 40_000) / freedom
        )
        power = np.mean(statistic > t.ppf(1 - level / 2, freedom))
        assert power == pytest.approx(0.8, abs=0.01)


def test_comparisons_with_a_reference_are_signed_and_corrected_together() -> None:
    correct = {
        "base": np.arange(200) < 150,
        "better": np.arange(200) < 190,
        "worse": np.arange(200) < 100,
    }
    pairs = comparisons_with("base", {name: array[None] for name, array in correct.items()}, 0.05)
    assert [(pair.a, pair.b) for pair in pairs.values()] == [("better", "base"), ("worse", "base")]
    assert pairs["better"].difference == 0.2 and pairs["worse"].difference == -0.25
    assert all(pair.is_significant(0.05) for pair in pairs.values())
    assert pairs["better"].p_adjusted >= pairs["better"].p_value


def test_the_interval_of_a_mean_covers_it() -> None:
    rng = np.random.default_rng(0)
    covered = sum(
        low <= 2.0 <= high
        for low, high in (mean_interval(rng.normal(2, 3, 20)) for _ in range(400))
    )
    assert 0.92 <= covered / 400 <= 0.98
    assert mean_interval(np.array([1.0])) == (float("-inf"), float("inf"))
