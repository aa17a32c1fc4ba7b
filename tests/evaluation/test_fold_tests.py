"""The test and the interval of cross-validated accuracies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import nct, t

from headstart.errors import InputError
from headstart.evaluation import (
    compare_curves,
    comparisons_with_selected,
    describe_folds,
    fold_accuracy_interval,
    fold_test,
    verdict,
)

FOLDS, REPEATS, IMAGES = 5, 3, 100


def made_folds(rng: np.random.Generator) -> NDArray[np.int64]:
    return np.array([rng.permutation(np.arange(IMAGES) % FOLDS) for _ in range(REPEATS)])


def made_correct(rng: np.random.Generator, accuracy: float) -> NDArray[np.bool_]:
    ease = rng.standard_normal(IMAGES)
    return rng.standard_normal((REPEATS, IMAGES)) * 0.5 + ease > np.quantile(ease, 1 - accuracy)


def test_the_test_is_that_of_nadeau_and_bengio() -> None:
    rng = np.random.default_rng(0)
    fold_of = made_folds(rng)
    a, b = made_correct(rng, 0.9), made_correct(rng, 0.7)
    result = fold_test(a, b, fold_of)

    differences = []
    for repeat in range(REPEATS):
        for fold in range(FOLDS):
            rows = fold_of[repeat] == fold
            differences.append(a[repeat, rows].mean() - b[repeat, rows].mean())
    count = FOLDS * REPEATS
    # One pseudo-observation keeps the variance above 0.
    variance = np.var(differences, ddof=1) + FOLDS / IMAGES**2
    error = np.sqrt(variance * (1 / count + 1 / (FOLDS - 1)))

    assert result.difference == pytest.approx(np.mean(differences))
    assert result.standard_error == pytest.approx(error)
    assert result.degrees_of_freedom == count - 1
    margin = t.ppf(0.975, count - 1) * error
    assert result.interval == pytest.approx(
        (result.difference - margin, result.difference + margin)
    )
    assert result.p_value == pytest.approx(2 * t.sf(result.difference / error, count - 1))
    assert result.p_value < 0.05
    power = nct.sf(t.ppf(0.975, count - 1), count - 1, result.smallest_detectable / error)
    assert power == pytest.approx(0.8, abs=1e-3)


def test_the_best_of_two_is_compared_with_the_same_test() -> None:
    """With a single pair, the largest statistic of all pairs is that of the pair itself."""
    rng = np.random.default_rng(0)
    fold_of = made_folds(rng)
    runs = {"a": made_correct(rng, 0.9), "b": made_correct(rng, 0.8)}
    test = fold_test(runs["b"], runs["a"], fold_of)
    result = comparisons_with_selected("a", runs, 0.05, fold_of=fold_of)
    assert result.comparisons["b"].p_value == pytest.approx(test.p_value)
    assert result.comparisons["b"].interval == pytest.approx(test.interval, abs=0.004)
    # The lower end is corrected for the selection.
    low, high = fold_accuracy_interval(runs["a"], fold_of)
    assert result.interval[0] < low - 0.005 and result.interval[1] == pytest.approx(high)


def test_curves_are_drawn_with_the_variance_of_the_test() -> None:
    rng = np.random.default_rng(0)
    fold_of = made_folds(rng)
    a = np.stack([made_correct(rng, 0.6), made_correct(rng, 0.8)])
    b = np.stack([made_correct(rng, 0.3), made_correct(rng, 0.9)])
    curves = compare_curves((10, 100), a, b, fold_of=fold_of)
    draws = curves.draws[:, 0] - curves.draws[:, 1]
    for point in range(2):
        test = fold_test(a[point], b[point], fold_of)
        freedom = test.degrees_of_freedom
        error = test.standard_error * np.sqrt(freedom / (freedom - 2))  # of a t variable
        assert draws[:, point].std() == pytest.approx(error, rel=0.1)
    assert curves.crossing().interval[0] < curves.crossing().value < curves.crossing().interval[1]


def test_equal_predictions_have_an_interval_of_about_one_image() -> None:
    rng = np.random.default_rng(1)
    fold_of, a = made_folds(rng), made_correct(rng, 0.9)
    result = fold_test(a, a, fold_of)
    assert (result.difference, result.p_value) == (0.0, 1.0)
    assert 1 / IMAGES < result.interval[1] < 4 / IMAGES


def test_folds_of_unequal_size_count_by_their_images() -> None:
    fold_of = np.repeat([[0, 1, 2]], [60, 30, 10], axis=1)
    a = np.zeros((1, 100), bool)
    a[0, :50] = True
    result = fold_test(a, np.zeros_like(a), fold_of)
    assert result.difference == 0.5
    deviations = np.array([50 - 30, 0 - 15, 0 - 5]) / (100 / 3)
    expected = (deviations**2).sum() / 2 + 3 / 100**2
    assert result.standard_error == pytest.approx(np.sqrt(expected * (1 / 3 + 1 / 2)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97, 1.0])
def test_the_interval_of_an_accuracy_contains_it_and_has_a_width(share: float) -> None:
    fold_of = made_folds(np.random.default_rng(2))
    correct = np.broadcast_to(np.arange(IMAGES) < share * IMAGES, fold_of.shape)
    low, high = fold_accuracy_interval(correct, fold_of)
    assert 0 <= low <= share <= high <= 1
    assert 0.01 < high - low < 0.6


def test_a_verdict_over_folds_is_about_recipes_and_says_what_was_tested() -> None:
    rng = np.random.default_rng(3)
    fold_of = made_folds(rng)
    correct = {"a": made_correct(rng, 0.95), "b": made_correct(rng, 0.5)}
    result = verdict(correct, fold_of=fold_of)
    assert (result.winner, result.about) == ("a", "recipes")
    assert result.p_value == fold_test(correct["a"], correct["b"], fold_of).p_value
    expected = (
        "This is based on all 100 images, tested once per repeat by models that were trained "
        "without them (5 folds, 3 repeats)."
    )
    assert expected in result.sentence
    assert result.pairs[0].mcnemar == ()
    one = verdict({name: rows[:1] for name, rows in correct.items()}, fold_of=fold_of[:1])
    assert one.about == "recipes"
    assert "all 100 images, tested once by models" in one.sentence


def test_few_folds_are_named_with_what_they_cost() -> None:
    two, four = np.arange(IMAGES)[None] % 2, np.arange(IMAGES)[None] % 4
    words = "With only 2 scores per recipe, one per fold, an interval is 6.5 times as wide as"
    assert words in describe_folds(two) and describe_folds(two).endswith("Use --folds 5 or more.")
    assert "only 4 scores per recipe, one per fold, an interval is 1.6 times" in describe_folds(
        four
    )
    assert "With only 2 scores" in describe_folds(two, are_training_images_drawn=True)
    repeated = describe_folds(np.concatenate([two, two[:, ::-1]]))
    assert "only 4 scores per recipe, one per fold and repeat, an interval is 1.6" in repeated
    for enough in (np.arange(IMAGES)[None] % 5, np.repeat(two, 3, axis=0)):
        assert "scores" not in describe_folds(enough)


def test_more_images_do_not_make_up_for_two_folds() -> None:
    rows = np.arange(IMAGES)[None]
    # The contenders differ by 30 points in one half of the images and by 10 in the other.
    correct = {"a": rows % 10 < 9, "b": np.where(rows < IMAGES // 2, rows % 10 < 6, rows % 10 < 8)}
    halves = (rows >= IMAGES // 2).astype(np.int64)
    result = verdict(correct, fold_of=halves)
    assert result.outcome == "undecided" and result.needed is not None
    error = fold_test(correct["a"], correct["b"], halves).standard_error
    # At one degree of freedom, significance takes 12.7 standard errors, and power 1.4 more.
    assert result.needed.images == pytest.approx(IMAGES * (14.1 * error / 0.2) ** 2, rel=0.02)


def test_false_alarms_stay_below_5_percent_where_training_sets_overlap() -> None:
    """Means of overlapping training sets: the fold score depends on what its training set lacks."""
    rng = np.random.default_rng(4)
    alarms, naive_alarms = 0, 0
    experiments = 300
    for _ in range(experiments):
        # A recipe is better or worse on all folds together, by the luck of the shared images.
        luck = rng.normal(0, 0.04)
        fold_of = np.repeat([np.arange(FOLDS)], IMAGES // FOLDS, axis=1)
        chances = 0.8 + luck * np.array([1, 0])
        a, b = (rng.random((1, IMAGES)) < chance for chance in chances)
        result = fold_test(a, b, fold_of)
        alarms += result.p_value <= 0.05
        naive_error = result.standard_error * np.sqrt((1 / 5) / (1 / 5 + 1 / 4))
        naive_alarms += 2 * t.sf(abs(result.difference) / naive_error, 4) <= 0.05
    assert alarms / experiments < 0.05 < naive_alarms / experiments


def test_arrays_that_do_not_fit_are_refused() -> None:
    fold_of = made_folds(np.random.default_rng(5))
    a = np.ones((REPEATS, IMAGES), bool)
    with pytest.raises(InputError, match="invalid correct_b: expected shape"):
        fold_test(a, a[:1], fold_of)
    with pytest.raises(InputError, match="invalid fold_of: expected shape"):
        fold_test(a, a, fold_of[:1])
    with pytest.raises(InputError, match="at least two folds"):
        fold_test(a, a, np.zeros_like(fold_of))
    with pytest.raises(InputError, match="got an empty fold"):
        fold_test(a, a, np.where(fold_of == 1, 0, fold_of))
    with pytest.raises(InputError, match="expected booleans"):
        fold_test(a.astype(int), a, fold_of)
