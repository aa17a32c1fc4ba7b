"""Baselines, and the sentence about a contender that does not beat one."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from headstart.data import stratified_subset
from headstart.errors import InputError
from headstart.evaluation import (
    BaselineResult,
    _nearest_neighbour,
    baseline_sentence,
    majority_class,
    nearest_neighbour,
)


def test_the_majority_class_is_that_of_the_training_images() -> None:
    labels = np.array([1, 1, 0, 2, 2, 2, 1])
    result = majority_class(labels, train=np.array([0, 1, 2]), test=np.array([3, 4, 5, 6]))
    assert result.correct.tolist() == [False, False, False, True]
    assert (result.accuracy, result.note) == (0.25, "class 1 for every image")


def test_of_equally_frequent_classes_the_lowest_is_predicted() -> None:
    labels = np.array([2, 1, 1, 2, 1])
    assert majority_class(labels, np.arange(4), np.array([4])).correct.tolist() == [True]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_nearest_neighbour_agrees_with_scikit_learn(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_nearest_neighbour, "TRAIN_BLOCK", 64)
    monkeypatch.setattr(_nearest_neighbour, "TEST_BLOCK", 32)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 9, 7, channels), dtype=np.uint8)
    labels = rng.integers(0, 4, 300)
    order = rng.permutation(300)
    train, test = np.sort(order[:200]), np.sort(order[200:])
    result = nearest_neighbour(images, labels, train, test)
    flat = images.reshape(300, -1).astype(float)
    reference = KNeighborsClassifier(1).fit(flat[train], labels[train]).predict(flat[test])
    assert (result.correct == (reference == labels[test])).all()
    assert result.note == "on 7x9 pixels, against all 200 training images"


def test_of_equally_near_images_in_several_blocks_the_first_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_nearest_neighbour, "TRAIN_BLOCK", 2)
    images = np.zeros((6, 2, 2, 1), dtype=np.uint8)
    images[0] = 9
    labels = np.array([0, 1, 2, 3, 4, 1])
    assert nearest_neighbour(images, labels, np.arange(5), np.array([5])).correct.all()


def test_a_difference_of_one_grey_level_in_a_bright_image_decides() -> None:
    """Products reach 40 million, where float32 has no odd integers. Distances differ by 1."""
    bright = np.random.default_rng(0).integers(200, 255, (50, 28, 28, 1), dtype=np.uint8)
    two_away, one_away = bright.copy(), bright.copy()
    two_away[:, 3, 3:5] += 1
    one_away[:, 4, 4] += 1
    labels = np.repeat([0, 1, 1], 50)
    images = np.concatenate([two_away, one_away, bright])
    assert nearest_neighbour(images, labels, np.arange(100), np.arange(100, 150)).correct.all()


@pytest.mark.parametrize("channels", [1, 3])
def test_large_images_are_compared_by_area_averages(channels: int) -> None:
    """Stripes of one pixel have a grey average, so the grey image is the nearest one."""
    images = np.zeros((3, 64, 128, channels), dtype=np.uint8)
    images[0] = 120
    images[2, :, 1::2] = 255
    result = nearest_neighbour(images, np.array([1, 0, 1]), np.array([0, 1]), np.array([2]))
    assert result.correct.all()
    assert "on 32x16 pixels" in result.note


def test_the_limit_selects_a_stratified_subset_and_the_note_reports_it() -> None:
    labels = np.repeat([0, 1], [900, 100])
    images = np.zeros((1010, 2, 2, 1), dtype=np.uint8)
    labels = np.append(labels, np.zeros(10, dtype=labels.dtype))
    result = nearest_neighbour(
        images, labels, np.arange(1000), np.arange(1000, 1010), limit=200 * 10 * 4
    )
    assert (result.train_used, result.train_total) == (200, 1000)
    assert result.note == "on 2x2 pixels, against 200 of 1,000 training images"
    part, again, other = (
        stratified_subset(labels, np.arange(1000), 200, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    assert np.bincount(labels[part]).tolist() == [180, 20]
    assert (part == np.sort(part)).all()
    assert (part == again).all() and (part != other).any()


def test_the_lowest_limit_keeps_one_image_per_class() -> None:
    labels = np.repeat([0, 1, 2], 10)
    assert set(labels[stratified_subset(labels, np.arange(30), 3, np.random.default_rng(0))]) == {
        0,
        1,
        2,
    }
    result = nearest_neighbour(
        np.zeros((30, 1, 1, 1), dtype=np.uint8), labels, np.arange(30), np.array([0]), limit=0
    )
    assert result.train_used == 3


def test_a_baseline_without_training_images_is_an_error() -> None:
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(
        InputError, match="needs at least one training image and one test image, got 0 and 2"
    ):
        majority_class(np.zeros(2, dtype=np.int64), none, np.arange(2))


def baseline(correct: int, n: int = 1000) -> BaselineResult:
    """Return a baseline that is correct on the first images."""
    return BaselineResult("majority class", np.arange(n) < correct, "", 1, 1)


def test_a_contender_that_beats_the_baseline_needs_no_sentence() -> None:
    assert baseline_sentence("cnn", np.arange(1000) < 900, baseline(500)) is None
    assert baseline_sentence("cnn", np.stack([np.arange(1000) < 900] * 3), baseline(500)) is None


def test_a_contender_below_the_baseline_is_reported() -> None:
    assert baseline_sentence("cnn", np.arange(1000) < 400, baseline(500)) == (
        'cnn is significantly worse than the baseline "majority class": 40.0% '
        "against 50.0% on 1,000 test images (p < 0.001)."
    )


def test_a_contender_as_good_as_the_baseline_is_not_significantly_better() -> None:
    assert baseline_sentence("cnn", np.arange(1000) < 503, baseline(500)) == (
        'cnn is not significantly better than the baseline "majority class": 50.3% '
        "against 50.0% on 1,000 test images (p = 0.25)."
    )


def test_a_large_variance_over_seeds_does_not_beat_the_baseline() -> None:
    runs = np.stack([np.arange(1000) < correct for correct in (900, 400, 500)])
    assert str(baseline_sentence("cnn", runs, baseline(500))).startswith(
        'cnn is not significantly better than the baseline "majority class"'
    )
