"""The verdict of a comparison and its sentence."""

import json

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.evaluation import holm, mid_p_mcnemar, recipe_test, verdict
from headstart.evaluation._paired_tests import BoolArray


def runs(*correct: int, n: int = 1000) -> BoolArray:
    """Return one run per number of correct images. Each run is correct on the first images."""
    return np.stack([np.arange(n) < count for count in correct])


def noisy(seed: int, accuracy: float, seeds: int = 3, n: int = 2000) -> BoolArray:
    """Return runs that are correct at random."""
    return np.random.default_rng(seed).random((seeds, n)) < accuracy


def test_a_significant_difference_over_seeds_applies_to_the_recipes() -> None:
    result = verdict({"cnn": runs(800, 801, 799), "efficientnet-lite0": runs(920, 921, 922)})
    assert result.winner == "efficientnet-lite0"
    assert result.sentence == (
        "efficientnet-lite0 is significantly better than cnn: its test accuracy is 12.1 points "
        "higher (95% confidence interval 10.1 to 14.1, p < 0.001). This is based on 3 seeds per "
        "contender and 1,000 test images, so it applies to the recipes on these training images."
    )
    assert (result.about, result.outcome) == ("recipes", "better")


def test_an_undecided_comparison_says_what_limits_it_and_what_would_decide() -> None:
    a, b = noisy(0, 0.9), noisy(1, 0.9)
    result = verdict({"cnn": a, "mlp": b})
    assert (result.outcome, result.winner) == ("undecided", None)
    assert result.sentence == (
        "Undecided: the test accuracies of cnn and mlp differ by 0.8 points (95% confidence "
        "interval -0.4 to 1.9, p = 0.19). This shows neither that one is better nor that they are "
        "equivalent within 0.5 points. The limit is the variance over seeds (100% of the squared "
        "standard error). About 14 seeds per contender would decide it, if the true difference is "
        "the observed one (80% power). This is based on 3 seeds per contender and 2,000 test "
        "images, so it applies to the recipes on these training images."
    )


def test_two_contenders_within_the_margin_are_equivalent() -> None:
    result = verdict({"cnn": runs(900, 901, 902), "mlp": runs(899, 900, 901)}, margin=0.01)
    assert (result.outcome, result.winner) == ("equivalent", None)
    assert (result.equivalent_to_best, result.equivalence_margin) == (("mlp",), 0.01)
    (pair,) = result.pairs
    low, high = pair.equivalence_interval
    assert -0.01 < low < pair.difference < high < 0.01
    assert result.sentence.startswith(
        "cnn and mlp are equivalent within 1 point: their test accuracies differ by 0.1 points "
        "(90% confidence interval "
    )
    assert result.needed is None


def test_a_significant_difference_within_the_margin_is_better_and_says_that_it_is_small() -> None:
    a = np.arange(100_000) < 90_000
    b = np.arange(100_000) < 89_900
    result = verdict({"a": a, "b": b})
    assert (result.outcome, result.winner) == ("better", "a")
    assert "The difference is smaller than the equivalence margin of 0.5 points." in result.sentence


def test_a_tie_at_the_top_is_equivalent_if_the_others_are_worse() -> None:
    a, b = np.arange(10_000) < 9_000, np.arange(10_000) < 8_999
    result = verdict({"a": a, "b": b, "c": np.arange(10_000) < 5_000})
    assert (result.outcome, result.winner) == ("equivalent", None)
    assert result.equivalent_to_best == ("b",)
    assert "a is significantly better than c." in result.sentence
    assert "corrected for multiple comparisons (Holm)" in result.sentence


def test_equivalence_is_corrected_for_the_number_of_pairs() -> None:
    a, b, c = noisy(0, 0.9), noisy(1, 0.9), noisy(2, 0.9)
    pairs = verdict({"a": a, "b": b, "c": c}).pairs
    raw = [pair.p_equivalent for pair in pairs]
    assert [pair.p_equivalent_adjusted for pair in pairs] == holm(raw)


def test_a_contender_that_no_seed_changes_is_named_without_a_claim_about_its_models() -> None:
    result = verdict({"cnn": runs(800, 801, 799), "lite0": runs(920, 920, 920)})
    assert result.sentence.endswith(
        "recipes on these training images. lite0 classifies the same images correctly with every "
        "seed."
    )
    perfect = verdict({"cnn": runs(1000, 1000), "lite0": runs(1000, 1000)})
    assert perfect.sentence.endswith(
        " cnn and lite0 each classify the same images correctly with every seed."
    )


def test_two_contenders_at_the_top_are_not_ranked() -> None:
    a, b, c = np.arange(20) < 15, np.arange(20) >= 5, np.arange(20) < 14
    sentence = verdict({"a": a, "b": b, "c": c}).sentence
    assert sentence.startswith(
        "Undecided: no contender has a higher test accuracy than a. Neither a difference nor "
        "equivalence within 0.5 points is shown between it and b (0.0 points, "
    )


def test_a_contender_with_a_failed_run_cannot_win_and_is_named() -> None:
    result = verdict({"cnn": runs(900, 901)}, left_out=["mlp"])
    assert (result.outcome, result.winner, result.pairs) == ("undecided", None, ())
    assert (
        "mlp is left out, because not all of its runs finished: only the successful ones would "
        "count." in result.sentence
    )
    nothing = verdict({}, left_out=["cnn", "mlp"])
    assert nothing.sentence.startswith("Nothing is compared. cnn and mlp are left out, because ")


@pytest.mark.parametrize("margin", [0.0, -0.01, 1.0, float("nan")])
def test_a_margin_outside_0_to_100_points_is_an_error(margin: float) -> None:
    with pytest.raises(InputError, match="invalid equivalence margin: expected more than 0"):
        verdict({"a": runs(900)}, margin=margin)


def test_one_run_per_contender_applies_to_the_trained_models() -> None:
    a, b = runs(900), runs(850)
    result = verdict({"cnn": b, "lite0": a})
    assert result.about == "models"
    assert result.p_value == mid_p_mcnemar(a[0], b[0]).p_value
    assert result.interval == result.pairs[0].bootstrap
    assert result.sentence == (
        "lite0 is significantly better than cnn: its test accuracy is 5.0 points higher (95% "
        "confidence interval 3.6 to 6.4, p < 0.001). This is based on one run per contender and "
        "1,000 test images, so it applies to these trained models, not to the recipes. Comparing "
        "recipes needs at least two seeds per contender."
    )


def test_the_verdict_has_the_results_of_the_best_two_contenders() -> None:
    a, b = noisy(0, 0.92), noisy(1, 0.9)
    result, tested = verdict({"b": b, "a": a}), recipe_test(a, b)
    assert (result.difference, result.interval, result.p_value, result.smallest_detectable) == (
        tested.difference,
        tested.interval,
        tested.p_value,
        tested.smallest_detectable,
    )
    assert [(pair.a, pair.b) for pair in result.pairs] == [("a", "b")]


def test_every_pair_has_a_mcnemar_test_per_seed_and_a_bootstrap_interval() -> None:
    a, b = noisy(0, 0.92), noisy(1, 0.9, seeds=2)
    (pair,) = verdict({"a": a, "b": b}).pairs
    assert pair.mcnemar == (mid_p_mcnemar(a[0], b[0]), mid_p_mcnemar(a[1], b[1]))
    assert pair.bootstrap is not None and pair.bootstrap[0] < pair.difference < pair.bootstrap[1]


def test_with_a_contender_of_one_run_the_first_runs_are_compared() -> None:
    result = verdict({"a": runs(900, 100, 100), "b": runs(800)})
    assert (result.winner, result.about) == ("a", "models")
    assert (
        "the first run of each contender (some have only one) and 1,000 test images, so it applies "
        "to these trained models" in result.sentence
    )


def test_the_sentence_has_the_range_of_unequal_numbers_of_seeds() -> None:
    assert (
        "on 2 to 3 seeds per contender and 1,000"
        in verdict({"a": runs(900, 901, 902), "b": runs(800, 801)}).sentence
    )


def test_a_winner_of_three_beats_both_others() -> None:
    result = verdict(
        {"worst": runs(500, 501, 502), "best": runs(920, 921, 922), "middle": runs(800, 801, 802)}
    )
    assert result.winner == "best"
    assert result.sentence.startswith(
        "best is significantly better than middle: its test accuracy is 12.0 points higher (95% "
        "confidence interval 10.0 to 14.0, p < 0.001). It is also significantly better than worst. "
        "The p-values are corrected for multiple comparisons (Holm). This is based on 3 seeds"
    )
    assert [(pair.a, pair.b) for pair in result.pairs] == [
        ("best", "middle"),
        ("best", "worst"),
        ("middle", "worst"),
    ]


def test_the_best_of_three_is_not_a_winner_if_one_difference_is_not_significant() -> None:
    result = verdict({"a": noisy(0, 0.9), "b": noisy(1, 0.9), "c": noisy(2, 0.6)})
    assert result.winner is None
    assert result.sentence == (
        "Undecided: the test accuracies of a and b differ by 0.8 points (95% confidence interval "
        "-0.4 to 1.9, p = 0.19). This shows neither that one is better nor that they are "
        "equivalent within 0.5 points. a is significantly better than c. The limit is the variance "
        "over seeds (100% of the squared standard error). About 18 seeds per contender would "
        "decide it, if the true difference is the observed one (80% power). The p-values are "
        "corrected for multiple comparisons (Holm). This is based on 3 seeds per contender and "
        "2,000 test images, so it applies to the recipes on these training images."
    )


def test_three_equal_contenders_are_all_named() -> None:
    sentence = verdict({"a": noisy(0, 0.9), "b": noisy(1, 0.9), "c": noisy(2, 0.9)}).sentence
    assert sentence.startswith("Undecided: a has the highest test accuracy. Neither a difference ")
    assert sentence.count(" points, 95% confidence interval ") == 2
    assert "better" not in sentence


def test_a_significant_difference_of_two_contenders_may_not_survive_the_correction() -> None:
    """p = 0.031 is significant for one pair. For the second of three pairs, Holm requires 0.025."""
    a, b = np.arange(100) < 60, np.arange(100) < 55
    assert verdict({"a": a, "b": b}).winner == "a"
    result = verdict({"a": a, "b": b, "c": np.arange(100) < 54})
    assert result.winner is None
    first = next(pair for pair in result.pairs if (pair.a, pair.b) == ("a", "b"))
    assert [first.p_value, first.p_adjusted] == pytest.approx([2 / 64, 2 * 2 / 64])


def test_more_pairs_increase_the_minimum_detectable_effect() -> None:
    a, b, c = noisy(0, 0.9), noisy(1, 0.9), noisy(2, 0.2)
    two = verdict({"a": a, "b": b}).smallest_detectable
    three = verdict({"a": a, "b": b, "c": c}).smallest_detectable
    assert two is not None and three is not None and two < three


def test_identical_contenders_have_no_winner() -> None:
    result = verdict({"a": runs(900), "b": runs(900)})
    assert (result.winner, result.difference, result.p_value) == (None, 0.0, 1.0)
    assert "differ by 0.0 points" in result.sentence
    assert result.outcome == "equivalent"
    assert result.smallest_detectable is not None and 0 < result.smallest_detectable < 0.01


def test_four_images_decide_nothing_and_the_sentence_says_how_many_would() -> None:
    result = verdict({"a": np.ones(4, dtype=bool), "b": np.zeros(4, dtype=bool)})
    assert result.winner is None
    assert result.outcome == "undecided"
    assert "About 9 test images would decide it" in result.sentence


def test_a_single_contender_is_not_compared() -> None:
    result = verdict({"cnn": runs(900, 901)})
    assert result.sentence == (
        "cnn is the only contender, so there is nothing to compare. This is based on 2 seeds per "
        "contender and 1,000 test images, so it applies to the recipes on these training images."
    )
    assert (
        result.winner,
        result.difference,
        result.interval,
        result.p_value,
        result.smallest_detectable,
    ) == (None,) * 5


def test_no_contender_is_an_error() -> None:
    with pytest.raises(
        InputError, match="there is nothing to compare: no contender has a finished run"
    ):
        verdict({})


def test_a_contender_without_booleans_is_named() -> None:
    with pytest.raises(InputError, match=r"^invalid results of mlp: .* got int64 of shape \(2,\)"):
        verdict({"cnn": runs(9), "mlp": np.array([3, 4], dtype=np.int64)})


def test_contenders_evaluated_on_different_images_are_an_error() -> None:
    with pytest.raises(InputError, match="expected the same test images, got 1,000 and 999"):
        verdict({"a": runs(900), "b": runs(800, n=999)})


def test_a_verdict_is_plain_json() -> None:
    written = verdict({"a": runs(900, 901), "b": runs(800, 801)}).as_json()
    result = json.loads(json.dumps(written))
    assert {
        "outcome",
        "equivalent_to_best",
        "equivalence_margin",
        "needed",
        "levels",
        "looks",
        "probability_to_decide",
        "winner",
        "difference",
        "interval",
        "p_value",
        "smallest_detectable",
        "sentence",
        "about",
        "pairs",
    } == set(result)
    assert result["pairs"][0]["mcnemar"][0]["only_a"] == 100


def test_holm_is_the_step_down_correction_computed_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
