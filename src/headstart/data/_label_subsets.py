"""What if fewer images had labels? Nested parts of the training images, the same number of each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.data._split import Indices, fingerprint_of
from headstart.data._types import Dataset, Split
from headstart.errors import InputError

LABELS_STREAM = 4  # of the split's seed, after those of its other choices


def max_labels_per_class(dataset: Dataset, split: Split) -> int:
    """How many different training images every class has."""
    labels = dataset.labels[_different(dataset, split)]
    return int(np.bincount(labels, minlength=len(dataset.class_names)).min())


def draw_labelled_subset(dataset: Dataset, split: Split, per_class: int, draw: int) -> Indices:
    """`per_class` training images of each class, ascending; of the same draw, fewer are a part of more.

    As if somebody had labelled training images until each class had its number. An exact copy of an image that is there already
    is not drawn: it would be a label that teaches nothing. A part of the training images cannot share a group with validation or
    test images where these do not.

    Args:
        draw: which of many possible choices; any whole number from 0.

    Raises:
        InputError: a class has fewer different training images.
    """
    rows = _different(dataset, split)
    rng, chosen = np.random.default_rng([split.seed, LABELS_STREAM, draw]), []
    for label, name in enumerate(dataset.class_names):
        own = rng.permutation(rows[dataset.labels[rows] == label])
        if not 1 <= per_class <= len(own):
            raise InputError(
                f"{per_class:,} training images of each class were asked for, but '{name}' has {len(own):,} different ones.",
                f"Give a whole number from 1 to {max_labels_per_class(dataset, split):,}.",
            )
        chosen.append(own[:per_class])
    return np.sort(np.concatenate(chosen))


def with_train(dataset: Dataset, split: Split, train: Indices) -> Split:
    """The same split with these of its training images only."""
    parts = (train, split.validation, split.test)
    return replace(split, train=train, fingerprint=fingerprint_of(dataset, parts))


def without_validation(dataset: Dataset, split: Split) -> Split:
    """The same split with its validation images set aside: what a run must not see that may not choose."""
    parts = (split.train, split.validation[:0], split.test)
    return Split(*parts, split.seed, split.duplicates_removed, fingerprint_of(dataset, parts))


def _different(dataset: Dataset, split: Split) -> Indices:
    """The training images without exact copies within a class, ascending."""
    labels = dataset.labels[split.train].astype("<i8").view(np.uint8).reshape(-1, 8)
    _, first = np.unique(
        np.concatenate([dataset.hashes[split.train], labels], axis=1), axis=0, return_index=True
    )
    return split.train[np.sort(first)]
