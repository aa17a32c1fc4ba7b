"""Candidates for near duplicates: pairs with similar descriptors, found by matrix products."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from headstart.data._threads import map_in_threads

_ROWS = 256  # of a block of similarities: 60 MB for 60,000 images
_BLOCK_VALUES = 16_000_000  # at most, per thread
_CHUNK = 64  # columns, whose maxima tell which similarities of a row may be the largest

FloatArray = NDArray[np.float32]


class Candidates(NamedTuple):
    """Pairs of images with similar descriptors.

    Attributes:
        first: Int64 array of shape (P,).
        second: Int64 array of shape (P,), above `first`.
        is_flipped: Boolean array of shape (P,). True where the mirrored first image is meant.
        similarity: Float32 array of shape (P,), the cosine of the descriptors.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    is_flipped: NDArray[np.bool_]
    similarity: FloatArray

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        """Return the pairs of these rows."""
        return Candidates(
            self.first[rows], self.second[rows], self.is_flipped[rows], self.similarity[rows]
        )


def find_candidates(
    vectors: FloatArray,
    variants: tuple[tuple[FloatArray, bool], ...],
    per_image: int,
    least_similarity: float,
) -> Candidates:
    """Find the images with the most similar descriptors to each image.

    Args:
        vectors: Float32 array of shape (N, D), descriptors of length 1.
        variants: Descriptors of the altered images that are looked for, each of shape (N, D), and
            whether they are mirrored. The images themselves are one of the variants.
        per_image: Pairs per image and variant, at least. Ties may add some.
        least_similarity: Cosine that a pair must have.
    """
    columns: list[tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]] = []
    flags: list[NDArray[np.bool_]] = []
    for altered, is_flipped in variants:
        pairs = _nearest(vectors, altered, per_image, least_similarity)
        columns.append(pairs)
        flags.append(np.full(len(pairs[0]), is_flipped))
    row, column, similarity = (np.concatenate(part) for part in zip(*columns, strict=True))
    flipped = np.concatenate(flags)

    # Most pairs are found from both of their images, and by several variants.
    first, second = np.minimum(row, column), np.maximum(row, column)
    order = np.lexsort((-similarity, flipped, second, first))
    keys = np.stack([first, second, flipped])[:, order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    kept = order[is_new]
    return Candidates(first[kept], second[kept], flipped[kept], similarity[kept])


def _nearest(
    vectors: FloatArray, altered: FloatArray, per_image: int, least_similarity: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Return rows, columns and cosines of the largest similarities of each row."""
    count = len(vectors)
    padded = np.zeros((-(-count // _CHUNK) * _CHUNK, altered.shape[1]), np.float32)
    padded[:count] = altered
    per_row = min(per_image, len(padded) // _CHUNK)
    rows_per_block = max(1, min(_ROWS, _BLOCK_VALUES // len(padded)))

    def search(start: int) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
        similarity = vectors[start : start + rows_per_block] @ padded.T
        rows = np.arange(len(similarity))
        similarity[rows, rows + start] = -1
        # The k largest maxima of chunks are at most the k largest values.
        maxima = similarity.reshape(len(similarity), -1, _CHUNK).max(axis=2)
        threshold = np.partition(maxima, -per_row, axis=1)[:, -per_row, None]
        threshold = np.maximum(threshold, least_similarity)
        row, column = np.divmod(np.flatnonzero(similarity >= threshold), similarity.shape[1])
        return row + start, column, similarity[row, column]

    # Each thread multiplies on its own core.
    with threadpool_limits(1, "blas"):
        blocks = map_in_threads(
            search, range(0, count, rows_per_block), "looking for near duplicates", "blocks"
        )
    row, column, similarity = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return row, column, similarity
