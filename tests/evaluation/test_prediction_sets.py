"""Prediction sets: thresholds by hand, coverage by simulation, and the numbers they need."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.evaluation import (
    QUANTILES,
    SetCalibration,
    class_thresholds,
    coverage_interval,
    least_calibration_images,
    prediction_sets,
    set_scores,
)
from headstart.evaluation._prediction_sets import _prior_weight

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def simulated(
    rng: np.random.Generator, n: int, effects: NDArray[np.float64] | None = None
) -> tuple[Floats, Labels]:
    """Simulate probabilities of ten classes, of which 0 and 1, and 2 and 3 are alike.

    Args:
        rng: Generator of the simulation.
        n: Number of images.
        effects: What images have in common, of shape (n, 10); none by default.
    """
    means = 3.4 * np.eye(10)
    means[1] = 0.6 * means[0] + 0.4 * means[1]
    means[3] = 0.4 * means[2] + 0.6 * means[3]
    labels = rng.integers(0, 10, n)
    x = means[labels] + rng.normal(0, 1, (n, 10))
    if effects is not None:
        x += effects
    logits = x @ means.T - (means**2).sum(1) / 2
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32), labels


calibration_of = SetCalibration.from_predictions


def test_the_score_is_the_probability_and_1_for_the_most_probable_class() -> None:
    scores = set_scores(np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], np.float32))
    assert scores == pytest.approx(np.array([[0.2, 1, 0.3], [1, 0.4, 0.2]]))


@pytest.mark.parametrize(
    ("coverage", "least"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)]
)
def test_the_least_number_of_images_is_the_smallest_that_allows_a_threshold(
    coverage: float, least: int
) -> None:
    assert least_calibration_images(coverage) == least
    rng = np.random.default_rng(0)
    class_thresholds(calibration_of(*simulated(rng, least)[::-1]), coverage)
    with pytest.raises(ValueError, match=f"at least {least}"):
        class_thresholds(calibration_of(*simulated(rng, least - 1)[::-1]), coverage)


def test_one_class_alone_has_the_threshold_of_split_conformal_prediction() -> None:
    """Of 39 images and at 95%, floor(0.05 * 40) = 2: the second lowest score is the threshold."""
    scores = np.random.default_rng(0).permutation(np.arange(1, 40) / 40)
    nothing_expected = np.ones((2, QUANTILES))
    calibration = SetCalibration(np.zeros(39, np.int64), scores, nothing_expected)
    assert class_thresholds(calibration, 0.95)[0] == 2 / 40


def test_a_class_that_the_model_often_misses_has_a_lower_threshold() -> None:
    probabilities, labels = simulated(np.random.default_rng(1), 2000)
    thresholds = class_thresholds(calibration_of(labels, probabilities), 0.95)
    assert thresholds[:2].max() < thresholds[4:].min()


def test_a_class_without_calibration_images_is_covered_as_the_probabilities_predict() -> None:
    probabilities, labels = simulated(np.random.default_rng(2), 4000)
    used, new = np.arange(4000) < 500, np.arange(4000) >= 500
    used &= labels != 9
    thresholds = class_thresholds(calibration_of(labels[used], probabilities[used]), 0.95)
    sets = prediction_sets(probabilities[new & (labels == 9)], thresholds)
    assert 0.9 <= sets[:, 9].mean() < 1


def test_sets_of_200_calibration_images_cover_95_percent_and_the_worst_class_90_percent() -> None:
    rng = np.random.default_rng(3)
    probabilities, labels = simulated(rng, 20_000)
    covered = []
    for _ in range(40):
        order = rng.permutation(len(labels))
        used, new = order[:200], order[200:]
        thresholds = class_thresholds(calibration_of(labels[used], probabilities[used]), 0.95)
        sets = prediction_sets(probabilities[new], thresholds)
        assert sets.any(1).all()
        is_covered = sets[np.arange(len(new)), labels[new]]
        covered.append([is_covered[labels[new] == label].mean() for label in range(10)])
    assert 0.94 <= np.mean(covered) <= 0.96
    assert np.mean(covered, axis=0).min() >= 0.9


@pytest.mark.parametrize("images", [20, 60])
def test_the_coverage_of_one_calibration_lies_in_its_interval(images: int) -> None:
    rng = np.random.default_rng(5)
    probabilities, labels = simulated(rng, 10_000)
    low, high = coverage_interval(images, 0.95)
    covered = []
    for _ in range(80):
        order = rng.permutation(len(labels))
        used, new = order[:images], order[images:]
        thresholds = class_thresholds(calibration_of(labels[used], probabilities[used]), 0.95)
        sets = prediction_sets(probabilities[new], thresholds)
        covered.append(sets[np.arange(len(new)), labels[new]].mean())
    shares = np.array(covered)
    assert ((low <= shares) & (shares <= high)).mean() >= 0.9
    assert low < shares.mean() < high and high - low < 5 * shares.std()


def test_classes_that_the_probabilities_describe_wrongly_are_covered_as_well() -> None:
    """With a prior of 20 images whatever the classes are like, the worst class has 86%."""
    rng = np.random.default_rng(6)
    probabilities, labels = simulated(rng, 20_000)
    is_misjudged = np.isin(labels, (8, 9))
    own = (is_misjudged, labels[is_misjudged])
    probabilities[own] = 0.2 * probabilities[own] ** 0.1
    probabilities[is_misjudged, :8] += 20 * rng.dirichlet(np.ones(8), is_misjudged.sum())
    probabilities /= probabilities.sum(1, keepdims=True)
    covered, priors = [], []
    for _ in range(40):
        order = rng.permutation(len(labels))
        used, new = order[:200], order[200:]
        calibration = calibration_of(labels[used], probabilities[used])
        sets = prediction_sets(probabilities[new], class_thresholds(calibration, 0.95))
        is_covered = sets[np.arange(len(new)), labels[new]]
        covered.append([is_covered[labels[new] == label].mean() for label in range(10)])
        priors.append(_prior_weight(calibration, np.ones(200)))
    assert np.mean(priors) < 5
    assert np.mean(covered, axis=0).min() >= 0.9
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)


def test_the_prior_counts_fully_where_the_classes_are_as_it_says() -> None:
    rng = np.random.default_rng(7)
    weights = []
    for _ in range(20):
        probabilities, labels = simulated(rng, 400)
        weights.append(_prior_weight(calibration_of(labels, probabilities), np.ones(400)))
    assert np.mean(weights) > 15


def test_groups_count_as_one_image_each() -> None:
    """Copies of an image add nothing: the thresholds are those of the images without copies."""
    rng = np.random.default_rng(4)
    probabilities, labels = simulated(rng, 100)
    copies = np.repeat(np.arange(100), rng.integers(1, 9, 100))
    grouped = calibration_of(labels[copies], probabilities[copies], copies)
    single = class_thresholds(calibration_of(labels, probabilities), 0.9)
    assert class_thresholds(grouped, 0.9) == pytest.approx(single)
    with pytest.raises(ValueError, match="at least 199 independent images, got 100"):
        class_thresholds(grouped, 0.995)


def test_sets_cover_images_of_new_groups() -> None:
    """With 40 groups of 10 alike images, the coverage of new groups is at least 90%."""
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(40):
        groups = np.repeat(np.arange(140), 10)
        effects = rng.normal(0, 1, (140, 10))[groups]
        probabilities, labels = simulated(rng, 1400, effects)
        used, new = groups < 40, groups >= 40
        calibration = calibration_of(labels[used], probabilities[used], groups[used])
        sets = prediction_sets(probabilities[new], class_thresholds(calibration, 0.9))
        covered.append(sets[np.arange(1000), labels[new]].mean())
    assert 0.89 <= np.mean(covered) <= 0.93
