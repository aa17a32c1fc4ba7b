"""Selection of the images that a gallery shows."""

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.evaluation._gallery import choose_gallery, choose_worst

LABELS = np.arange(200) % 4
PREDICTED = np.where(np.arange(200) < 150, LABELS, (LABELS + 1) % 4)
PROBABILITIES = np.eye(4)[PREDICTED]


def test_nine_correct_and_nine_incorrect_images_are_drawn_once_each() -> None:
    correct, incorrect = choose_gallery(LABELS, PROBABILITIES, seed=0)
    assert len(set(correct.tolist())) == len(set(incorrect.tolist())) == 9
    assert (correct < 150).all()
    assert (incorrect >= 150).all()


def test_the_seed_decides_the_draw() -> None:
    draws = [
        np.concatenate(choose_gallery(LABELS, PROBABILITIES, seed)).tolist() for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_every_error_is_equally_likely_whatever_the_confidence_of_the_model() -> None:
    probabilities = PROBABILITIES * np.linspace(0.5, 1, 200)[:, None]
    draws = [choose_gallery(LABELS, probabilities, seed)[1] for seed in range(400)]
    drawn = np.bincount(np.concatenate(draws), minlength=200)[150:]
    assert (
        drawn.min() > 40
    )  # 72 are expected per error; the binomial probability of fewer than 40 is 2e-5
    assert drawn.max() < 110


def test_all_errors_are_drawn_if_there_are_fewer_than_nine() -> None:
    correct, incorrect = choose_gallery(LABELS[:152], PROBABILITIES[:152], seed=0)
    assert (len(correct), incorrect.tolist()) == (9, [150, 151])


def test_labels_without_probabilities_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"expected one row per label, got shape \(2, 4\) for 3 labels"
    ):
        choose_gallery(LABELS[:3], PROBABILITIES[:2], seed=0)


def test_the_cells_of_a_confusion_matrix_take_turns_with_their_worst_images() -> None:
    """Cell (0, 1) has three images, (1, 1) two, and (1, 0) and (0, 0) one each."""
    labels = np.array([0, 0, 0, 1, 1, 1, 0])
    true_class = np.array([0.3, 0.1, 0.2, 0.9, 0.6, 0.4, 0.7])
    first = np.where(labels == 0, true_class, 1 - true_class)
    probabilities = np.stack([first, 1 - first], axis=1)
    assert choose_worst(labels, probabilities, 99).tolist() == [1, 4, 5, 6, 2, 3, 0]
    assert choose_worst(labels, probabilities, 3).tolist() == [1, 4, 5]
    with pytest.raises(InputError, match="expected one row per label"):
        choose_worst(labels[:3], probabilities[:2], 9)


def test_a_cell_has_at_most_48_errors_or_12_correct_predictions() -> None:
    probabilities = np.tile([0.7, 0.3], (200, 1))
    labels = np.repeat([0, 1], 100)
    chosen = choose_worst(labels, probabilities, 200)
    assert ((chosen < 100).sum(), (chosen >= 100).sum()) == (12, 48)
    assert len(choose_worst(labels[:0], probabilities[:0], 9)) == 0
