"""The floors, and the sentence about a contender below one."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from headstart.data import stratified_subset
from headstart.errors import InputError
from headstart.evaluation import (
    BaselineResult,
    _baselines,
    baseline_sentence,
    majority_class,
    nearest_neighbour,
)


def test_the_majority_class_is_that_of_training_not_of_test() -> None:
    labels = np.array([1, 1, 0, 2, 2, 2, 1])
    found = majority_class(labels, train=np.array([0, 1, 2]), test=np.array([3, 4, 5, 6]))
    assert found.correct.tolist() == [False, False, False, True]
    assert (found.accuracy, found.note) == (0.25, "class 1 for every image")


def test_equal_majorities_go_to_the_lowest_class() -> None:
    labels = np.array([2, 1, 1, 2, 1])
    assert majority_class(labels, np.arange(4), np.array([4])).correct.tolist() == [True]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_nearest_neighbour_is_scikit_learns(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_baselines, "TRAIN_BLOCK", 64)
    monkeypatch.setattr(_baselines, "TEST_BLOCK", 32)
    rng = np.random.default_rng(0)
    images, labels = (
        rng.integers(0, 256, (300, 9, 7, channels), dtype=np.uint8),
        rng.integers(0, 4, 300),
    )
    order = rng.permutation(300)
    train, test = np.sort(order[:200]), np.sort(order[200:])
    found = nearest_neighbour(images, labels, train, test)
    flat = images.reshape(300, -1).astype(float)
    reference = KNeighborsClassifier(1).fit(flat[train], labels[train]).predict(flat[test])
    assert (found.correct == (reference == labels[test])).all()
    assert found.note == "on 7x9 pixels, against all 200 training images"


def test_of_equally_near_images_the_first_counts_across_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_baselines, "TRAIN_BLOCK", 2)
    images = np.zeros((6, 2, 2, 1), dtype=np.uint8)
    images[0] = 9
    labels = np.array([0, 1, 2, 3, 4, 1])
    assert nearest_neighbour(images, labels, np.arange(5), np.array([5])).correct.all()


def test_one_grey_level_in_a_bright_image_decides() -> None:
    """Squared distances 2 and 1 between vectors whose products reach 40 million, beyond what float32 counts by ones."""
    bright = np.random.default_rng(0).integers(200, 255, (50, 28, 28, 1), dtype=np.uint8)
    two_away, one_away = bright.copy(), bright.copy()
    two_away[:, 3, 3:5] += 1
    one_away[:, 4, 4] += 1
    labels = np.repeat([0, 1, 1], 50)
    images = np.concatenate([two_away, one_away, bright])
    assert nearest_neighbour(images, labels, np.arange(100), np.arange(100, 150)).correct.all()


@pytest.mark.parametrize("channels", [1, 3])
def test_large_images_are_compared_by_area_averages(channels: int) -> None:
    """Stripes of one pixel average to grey, so the grey image is nearer than the one that shares half of the pixels."""
    images = np.zeros((3, 64, 128, channels), dtype=np.uint8)
    images[0] = 120
    images[2, :, 1::2] = 255
    found = nearest_neighbour(images, np.array([1, 0, 1]), np.array([0, 1]), np.array([2]))
    assert found.correct.all()
    assert "on 32x16 pixels" in found.note


def test_the_limit_thins_training_by_class_and_says_so() -> None:
    labels = np.repeat([0, 1], [900, 100])
    images = np.zeros((1010, 2, 2, 1), dtype=np.uint8)
    labels = np.append(labels, np.zeros(10, dtype=labels.dtype))
    found = nearest_neighbour(
        images, labels, np.arange(1000), np.arange(1000, 1010), limit=200 * 10 * 4
    )
    assert (found.train_used, found.train_total) == (200, 1000)
    assert found.note == "on 2x2 pixels, against 200 of 1,000 training images"
    part, again, other = (
        stratified_subset(labels, np.arange(1000), 200, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    assert np.bincount(labels[part]).tolist() == [180, 20]
    assert (part == np.sort(part)).all()
    assert (part == again).all() and (part != other).any()


def test_the_tightest_limit_keeps_one_image_a_class() -> None:
    labels = np.repeat([0, 1, 2], 10)
    assert set(labels[stratified_subset(labels, np.arange(30), 3, np.random.default_rng(0))]) == {
        0,
        1,
        2,
    }
    found = nearest_neighbour(
        np.zeros((30, 1, 1, 1), dtype=np.uint8), labels, np.arange(30), np.array([0]), limit=0
    )
    assert found.train_used == 3


def test_a_floor_without_images_is_an_error() -> None:
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(
        InputError, match="0 training and 2 test images: a floor needs at least one of each"
    ):
        majority_class(np.zeros(2, dtype=np.int64), none, np.arange(2))


def floor(right: int, n: int = 1000) -> BaselineResult:
    """A floor that is right on the first images."""
    return BaselineResult("majority class", np.arange(n) < right, "", 1, 1)


def test_a_contender_above_the_floor_needs_no_words() -> None:
    assert baseline_sentence("cnn", np.arange(1000) < 900, floor(500)) is None
    assert baseline_sentence("cnn", np.stack([np.arange(1000) < 900] * 3), floor(500)) is None


def test_a_contender_below_the_floor_is_said_so() -> None:
    assert baseline_sentence("cnn", np.arange(1000) < 400, floor(500)) == (
        "cnn is worse than a floor, majority class: 40.0% against 50.0% of 1,000 test images (p < 0.001)."
    )


def test_a_contender_level_with_the_floor_is_not_shown_to_beat_it() -> None:
    assert baseline_sentence("cnn", np.arange(1000) < 503, floor(500)) == (
        "cnn is not shown to beat a floor, majority class: 50.3% against 50.0% of 1,000 test images (p = 0.25)."
    )


def test_seeds_that_disagree_do_not_beat_the_floor() -> None:
    lucky = np.stack([np.arange(1000) < right for right in (900, 400, 500)])
    assert str(baseline_sentence("cnn", lucky, floor(500))).startswith(
        "cnn is not shown to beat a floor"
    )
