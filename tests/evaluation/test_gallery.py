"""Which images the galleries show."""

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.evaluation._gallery import choose_gallery

LABELS = np.arange(200) % 4
PREDICTED = np.where(np.arange(200) < 150, LABELS, (LABELS + 1) % 4)
PROBABILITIES = np.eye(4)[PREDICTED]


def test_nine_right_and_nine_wrong_are_drawn_each_once() -> None:
    right, wrong = choose_gallery(LABELS, PROBABILITIES, seed=0)
    assert len(set(right.tolist())) == len(set(wrong.tolist())) == 9
    assert (right < 150).all()
    assert (wrong >= 150).all()


def test_the_seed_decides_the_draw() -> None:
    draws = [
        np.concatenate(choose_gallery(LABELS, PROBABILITIES, seed)).tolist() for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_every_error_is_as_likely_however_sure_the_model_was() -> None:
    probabilities = PROBABILITIES * np.linspace(0.5, 1, 200)[:, None]
    draws = [choose_gallery(LABELS, probabilities, seed)[1] for seed in range(400)]
    drawn = np.bincount(np.concatenate(draws), minlength=200)[150:]
    assert drawn.min() > 40  # 72 expected of each; a binomial below 40 has probability 2e-5
    assert drawn.max() < 110


def test_fewer_than_nine_errors_are_all_shown() -> None:
    right, wrong = choose_gallery(LABELS[:152], PROBABILITIES[:152], seed=0)
    assert (len(right), wrong.tolist()) == (9, [150, 151])


def test_labels_without_probabilities_are_refused() -> None:
    with pytest.raises(InputError, match=r"3 labels, but probabilities of shape \(2, 4\)"):
        choose_gallery(LABELS[:3], PROBABILITIES[:2], seed=0)
