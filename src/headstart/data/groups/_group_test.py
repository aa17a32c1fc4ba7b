"""A test of proposed groups: their images must look more alike than others of their classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data._memory_maps import blocks
from headstart.data.groups._descriptors import resampling_matrix

_SMALL_PX = 8
_PERMUTATIONS = 199
_LEAST_P_VALUE = 0.01
# Images of a group must be closer than others of the same two classes by this factor.
LARGEST_RATIO = 0.9
_MOST_PAIRS = 20_000

FloatArray = NDArray[np.float32]
Groups = NDArray[np.int64]


class GroupTest(NamedTuple):
    """How much more alike the images of a group are.

    Attributes:
        ratio: Mean distance within groups, over the mean when images of one class trade places.
        p_value: P-value of a permutation test, at least 1 / 200.
    """

    ratio: float
    p_value: float

    @property
    def holds(self) -> bool:
        """Return whether the groups mean something."""
        return self.p_value <= _LEAST_P_VALUE and self.ratio <= LARGEST_RATIO


def make_colour_vectors(images: NDArray[np.uint8]) -> FloatArray:
    """Return coarse colours of each image, standardised, float32 of shape (N, 8 * 8 * C).

    Background and lighting decide here, more than what is shown.
    """
    count, height, width, channels = images.shape
    rows = resampling_matrix(height, _SMALL_PX)
    columns = resampling_matrix(width, _SMALL_PX)
    vectors = np.empty((count, _SMALL_PX * _SMALL_PX * channels), np.float32)
    for start, block in blocks(images, "comparing colours"):
        for first in range(0, len(block), 500):
            part = block[first : first + 500].astype(np.float32).transpose(0, 3, 1, 2)
            small = rows @ part @ columns.T
            vectors[start + first : start + first + len(part)] = small.reshape(len(part), -1)
    vectors -= vectors.mean(axis=0)
    vectors /= np.maximum(vectors.std(axis=0), 1.0)
    return vectors


def measure_groups(vectors: FloatArray, labels: Groups, groups: Groups) -> GroupTest:
    """Test whether images of a group are more alike than others of the same classes.

    Images trade places with others of their class. So groups that differ in nothing but their
    classes do not pass.

    Args:
        vectors: Float32 array of shape (N, D).
        labels: Int64 array of shape (N,).
        groups: Int64 array of shape (N,), the proposed groups.
    """
    rng = np.random.default_rng(0)
    first, second = _pairs_within(groups, rng)
    if not len(first):
        return GroupTest(1.0, 1.0)

    observed = _mean_distance(vectors, first, second)
    exchanged = []
    for _ in range(_PERMUTATIONS):
        places = _permute_within(labels, rng)
        exchanged.append(_mean_distance(vectors, places[first], places[second]))
    as_small = sum(value <= observed for value in exchanged)
    usual = float(np.mean(exchanged))
    return GroupTest(observed / max(usual, 1e-9), (as_small + 1) / (_PERMUTATIONS + 1))


def _pairs_within(groups: Groups, rng: np.random.Generator) -> tuple[Groups, Groups]:
    """Return a random sample of pairs of images of the same group."""
    order = np.lexsort((rng.random(len(groups)), groups))
    ordered = groups[order]
    firsts, seconds = [], []
    # Random order within a group makes neighbours a random pair.
    for step in (1, 2, 3):
        is_pair = ordered[step:] == ordered[:-step]
        firsts.append(order[:-step][is_pair])
        seconds.append(order[step:][is_pair])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    if len(first) > _MOST_PAIRS:
        chosen = rng.choice(len(first), _MOST_PAIRS, replace=False)
        first, second = first[chosen], second[chosen]
    return first, second


def _mean_distance(vectors: FloatArray, first: Groups, second: Groups) -> float:
    difference = vectors[first] - vectors[second]
    return float(np.sqrt((difference * difference).mean(axis=1)).mean())


def _permute_within(labels: Groups, rng: np.random.Generator) -> Groups:
    """Return a permutation of the images that keeps every label."""
    order = np.argsort(labels, kind="stable")
    shuffled = np.lexsort((rng.random(len(labels)), labels))
    places = np.empty(len(labels), np.int64)
    places[order] = shuffled
    return places
