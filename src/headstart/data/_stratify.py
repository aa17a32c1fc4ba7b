"""Stratified random choices of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import PART_NAMES, Dataset, Indices, class_counts
from headstart.errors import InputError

# A class of at least so many images should be in each of training, validation and test.
SHARED_CLASS_IMAGES = 3


def draw_part(
    dataset: Dataset,
    pool: Indices,
    remaining: Indices,
    fraction: float,
    part: int,
    parts_to_come: int,
    rng: np.random.Generator,
) -> Indices:
    """Draw the images of a part, stratified by class. The images of a group stay together.

    Args:
        dataset: The dataset.
        pool: All images that are to be split.
        remaining: Those of them that no part has yet.
        fraction: Fraction of the pool to draw.
        part: VALIDATION or TEST, for error messages.
        parts_to_come: Number of parts to be drawn after this one.
        rng: Generator of the random choices.

    Returns:
        Indices into the dataset, ascending.

    Raises:
        InputError: The part would be empty.
    """
    labels = dataset.labels[remaining]
    counts = class_counts(dataset, remaining)
    is_shared = class_counts(dataset, pool) >= SHARED_CLASS_IMAGES
    # A class keeps one image for training, and a shared class one for each part to come.
    most = np.maximum(counts - 1 - parts_to_come * is_shared, 0)
    least = np.minimum(is_shared, most)
    # Ties have a child's stream. So without ties the same images are drawn as in version 0.1.
    quotas = class_quotas(counts, fraction * len(pool), least, most, rng.spawn(1)[0])

    if dataset.groups is None:
        is_drawn = _draw_images(labels, quotas, rng)
    else:
        is_drawn = _draw_groups(dataset.groups[remaining], labels, quotas, rng)
    if not is_drawn.any():
        raise _empty_part(dataset, pool, remaining, fraction, part)
    return remaining[is_drawn]


def class_quotas(
    counts: Indices, target: float, least: Indices, most: Indices, rng: np.random.Generator
) -> Indices:
    """Decide how many images of each class to take, by the method of largest remainders.

    The quotas add up to the rounded target as far as `most` allows. A class does not exceed its
    proportional share, rounded up, for the sake of classes that cannot give theirs. Otherwise it
    would lose its training images. Each class gives at least `least`, at the expense of the largest
    quotas, unless that is more than the target in total.

    Args:
        counts: Images per class, of shape (K,).
        target: Number of images to take in total. It need not be an integer.
        least: Lower bounds of the quotas, of shape (K,).
        most: Upper bounds of the quotas, of shape (K,).
        rng: Generator that breaks ties.

    Returns:
        Int64 quotas of shape (K,).
    """
    total = round(target)
    shares = counts * (target / max(counts.sum(), 1))
    if least.sum() > total:
        least = np.zeros_like(least)
    shares_rounded_up = np.ceil(shares - 1e-9).astype(np.int64)
    most = np.minimum(most, np.maximum(shares_rounded_up, least))

    quotas: Indices = np.clip(np.floor(shares).astype(np.int64), least, most)
    tie_order = rng.permutation(len(counts))
    while quotas.sum() < total and (quotas < most).any():
        remainders = np.where(quotas < most, shares - quotas, -np.inf)
        quotas[_index_of_largest(remainders, tie_order)] += 1
    while quotas.sum() > total:
        sampling_rates = (quotas - 1) / np.maximum(counts, 1)
        candidates = np.where(quotas > least, sampling_rates, -np.inf)
        quotas[_index_of_largest(candidates, tie_order)] -= 1
    return quotas


def _index_of_largest(values: NDArray[np.float64], tie_order: Indices) -> int:
    """Return the index of the largest value. Of equal values, the first in `tie_order` wins."""
    return int(tie_order[np.argmax(values[tie_order])])


def _draw_images(labels: Indices, quotas: Indices, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw `quotas[k]` images of each class k."""
    is_drawn = np.zeros(len(labels), bool)
    for label, quota in enumerate(quotas):
        members = rng.permutation(np.flatnonzero(labels == label))
        is_drawn[members[:quota]] = True
    return is_drawn


def _draw_groups(
    groups: Indices, labels: Indices, quotas: Indices, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw undivided groups whose class counts approach `quotas`: greedily, in random order.

    scikit-learn's StratifiedGroupKFold follows the same idea, but offers fractions of 1/n only.
    """
    names, group_of_image = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(quotas)), np.int64)
    np.add.at(counts, (group_of_image, labels), 1)

    drawn_counts, is_drawn = np.zeros_like(quotas), np.zeros(len(names), bool)
    for group in rng.permutation(len(names)):
        distance = np.sum((quotas - drawn_counts) ** 2)
        distance_with_group = np.sum((quotas - drawn_counts - counts[group]) ** 2)
        if distance_with_group < distance:
            drawn_counts = drawn_counts + counts[group]
            is_drawn[group] = True
    return is_drawn[group_of_image]


def _empty_part(
    dataset: Dataset, pool: Indices, remaining: Indices, fraction: float, part: int
) -> InputError:
    name, target = PART_NAMES[part], round(fraction * len(pool))
    if target == 0:
        return InputError(
            f"{name} would be empty: {fraction:g} of {len(pool):,} images rounds to none.",
            f"Add images, pass a larger --{name}, or pass 0 for no {name} images.",
        )
    class_count = len(np.unique(dataset.labels[pool]))
    if class_count == len(pool) and dataset.groups is None:
        return InputError(
            f"{name} would be empty: each of the {class_count:,} classes has only one image.",
            "Give each class more images. If the labels are measurements or names of the images: "
            "only classes that several images share can be learned.",
        )
    if dataset.groups is None:
        return InputError(
            f"{name} would be empty: every class needs its images for training.",
            f"Add images, or pass --{name} 0 for no {name} images.",
        )

    groups = len(np.unique(dataset.groups[remaining]))
    return InputError(
        f"{name} would be empty: {groups:,} group{'s' * (groups > 1)} of {len(remaining):,} "
        f"images, which stay together, cannot give about {target:,} image{'s' * (target > 1)} "
        f"to {name}.",
        f"Name a finer column with --group-by, or pass --{name} 0 for no {name} images.",
    )


def stratified_subset(
    labels: Indices, rows: Indices, count: int, rng: np.random.Generator
) -> Indices:
    """Choose `count` of these rows: one of each class, then rows that keep the class proportions.

    The choice is a prefix of one fixed order. So with generators in the same state, fewer rows are
    a subset of more.

    Args:
        labels: Labels of the whole dataset, of shape (N,).
        rows: Indices into it.
        count: Number of rows to choose. All are chosen if there are fewer.
        rng: Generator of the random choices.

    Returns:
        Sorted indices into the dataset.
    """
    row_labels = labels[rows]
    position = np.empty(len(rows))
    for label in np.unique(row_labels):
        members = rng.permutation(np.flatnonzero(row_labels == label))
        # Spread the members of each class evenly over (0, 1), after one that goes first.
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
        position[members[0]] = -1
    order = np.lexsort((row_labels, position))
    return np.sort(rows[order[:count]])
