"""Exact and near duplicates: within a class, across classes, and across the parts of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from headstart.data import (
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    Dataset,
    NearDuplicates,
    Split,
    find_near_duplicates,
)

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Duplicates:
    """Pairs of images that show the same picture, and what follows from them.

    Attributes:
        pairs: The pairs, most alike first. Of K equal images, K - 1 pairs are listed: each with
            the first of them.
        leaked: Int64 array of shape (L,), ascending: the validation and test images that show the
            same picture as an image of another part. A copy among the test images counts against
            neither: see `leak_partner`.
        leak_partner: Int64 array of shape (L,): the most similar image of training, or for a test
            image without one, of validation.
        leak_distance: Float64 array of shape (L,), the distance of the two.
    """

    pairs: NearDuplicates
    leaked: Indices
    leak_partner: Indices
    leak_distance: NDArray[np.float64]

    def clusters(self) -> list[Indices]:
        """Return the images of each picture that occurs more than once, ascending, largest first.

        Pairs are chained: if A and B show the same picture, and B and C, then all three do.
        """
        images, ends = np.unique(
            np.stack([self.pairs.first, self.pairs.second]), return_inverse=True
        )
        ends = ends.reshape(2, -1)
        count = len(images)
        graph = coo_array((np.ones(ends.shape[1], bool), (ends[0], ends[1])), shape=(count, count))
        _, cluster = connected_components(graph, directed=False)
        order = np.argsort(cluster, kind="stable")
        starts = np.flatnonzero(np.diff(cluster[order])) + 1
        clusters = [images[rows] for rows in np.split(order, starts) if len(rows)]
        return sorted(clusters, key=len, reverse=True)


def find_duplicates(
    dataset: Dataset, split: Split | None = None, pairs: NearDuplicates | None = None
) -> Duplicates:
    """Find exact and near duplicates, and leaks between parts.

    Args:
        dataset: The dataset.
        split: The split whose parts count. None takes the parts that the data came with.
        pairs: Pairs from `find_near_duplicates`, if they are known already.

    Returns:
        The pairs, and the images that leaked.
    """
    if pairs is None:
        pairs = find_near_duplicates(dataset.images, dataset.hashes)

    parts = dataset.parts if split is None else _parts_of_split(len(dataset), split)
    leaked, partner, distance = _find_leaks(pairs, parts)
    return Duplicates(pairs, leaked, partner, distance)


def _parts_of_split(count: int, split: Split) -> NDArray[np.uint8]:
    """Return the part of each of `count` images. Images outside the split are UNASSIGNED."""
    parts = np.full(count, UNASSIGNED, np.uint8)
    for code, rows in ((TRAIN, split.train), (VALIDATION, split.validation), (TEST, split.test)):
        parts[rows] = code
    return parts


def _find_leaks(
    pairs: NearDuplicates, parts: NDArray[np.uint8]
) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """Return each held-out image with a copy in an earlier part, its partner and their distance."""
    # Pairs link equal images to the first of them only. So a link of the first counts for all.
    first_equal = np.arange(len(parts))
    is_exact = np.array([relation == "exact" for relation in pairs.relation], bool)
    first_equal[pairs.second[is_exact]] = pairs.first[is_exact]
    earliest = _earliest_members(first_equal, parts)

    copied = np.unique(pairs.first[is_exact])
    source = np.concatenate([pairs.first[~is_exact], pairs.second[~is_exact], copied])
    target = np.concatenate([pairs.second[~is_exact], pairs.first[~is_exact], copied])
    distance = np.concatenate([np.tile(pairs.distance[~is_exact], 2), np.zeros(len(copied))])

    # Each link of a picture becomes one link of each of its equal images.
    order = np.argsort(first_equal, kind="stable")
    start = np.searchsorted(first_equal[order], source)
    count = np.searchsorted(first_equal[order], source, side="right") - start
    link = np.repeat(np.arange(len(source)), count)
    offset = np.arange(len(link)) - np.repeat(np.cumsum(count) - count, count)
    image = order[start[link] + offset]
    partner, distance = earliest[target[link]], distance[link]

    is_leak = (parts[image] > parts[partner]) & (parts[partner] != UNASSIGNED)
    image, partner, distance = image[is_leak], partner[is_leak], distance[is_leak]
    # Training comes before validation, then the smaller distance.
    order = np.lexsort((distance, parts[partner], image))
    image, partner, distance = image[order], partner[order], distance[order]
    leaked, row = np.unique(image, return_index=True)
    return leaked, partner[row], distance[row]


def _earliest_members(first_equal: Indices, parts: NDArray[np.uint8]) -> Indices:
    """Return, at the first of equal images, the one of them in the earliest part.

    Images in no part come last.
    """
    rank = np.where(parts == UNASSIGNED, 255, parts)
    order = np.lexsort((np.arange(len(parts)), rank, first_equal))
    representative, row = np.unique(first_equal[order], return_index=True)
    earliest = np.arange(len(parts))
    earliest[representative] = order[row]
    return earliest
