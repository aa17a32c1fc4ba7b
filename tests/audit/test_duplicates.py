"""Duplicates: pairs, and leaks between parts."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.audit import accuracy_without_leaks, find_duplicates
from headstart.data import TEST, TRAIN, NearDuplicates, Relation, load
from headstart.errors import InputError


def _pairs(*rows: tuple[int, int, float]) -> NearDuplicates:
    first, second, distance = np.array(rows).T
    words: list[Relation] = ["exact" if value == 0 else "same" for value in distance]
    return NearDuplicates(first.astype(np.int64), second.astype(np.int64), distance, tuple(words))


def test_a_held_out_image_leaks_through_the_most_similar_training_image() -> None:
    images = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    dataset = load((images, np.array([0, 0, 0, 1, 1, 1])))
    dataset.parts[:] = [TRAIN, TRAIN, TRAIN, TRAIN, TEST, TEST]

    duplicates = find_duplicates(dataset, pairs=_pairs((0, 1, 0), (2, 4, 0.02), (3, 4, 0.01)))

    assert duplicates.leaked.tolist() == [4]
    assert duplicates.leak_partner.tolist() == [3]
    assert duplicates.leak_distance.tolist() == [0.01]
    assert [cluster.tolist() for cluster in duplicates.clusters()] == [[2, 3, 4], [0, 1]]


def test_a_leak_reaches_every_equal_image() -> None:
    images = np.arange(5 * 64, dtype=np.uint8).reshape(5, 8, 8)
    dataset = load((images, np.array([0, 0, 0, 1, 1])))
    dataset.parts[:] = [TEST, TEST, TRAIN, TRAIN, TEST]

    linked = find_duplicates(dataset, pairs=_pairs((0, 1, 0), (0, 2, 0.02)))
    equal = find_duplicates(dataset, pairs=_pairs((0, 1, 0), (0, 2, 0)))

    assert linked.leaked.tolist() == [0, 1]
    assert linked.leak_partner.tolist() == [2, 2]
    assert equal.leaked.tolist() == [0, 1]
    assert equal.leak_distance.tolist() == [0, 0]


def test_accuracy_is_computed_again_without_the_leaks() -> None:
    correct = np.array([True, True, False, True])

    accuracy = accuracy_without_leaks(correct, np.array([10, 11, 12, 13]), np.array([3, 11, 13]))

    assert accuracy.accuracy == 0.75
    assert (accuracy.clean_accuracy, accuracy.clean_images) == (0.5, 2)
    assert accuracy.leaked_accuracy == 1.0


def test_predictions_of_another_test_set_are_refused() -> None:
    with pytest.raises(InputError, match="one per test image"):
        accuracy_without_leaks(np.array([True]), np.array([1, 2]), np.array([], np.int64))
