"""What if fewer images had labels? Nested parts of the training images, the same number of each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.data._split import Indices, fingerprint_of
from headstart.data._types import Split, SplitDataset
from headstart.errors import InputError

LABELS_STREAM = 4  # of the split's seed, after those of its other choices


def max_labels_per_class(data: SplitDataset) -> int:
    """How many different training images every class has."""
    labels = data.dataset.labels[_different(data)]
    return int(np.bincount(labels, minlength=len(data.class_names)).min())


def draw_labelled_subset(data: SplitDataset, per_class: int, draw: int) -> Indices:
    """`per_class` training images of each class, ascending; of the same draw, fewer are a part of more.

    As if somebody had labelled training images until each class had its number. An exact copy of an image that is there already
    is not drawn: it would be a label that teaches nothing. A part of the training images cannot share a group with validation or
    test images where these do not.

    Args:
        draw: which of many possible choices; any whole number from 0.

    Raises:
        InputError: a class has fewer different training images.
    """
    rows = _different(data)
    rng, chosen = np.random.default_rng([data.split.seed, LABELS_STREAM, draw]), []
    for label, name in enumerate(data.class_names):
        own = rng.permutation(rows[data.dataset.labels[rows] == label])
        if not 1 <= per_class <= len(own):
            raise InputError(
                f"{per_class:,} training images of each class were asked for, but '{name}' has {len(own):,} different ones.",
                f"Give a whole number from 1 to {max_labels_per_class(data):,}.",
            )
        chosen.append(own[:per_class])
    return np.sort(np.concatenate(chosen))


def with_train(data: SplitDataset, train: Indices) -> SplitDataset:
    """Return the same data with these of its training images only."""
    parts = (train, data.split.validation, data.split.test)
    fingerprint = fingerprint_of(data.dataset, parts)
    return replace(data, split=replace(data.split, train=train, fingerprint=fingerprint))


def without_validation(data: SplitDataset) -> SplitDataset:
    """Return the same data without validation images, for runs that must not select on them."""
    split = data.split
    parts = (split.train, split.validation[:0], split.test)
    fingerprint = fingerprint_of(data.dataset, parts)
    return replace(data, split=Split(*parts, split.seed, split.duplicates_removed, fingerprint))


def _different(data: SplitDataset) -> Indices:
    """The training images without exact copies within a class, ascending."""
    labels = data.train_labels.astype("<i8").view(np.uint8).reshape(-1, 8)
    _, first = np.unique(
        np.concatenate([data.dataset.hashes[data.split.train], labels], axis=1),
        axis=0,
        return_index=True,
    )
    return data.split.train[np.sort(first)]
