"""Recipes, over images and seeds."""

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.evaluation import (
    accuracy_interval,
    comparisons_with,
    mean_interval,
    pooled_seed_variance,
    recipe_test,
)
from headstart.evaluation._paired_tests import BoolArray


def recipe(rng: np.random.Generator, ease: np.ndarray, seeds: int, spread: float) -> BoolArray:
    """`(seeds, N)`: images of given ease in logits, this recipe's own taste in images, and a spread over seeds."""
    logits = ease + rng.normal(0, 0.7, len(ease)) + rng.normal(0, spread, (seeds, 1))
    return np.asarray(rng.random(logits.shape) < 1 / (1 + np.exp(-logits)))


def false_findings(seeds: int, spread: float, experiments: int = 300, n: int = 400) -> float:
    """Share of experiments on two equally good recipes that end with p <= 0.05."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(experiments):
        ease = rng.normal(3, 3, n)
        found += (
            recipe_test(recipe(rng, ease, seeds, spread), recipe(rng, ease, seeds, spread)).p_value
            <= 0.05
        )
    return found / experiments


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.0), (3, 0.5), (5, 0.5), (2, 0.2)])
def test_equal_recipes_are_rarely_called_different(seeds: int, spread: float) -> None:
    assert false_findings(seeds, spread) <= 0.075  # 0.05 and two standard errors of 300 experiments


def test_the_test_finds_differences_of_the_size_it_promises_most_of_the_time() -> None:
    rng = np.random.default_rng(1)
    shown, promised, real = 0, [], []
    for _ in range(100):
        ease = rng.normal(2, 2, 500)
        found = recipe_test(recipe(rng, ease + 0.6, 3, 0.1), recipe(rng, ease, 3, 0.1))
        shown += found.p_value <= 0.05
        promised.append(found.smallest_detectable)
        real.append(found.difference)
    assert np.mean(real) > np.mean(promised)
    assert shown >= 75


def test_the_spread_over_seeds_counts() -> None:
    """The same images right in total, but one recipe depends on luck: that one proves less."""
    steady = np.tile(np.arange(1000) < 850, (3, 1))
    lucky = np.stack([np.arange(1000) < right for right in (900, 850, 800)])
    other = np.tile(np.arange(1000) < 800, (3, 1))
    assert recipe_test(steady, other).p_value < 0.001
    assert recipe_test(lucky, other).p_value > 0.05


def test_the_numbers_are_those_of_the_formula() -> None:
    a = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)
    b = np.array([[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
    found = recipe_test(a, b)
    images = np.array([1, 1 / 3, 1 / 2, -1 / 3])
    over_images = ((images**2).sum() + 1) / 6 - (images.sum() / 6) ** 2
    parts = np.array([over_images / 4, 0.03125 / 2, 0.0])  # accuracies .75, .5 and .25, .25, .25
    noise = (
        0.5 / 4 / 8 + (1 / 3 + 1 / 3) / 4 / 12
    )  # one image on which two runs disagree; two on which one of three does
    total = parts[0] + max(0, parts[1] - noise)
    assert found.difference == pytest.approx(0.375)
    assert found.standard_error == pytest.approx(total**0.5)
    assert found.degrees_of_freedom == pytest.approx(total**2 / (parts[0] ** 2 / 3 + parts[1] ** 2))


def test_the_interval_and_the_p_value_agree() -> None:
    rng = np.random.default_rng(2)
    for shift in (0.0, 0.2, 0.4, 0.6, 0.8):
        ease = rng.normal(1, 2, 300)
        found = recipe_test(recipe(rng, ease + shift, 3, 0.1), recipe(rng, ease, 3, 0.1))
        assert (found.p_value <= 0.05) == (found.interval[0] > 0 or found.interval[1] < 0)


def test_identical_runs_differ_by_nothing_but_not_with_certainty() -> None:
    runs = np.random.default_rng(0).random((3, 500)) < 0.9
    found = recipe_test(runs, runs)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert 0 < found.smallest_detectable < 0.1
    assert found.interval[0] < 0 < found.interval[1]


def test_all_right_against_all_wrong_on_two_images_proves_nothing() -> None:
    found = recipe_test(np.ones((2, 2), dtype=bool), np.zeros((2, 2), dtype=bool))
    assert found.difference == 1.0
    assert found.p_value > 0.05
    assert found.interval[1] == found.smallest_detectable == 1.0


def test_one_seed_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        InputError, match="1 and 3 runs: a test of two recipes needs at least two seeds of each"
    ) as caught:
        recipe_test(np.ones((1, 5), dtype=bool), np.ones((3, 5), dtype=bool))
    assert "exact_mcnemar" in caught.value.hint


def test_the_interval_of_an_accuracy_covers_the_recipe_and_not_only_these_images() -> None:
    rng = np.random.default_rng(0)
    truth = float(recipe(rng, rng.normal(2, 1, 200_000), 1, 0.0).mean())
    covered = 0
    for _ in range(200):
        low, high = accuracy_interval(recipe(rng, rng.normal(2, 1, 400), 3, 0.2))
        covered += low <= truth <= high
    assert covered >= 184  # 95% of 200, less two standard errors


def test_the_interval_of_one_run_is_wilsons() -> None:
    assert accuracy_interval(np.arange(263) < 81) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_the_interval_of_perfect_runs_has_a_width_and_ends_at_one() -> None:
    low, high = accuracy_interval(np.ones((3, 50), dtype=bool))
    assert 0.8 < low < high == 1.0


def test_near_one_hundred_percent_the_interval_of_three_runs_reaches_further_down_than_up() -> None:
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
    """Variants of one recipe: the same taste in images, a spread over seeds; the last one may differ."""
    logits = rng.normal(3, 3, n)
    found = {}
    for number in range(recipes):
        ease = logits + rng.normal(0, 0.25, (seeds, 1)) + (effect if number == recipes - 1 else 0.0)
        found[str(number)] = np.asarray(rng.random(ease.shape) < 1 / (1 + np.exp(-ease)))
    return found


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_grid_without_differences_rarely_shows_one(seeds: int) -> None:
    rng = np.random.default_rng(0)
    families = [comparisons_with("0", grid(rng, 10, seeds, 300), 0.05) for _ in range(120)]
    false = sum(any(pair.is_significant(0.05) for pair in family.values()) for family in families)
    assert false / len(families) <= 0.09  # 0.05 and two standard errors of 120 families


def test_a_grid_finds_with_two_seeds_what_two_recipes_alone_do_not() -> None:
    rng = np.random.default_rng(0)
    together = alone = 0
    for _ in range(40):
        runs = grid(rng, 10, 2, effect=-1.5)
        together += comparisons_with("0", runs, 0.05)["9"].is_significant(0.05)
        alone += comparisons_with("0", {name: runs[name] for name in ("0", "9")}, 0.05)[
            "9"
        ].is_significant(0.05)
    assert together >= 34 and alone <= 25


def test_a_wild_recipe_keeps_its_own_spread_and_does_not_widen_that_of_the_others() -> None:
    rng = np.random.default_rng(0)
    calm = grid(rng, 8, 3)
    wild = np.stack([np.arange(1000) < 100, np.arange(1000) < 500, np.arange(1000) < 900])
    spread, with_wild = (
        pooled_seed_variance(list(calm.values())),
        pooled_seed_variance([*calm.values(), wild]),
    )
    assert spread is not None and with_wild is not None
    assert with_wild.variance < 3 * spread.variance
    assert not comparisons_with("0", {**calm, "wild": wild}, 0.05)["wild"].is_significant(0.05)
    assert pooled_seed_variance(list(calm.values())[:3]) is None, "three recipes say too little"


def test_pairs_with_one_contender_have_signs_and_are_corrected_together() -> None:
    right = {
        "base": np.arange(200) < 150,
        "better": np.arange(200) < 190,
        "worse": np.arange(200) < 100,
    }
    pairs = comparisons_with("base", {name: array[None] for name, array in right.items()}, 0.05)
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
