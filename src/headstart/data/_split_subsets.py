"""Parts of a split: fewer or more training images, or no validation or test images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.data._fingerprints import split_fingerprint
from headstart.data._types import Indices, SplitDataset
from headstart.errors import InputError

LABELS_STREAM = 4  # random stream of the split's seed, after those of `make_split`


def max_labels_per_class(data: SplitDataset) -> int:
    """Return how many distinct training images every class has."""
    labels = data.dataset.labels[_distinct_train(data)]
    return int(np.bincount(labels, minlength=len(data.class_names)).min())


def draw_labelled_subset(data: SplitDataset, per_class: int, draw: int) -> Indices:
    """Draw `per_class` training images of each class.

    With the same `draw`, fewer images are a subset of more, as if somebody had labelled training
    images until each class had its number. Of exact copies only one is drawn, because a label of
    another copy would teach nothing. The drawn images share no group with validation or test images
    if all training images share none.

    Args:
        data: The dataset and its split.
        per_class: Images per class.
        draw: Number of the draw, a non-negative integer.

    Returns:
        Indices into the dataset, ascending.

    Raises:
        InputError: A class has fewer distinct training images.
    """
    rows = _distinct_train(data)
    labels = data.dataset.labels[rows]
    rng = np.random.default_rng([data.split.seed, LABELS_STREAM, draw])
    drawn = []
    for label, name in enumerate(data.class_names):
        members = rng.permutation(rows[labels == label])
        if not 1 <= per_class <= len(members):
            raise InputError(
                f"cannot draw {per_class:,} training images per class: '{name}' has "
                f"{len(members):,} distinct ones.",
                f"Pass an integer from 1 to {max_labels_per_class(data):,}.",
            )
        drawn.append(members[:per_class])
    return np.sort(np.concatenate(drawn))


def with_train(data: SplitDataset, train: Indices) -> SplitDataset:
    """Return the same data with these of its training images only.

    Args:
        data: The dataset and its split.
        train: Int64 dataset indices of the training images to keep, ascending.
    """
    return with_parts(data, (train, data.split.validation, data.split.test))


def without_validation(data: SplitDataset) -> SplitDataset:
    """Return the same data without validation images, for runs that must not select on them."""
    return with_parts(data, (data.split.train, data.split.validation[:0], data.split.test))


def without_test(data: SplitDataset) -> SplitDataset:
    """Return the same data without test images, for runs that must not read them."""
    return with_parts(data, (data.split.train, data.split.validation, data.split.test[:0]))


def with_all_for_training(data: SplitDataset) -> SplitDataset:
    """Return the same data with its validation images among the training images, without test."""
    split = data.split
    train = np.union1d(split.train, split.validation)
    return with_parts(data, (train, split.validation[:0], split.test[:0]))


def with_parts(data: SplitDataset, parts: tuple[Indices, Indices, Indices]) -> SplitDataset:
    """Return the same data with these training, validation and test images."""
    train, validation, test = parts
    split = replace(
        data.split,
        train=train,
        validation=validation,
        test=test,
        fingerprint=split_fingerprint(data.dataset, parts),
    )
    return replace(data, split=split)


def _distinct_train(data: SplitDataset) -> Indices:
    """Return the training images without exact copies within a class, ascending."""
    hashes = data.dataset.hashes[data.split.train]
    labels = data.train_labels.astype("<i8").view(np.uint8).reshape(-1, 8)
    keys = np.concatenate([hashes, labels], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    return data.split.train[np.sort(first)]
