"""The verdict and its sentence."""

import json

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.evaluation import exact_mcnemar, holm, recipe_test, verdict
from headstart.evaluation._paired_tests import BoolArray


def runs(*right: int, n: int = 1000) -> BoolArray:
    """One run for each number of right images, the first ones being right."""
    return np.stack([np.arange(n) < count for count in right])


def noisy(seed: int, accuracy: float, seeds: int = 3, n: int = 2000) -> BoolArray:
    """Runs that are right at random."""
    return np.random.default_rng(seed).random((seeds, n)) < accuracy


def test_a_clear_difference_over_seeds_is_about_the_recipes() -> None:
    found = verdict({"cnn": runs(800, 801, 799), "efficientnet-lite0": runs(920, 921, 922)})
    assert found.winner == "efficientnet-lite0"
    assert found.sentence == (
        "efficientnet-lite0 is better than cnn by 12.1 points of test accuracy (95% interval 10.1 to 14.1, "
        "p < 0.001); over 3 seeds and 1,000 test images, so this is about the recipes."
    )
    assert found.about == "recipes"


def test_no_difference_names_the_smallest_that_would_show() -> None:
    a, b = noisy(0, 0.9), noisy(1, 0.9)
    found = verdict({"cnn": a, "mlp": b})
    assert found.winner is None
    assert found.sentence == (
        "No difference shown between cnn and mlp: 0.8 points apart (95% interval -0.4 to 1.9, p = 0.19); "
        "this test would show 1.6 points or more four times in five; over 3 seeds and 2,000 test images, "
        "so this is about the recipes."
    )


def test_one_run_each_is_about_the_trained_models() -> None:
    a, b = runs(900), runs(850)
    found = verdict({"cnn": b, "lite0": a})
    assert found.about == "models"
    assert found.p_value == exact_mcnemar(a[0], b[0]).p_value
    assert found.interval == found.pairs[0].bootstrap
    assert found.sentence == (
        "lite0 is better than cnn by 5.0 points of test accuracy (95% interval 3.6 to 6.4, p < 0.001); on "
        "1,000 test images with one run each, so this is about these trained models, not the recipes: more "
        "seeds would tell."
    )


def test_the_verdict_holds_the_numbers_of_the_best_two() -> None:
    a, b = noisy(0, 0.92), noisy(1, 0.9)
    found, tested = verdict({"b": b, "a": a}), recipe_test(a, b)
    assert (found.difference, found.interval, found.p_value, found.smallest_detectable) == (
        tested.difference,
        tested.interval,
        tested.p_value,
        tested.smallest_detectable,
    )
    assert [(pair.a, pair.b) for pair in found.pairs] == [("a", "b")]


def test_every_pair_carries_mcnemar_for_each_seed_and_the_bootstrap() -> None:
    a, b = noisy(0, 0.92), noisy(1, 0.9, seeds=2)
    (pair,) = verdict({"a": a, "b": b}).pairs
    assert pair.mcnemar == (exact_mcnemar(a[0], b[0]), exact_mcnemar(a[1], b[1]))
    assert pair.bootstrap is not None and pair.bootstrap[0] < pair.difference < pair.bootstrap[1]


def test_a_contender_with_one_run_makes_it_about_first_runs() -> None:
    found = verdict({"a": runs(900, 100, 100), "b": runs(800)})
    assert (found.winner, found.about) == ("a", "models")
    assert (
        "with the first run of each, as not every contender has two, so this is about these trained models"
        in found.sentence
    )


def test_unequal_numbers_of_seeds_are_said() -> None:
    assert (
        "over 2 to 3 seeds and 1,000"
        in verdict({"a": runs(900, 901, 902), "b": runs(800, 801)}).sentence
    )


def test_a_winner_of_three_beats_both_others() -> None:
    found = verdict(
        {"worst": runs(500, 501, 502), "best": runs(920, 921, 922), "middle": runs(800, 801, 802)}
    )
    assert found.winner == "best"
    assert found.sentence.startswith(
        "best is better than middle by 12.0 points of test accuracy (95% interval 10.0 to 14.0, "
        "p < 0.001), and better than worst; over 3 seeds"
    )
    assert found.sentence.endswith("; p-values after Holm's correction.")
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        ("best", "middle"),
        ("best", "worst"),
        ("middle", "worst"),
    ]


def test_the_best_of_three_is_no_winner_when_one_rival_is_not_separated() -> None:
    found = verdict({"a": noisy(0, 0.9), "b": noisy(1, 0.9), "c": noisy(2, 0.6)})
    assert found.winner is None
    assert found.sentence == (
        "No single winner: a is not separated from b (0.8 points apart, 95% interval -0.4 to 1.9, "
        "p = 0.19); this test would show 1.9 points or more four times in five; over 3 seeds and 2,000 "
        "test images, so this is about the recipes; p-values after Holm's correction. a is better than c."
    )


def test_three_equal_contenders_are_all_named() -> None:
    sentence = verdict({"a": noisy(0, 0.9), "b": noisy(1, 0.9), "c": noisy(2, 0.9)}).sentence
    assert sentence.startswith("No single winner: ")
    assert sentence.count(" points apart, ") == 2
    assert "better" not in sentence


def test_a_difference_shown_alone_may_fall_to_the_correction() -> None:
    """p = 0.031 between a and b is enough for two contenders; Holm asks for 0.025 of the second of three pairs."""
    a, b = np.arange(100) < 60, np.arange(100) < 54
    assert verdict({"a": a, "b": b}).winner == "a"
    found = verdict({"a": a, "b": b, "c": np.arange(100) < 53})
    assert found.winner is None
    first = next(pair for pair in found.pairs if (pair.a, pair.b) == ("a", "b"))
    assert [first.p_value, first.p_adjusted] == pytest.approx([2 / 64, 2 * 2 / 64])


def test_more_pairs_can_show_less() -> None:
    a, b, c = noisy(0, 0.9), noisy(1, 0.9), noisy(2, 0.2)
    two, three = (
        verdict({"a": a, "b": b}).smallest_detectable,
        verdict({"a": a, "b": b, "c": c}).smallest_detectable,
    )
    assert two is not None and three is not None and two < three


def test_identical_contenders_have_no_winner() -> None:
    found = verdict({"a": runs(900), "b": runs(900)})
    assert (found.winner, found.difference, found.p_value) == (None, 0.0, 1.0)
    assert "0.0 points apart" in found.sentence
    assert found.smallest_detectable is not None and 0 < found.smallest_detectable < 0.01


def test_five_images_show_nothing_and_the_sentence_says_so() -> None:
    found = verdict({"a": np.ones(5, dtype=bool), "b": np.zeros(5, dtype=bool)})
    assert found.winner is None
    assert "so few images cannot show any; on 5 test images" in found.sentence


def test_a_single_contender_is_not_compared() -> None:
    found = verdict({"cnn": runs(900, 901)})
    assert found.sentence == (
        "cnn is the only contender, so nothing is compared; over 2 seeds and 1,000 test images, so this is about the recipes."
    )
    assert (
        found.winner,
        found.difference,
        found.interval,
        found.p_value,
        found.smallest_detectable,
    ) == (None,) * 5


def test_no_contender_is_an_error() -> None:
    with pytest.raises(InputError, match="No contender has a finished run"):
        verdict({})


def test_a_contender_without_booleans_is_named() -> None:
    with pytest.raises(InputError, match=r"^mlp is int64 of shape \(2,\)"):
        verdict({"cnn": runs(9), "mlp": np.array([3, 4], dtype=np.int64)})


def test_contenders_judged_on_different_images_are_an_error() -> None:
    with pytest.raises(InputError, match="1,000 and 999 test images"):
        verdict({"a": runs(900), "b": runs(800, n=999)})


def test_a_verdict_is_plain_json() -> None:
    found = json.loads(json.dumps(verdict({"a": runs(900, 901), "b": runs(800, 801)}).as_json()))
    assert {
        "winner",
        "difference",
        "interval",
        "p_value",
        "smallest_detectable",
        "sentence",
        "about",
        "pairs",
    } == set(found)
    assert found["pairs"][0]["mcnemar"][0]["only_a"] == 100


def test_holm_is_the_step_down_correction_computed_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
