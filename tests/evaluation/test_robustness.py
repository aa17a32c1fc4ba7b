"""Robustness of a verdict: checks on other evaluated images, and the labels it depends on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import (
    Alteration,
    Looks,
    Robustness,
    Verdict,
    check_robustness,
    mid_p_mcnemar,
    verdict,
    without_images,
    without_most_influential,
)

BoolArray = NDArray[np.bool_]
IMAGES = 200


def conclude(correct: Mapping[str, BoolArray], _: NDArray[np.int64]) -> Verdict:
    return verdict(correct)


def predictions(only_a: int, only_b: int, seeds: int = 1) -> dict[str, BoolArray]:
    """Return the predictions of two contenders; the discordant images come first."""
    a, b = np.ones((seeds, IMAGES), bool), np.ones((seeds, IMAGES), bool)
    b[:, :only_a] = False
    a[:, only_a : only_a + only_b] = False
    return {"a": a, "b": b}


def examine(correct: Mapping[str, BoolArray], *alterations: Alteration) -> Robustness:
    conclusion = verdict(correct)
    return check_robustness(correct, conclusion, conclude, alterations, is_complete=True)


@pytest.mark.parametrize(("only_a", "only_b"), [(6, 0), (12, 1), (40, 15), (25, 0)])
def test_the_number_of_labels_is_the_smallest_that_leaves_no_significant_difference(
    only_a: int, only_b: int
) -> None:
    changed = 0
    a, b = (runs[0] for runs in predictions(only_a, only_b).values())
    while mid_p_mcnemar(a, b).p_value <= 0.05:
        changed += 1
        a, b = (runs[0] for runs in predictions(only_a - changed, only_b + changed).values())
    assert changed > 0
    assert examine(predictions(only_a, only_b)).labels_to_overturn == changed


def test_with_several_seeds_and_contenders_the_nearest_rival_counts() -> None:
    rng = np.random.default_rng(0)
    correct = {
        name: rng.random((seeds, 1000)) < share
        for name, share, seeds in (("best", 0.95, 3), ("near", 0.85, 5), ("far", 0.5, 3))
    }
    result = examine(correct)
    alone = examine({name: correct[name] for name in ("best", "near")})
    assert result.labels_to_overturn is not None
    assert alone.labels_to_overturn is not None
    assert 20 < result.labels_to_overturn <= alone.labels_to_overturn < 100


def test_the_level_of_a_look_decides_how_many_labels_overturn_it() -> None:
    rng = np.random.default_rng(1)
    noise = rng.random((3, 2000))
    correct = {"a": noise < 0.95, "b": noise[:, ::-1] < 0.85}
    looks = Looks((3,), 8)
    conclusion = verdict(correct, looks)
    level = conclusion.levels.better
    assert level < 0.03

    def conclude_look(runs: Mapping[str, BoolArray], _: NDArray[np.int64]) -> Verdict:
        return verdict(runs, looks)

    result = check_robustness(correct, conclusion, conclude_look, [], is_complete=True)
    count = result.labels_to_overturn
    assert count is not None
    gains = correct["a"].mean(axis=0) - correct["b"].mean(axis=0)
    order = np.argsort(-gains, kind="stable")
    p_values = []
    for changed in (count - 1, count):
        a, b = correct["a"].copy(), correct["b"].copy()
        rows = order[:changed]
        a[:, rows], b[:, rows] = b[:, rows], a[:, rows]
        p_values.append(verdict({"a": a, "b": b}, looks).pairs[0].p_value)
    assert p_values[0] <= level < p_values[1]


def test_a_strong_verdict_that_passes_every_check_is_robust() -> None:
    correct = predictions(30, 2)
    left_out = np.zeros(IMAGES, bool)
    left_out[:5] = True
    result = examine(correct, without_images("near copies", "", correct, left_out))
    assert (result.is_robust, result.is_strong) == (True, True)
    (check,) = result.checks
    assert (check.holds, check.winner, check.images) == (True, "a", 5)
    assert check.difference == pytest.approx((25 - 2) / (IMAGES - 5))

    conclusion = verdict(correct)
    result = check_robustness(correct, conclusion, conclude, [], is_complete=False)
    assert (result.is_robust, result.is_strong) == (None, True), "copies or labels are not known"


def test_a_verdict_that_rests_on_copies_is_not_robust() -> None:
    correct = predictions(30, 8)
    is_copy = np.arange(IMAGES) < 24
    result = examine(correct, without_images("near copies", "", correct, is_copy))
    assert (result.is_robust, result.is_strong) == (False, True)
    (check,) = result.checks
    assert (check.holds, check.is_strong, check.winner) == (False, False, None)
    assert check.difference == pytest.approx((6 - 8) / (IMAGES - 24))
    assert check.interval is not None
    assert check.interval[0] < (6 - 8) / (IMAGES - 24) < check.interval[1]


def test_weak_evidence_is_not_robust_and_no_image_left_is_a_failed_check() -> None:
    correct = predictions(8, 1)
    assert verdict(correct).winner == "a"
    result = examine(correct)
    assert (result.is_robust, result.is_strong) == (False, False)

    everything = np.ones(IMAGES, bool)
    result = examine(correct, without_images("near copies", "", correct, everything))
    assert [(check.holds, check.difference) for check in result.checks] == [(False, None)]


def test_without_a_winner_the_checks_say_whether_images_hide_one() -> None:
    correct = predictions(20, 12)
    result = examine(
        correct, without_images("without suspects", "", correct, np.arange(IMAGES) >= 188)
    )
    assert (result.is_robust, result.labels_to_overturn) == (None, None)
    assert result.checks[0].holds
    hides = without_images(
        "without suspects", "", correct, (np.arange(IMAGES) >= 20) & (np.arange(IMAGES) < 32)
    )
    assert examine(correct, hides).checks[0].winner == "a"


def test_the_class_that_the_lead_rests_on_is_left_out() -> None:
    correct = predictions(30, 0)
    classes = np.arange(IMAGES) % 4
    classes[:25] = 2
    conclusion = verdict(correct)
    names = ("ant", "bee", "cat", "dog")
    alteration = without_most_influential("class", correct, conclusion, classes, names)
    assert alteration is not None
    assert alteration.subject == "cat"
    assert alteration.images == (classes == 2).sum()
    assert not examine(correct, alteration).is_robust
    assert without_most_influential("class", correct, conclusion, classes % 2, names) is None


def test_left_out_images_need_one_value_per_image() -> None:
    with pytest.raises(InputError, match="expected 200 values, one per evaluated image, got 3"):
        without_images("near copies", "", predictions(3, 1), np.zeros(3, bool))


def test_strong_verdicts_hold_on_a_fresh_sample() -> None:
    """Half of the pairs are equal. See benchmarks/evidence_robust.md for more of them."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(600):
        gain = 0.04 * rng.integers(0, 2)
        samples = [
            {"a": rng.random((1, 400)) < 0.85 + gain, "b": rng.random((1, 400)) < 0.85}
            for _ in range(2)
        ]
        tests = [mid_p_mcnemar(sample["a"][0], sample["b"][0]) for sample in samples]
        if tests[0].p_value <= 0.005:
            leads = [test.only_a - test.only_b for test in tests]
            held.append(leads[0] * leads[1] > 0)
    assert len(held) > 30
    assert np.mean(held) >= 0.9
