"""Tests of two trained models on the same images."""

import numpy as np
import pytest
from scipy.stats import binom

from headstart.errors import InputError
from headstart.evaluation import (
    PairedTest,
    exact_mcnemar,
    mid_p_mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
)
from headstart.evaluation._paired_tests import BoolArray


def models(only_a: int, only_b: int, both: int, neither: int = 0) -> tuple[BoolArray, BoolArray]:
    """Return the correct predictions of two models with these counts of images."""
    counts = (only_a, only_b, both, neither)
    return np.repeat([True, False, True, False], counts), np.repeat(
        [False, True, True, False], counts
    )


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (5, 0, 2 / 2**5),  # five heads in a row, or five tails
        (1, 8, 2 * (1 + 9) / 2**9),
        (2, 6, 2 * (1 + 8 + 28) / 2**8),
        (4, 4, 1.0),
    ],
)
def test_mcnemar_is_the_binomial_test_of_a_fair_coin_computed_by_hand(
    only_a: int, only_b: int, p: float
) -> None:
    test = exact_mcnemar(*models(only_a, only_b, both=50, neither=7))
    assert (test.only_a, test.only_b) == (only_a, only_b)
    assert test.p_value == pytest.approx(p)


def test_mcnemar_without_discordant_images_is_one() -> None:
    same = np.array([True, False, True])
    assert exact_mcnemar(same, same) == PairedTest(0, 0, 1.0)


def test_models_evaluated_on_different_images_are_not_compared() -> None:
    with pytest.raises(
        InputError,
        match="expected the same test images, got 2 and 3",
    ):
        exact_mcnemar(np.ones(2, dtype=bool), np.ones(3, dtype=bool))


def test_mcnemar_refuses_several_seeds_and_names_the_test_for_them() -> None:
    with pytest.raises(
        InputError, match=r"expected one run per model, of shape \(images,\), got shapes \(2, 5\)"
    ) as caught:
        exact_mcnemar(np.ones((2, 5), dtype=bool), np.ones((2, 5), dtype=bool))
    assert "recipe_test" in caught.value.hint


def test_predictions_instead_of_booleans_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"invalid correct_a: expected booleans .* got int64 of shape \(2,\)"
    ):
        paired_bootstrap(np.array([3, 1], dtype=np.int64), np.array([True, False]))


def test_the_bootstrap_agrees_with_the_normal_interval_on_many_images() -> None:
    a, b = models(only_a=400, only_b=300, both=9_000, neither=300)
    difference = a.astype(float) - b.astype(float)
    margin = 1.96 * difference.std() / 100
    assert paired_bootstrap(a, b) == pytest.approx((0.01 - margin, 0.01 + margin), abs=2.5e-4)


def test_the_bootstrap_pairs_images() -> None:
    """The interval of a difference of similar models is narrower than those of the accuracies."""
    a, b = models(only_a=20, only_b=0, both=500, neither=480)
    low, high = paired_bootstrap(a, b)
    assert 0.01 < low < 0.02 < high < 0.03


def test_the_bootstrap_is_repeatable_with_its_seed() -> None:
    a, b = models(9, 4, 30, 10)
    assert paired_bootstrap(a, b, seed=3) == paired_bootstrap(a, b, seed=3)
    assert paired_bootstrap(a, b, seed=3, resamples=50) != paired_bootstrap(
        a, b, seed=4, resamples=50
    )


def test_the_bootstrap_uses_the_mean_over_seeds_per_image() -> None:
    a, b = models(90, 40, 500, 100)
    assert paired_bootstrap(np.stack([a, a, a]), np.stack([b, b])) == pytest.approx(
        paired_bootstrap(a, b), abs=3e-3
    )
    shuffled = np.stack([a, np.roll(a, 300)])
    narrow, wide = paired_bootstrap(shuffled, b[None]), paired_bootstrap(a, ~a)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_the_bootstrap_interval_has_a_positive_width_even_if_models_agree_on_every_image() -> None:
    a, _ = models(0, 0, 80, 20)
    low, high = paired_bootstrap(a, a)
    assert -0.05 < low < 0 < high < 0.05


@pytest.mark.parametrize("discordant", [6, 25, 26, 100, 1000])
def test_the_minimum_detectable_effect_is_detected_with_a_power_of_80_percent(
    discordant: int,
) -> None:
    n = 10_000
    share = (1 + minimum_detectable_effect(discordant, n) * n / discordant) / 2
    counts = np.arange(discordant + 1)
    rejected = (
        np.minimum(1, 2 * binom.sf(np.maximum(counts, discordant - counts) - 1, discordant, 0.5))
        <= 0.05
    )
    assert binom.pmf(counts, discordant, share)[rejected].sum() == pytest.approx(0.8, abs=1e-4)


def test_fewer_than_six_discordant_images_count_as_six() -> None:
    at_six = minimum_detectable_effect(6, 1000)
    assert 0.005 < at_six <= 0.006
    assert [minimum_detectable_effect(d, 1000) for d in range(6)] == [at_six] * 6
    assert minimum_detectable_effect(7, 1000, level=0.01) == minimum_detectable_effect(
        8, 1000, level=0.01
    )  # 2 / 2**8 < 0.01 < 2 / 2**7


def test_no_difference_of_five_images_can_be_significant() -> None:
    assert minimum_detectable_effect(5, 5) == 1.0
    assert minimum_detectable_effect(6, 6) < 1.0


def test_more_discordant_images_than_test_images_are_refused() -> None:
    with pytest.raises(InputError, match="discordant between 0 and n, got n=5 and discordant=7"):
        minimum_detectable_effect(7, 5)


def test_the_mid_p_form_holds_its_level_and_is_less_conservative() -> None:
    """With 270 images of which 5% are discordant, the exact form rejects in 2.5%."""
    rng = np.random.default_rng(0)
    rejected = {exact_mcnemar: 0, mid_p_mcnemar: 0}
    for _ in range(1000):
        discordant = rng.binomial(270, 0.05)
        only_a = int(rng.binomial(discordant, 0.5))
        pair = models(only_a, int(discordant) - only_a, both=200, neither=20)
        for test, count in rejected.items():
            rejected[test] = count + (test(*pair).p_value <= 0.05)
    assert rejected[mid_p_mcnemar] <= 60
    assert rejected[mid_p_mcnemar] >= rejected[exact_mcnemar] + 5


def test_the_mid_p_form_counts_the_observed_outcome_half() -> None:
    pair = models(8, 3, both=50, neither=7)
    test = mid_p_mcnemar(*pair)
    assert (test.only_a, test.only_b, test.form) == (8, 3, "mid-p")
    assert test.p_value == pytest.approx(exact_mcnemar(*pair).p_value - 165 / 2**11)
    same = np.ones(9, dtype=bool)
    assert mid_p_mcnemar(same, same).p_value == 1.0
    assert minimum_detectable_effect(30, 1000, form="mid-p") <= minimum_detectable_effect(30, 1000)
    assert minimum_detectable_effect(5, 5, form="mid-p") < 1.0
