"""Greedy selection of an ensemble: what it gains, and what it must not lose."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import select_ensemble


def accuracy(labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]) -> float:
    return float((probabilities.argmax(1) == labels).mean())


def members(
    skills: list[float], images: int, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return labels, and probabilities (members, images, 4) of independent members."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, images)
    odds = [np.exp(skill * np.eye(4)[labels] + rng.normal(size=(images, 4))) for skill in skills]
    stacked = np.array([values / values.sum(1, keepdims=True) for values in odds], np.float32)
    return labels, stacked


def test_an_ensemble_of_similar_members_is_better_on_new_images_than_the_best_member() -> None:
    labels, probabilities = members([1.5, 1.5, 1.4], 4_000)
    half = slice(0, 400)
    weights = select_ensemble(probabilities[:, half], labels[half], accuracy)
    assert weights.sum() == pytest.approx(1)
    ensemble = np.tensordot(weights, probabilities[:, 400:], axes=1)
    best = max(accuracy(labels[400:], member) for member in probabilities[:, 400:])
    assert accuracy(labels[400:], ensemble) > best + 0.03


def test_members_without_use_are_left_out() -> None:
    labels, probabilities = members([3.0, 0.1, 0.1], 300)
    assert select_ensemble(probabilities, labels, accuracy).tolist() == [1, 0, 0]


@pytest.mark.parametrize("seed", range(6))
def test_an_ensemble_is_never_worse_on_validation_images_than_the_best_member(seed: int) -> None:
    labels, probabilities = members([1.0, 0.9, 0.5, 0.2], 25, seed)
    weights = select_ensemble(probabilities, labels, accuracy)
    ensemble = np.tensordot(weights, probabilities, axes=1)
    best = max(accuracy(labels, member) for member in probabilities)
    assert accuracy(labels, ensemble) >= best


def test_the_given_score_selects() -> None:
    """By accuracy, the second member is the best; this score prefers the first."""
    labels, probabilities = members([0.5, 3.0], 200)
    probabilities[0] = np.eye(4)[0]
    weights = select_ensemble(probabilities, labels, lambda _, mean: float(mean[:, 0].mean()))
    assert weights.tolist() == [1, 0]


def test_shapes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(InputError, match=r"with 3 images, got \(2, 5, 4\)"):
        select_ensemble(np.zeros((2, 5, 4), np.float32), np.zeros(3, np.int64), accuracy)
