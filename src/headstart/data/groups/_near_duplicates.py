"""Near duplicates: the same picture, encoded, resized, mirrored, cropped or brightened again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from headstart.data._fingerprints import hash_images
from headstart.data._threads import map_in_threads
from headstart.data.groups._alignment import (
    IDENTITY,
    Comparison,
    PixelWhitening,
    align,
    invert,
    measure_likeness,
)
from headstart.data.groups._candidates import Candidates, find_candidates
from headstart.data.groups._descriptors import (
    CELLS,
    DIRECTIONS,
    Whitening,
    crop_thumbnails,
    gradient_histograms,
    make_thumbnails,
    mirror_histograms,
)

Relation = Literal["exact", "same", "flipped", "cropped", "flipped and cropped"]

LEAST_SIMILARITY = 0.45
CANDIDATES_PER_IMAGE = 3
CROP_SHARE = 0.92  # of the cropped variant of each image that is looked for
# Limits of the distance up to which a pair is listed. Within them, the dataset itself decides.
STRICTEST_DISTANCE, LOOSEST_DISTANCE = 0.01, 0.2
# Few pictures have three copies. So the third most similar image shows how alike different pictures
# are: the limit is a fraction of the distance that one image in 50 has from its third one. The
# fraction is measured: with 0.3, Fashion-MNIST lists a pair of its own per 2,000 images. 1% of
# CIFAR-10's images have three copies or more.
NULL_RANK, NULL_SHARE, LIMIT_FRACTION = 3, 0.02, 0.3
# Scales that differ from 1 by more, or shifts by more half widths, count as a crop.
CROP_SCALE, CROP_SHIFT = 0.03, 0.04
# Standard deviation of the luminance, of 255, below which a picture counts as blank. Any two blank
# pictures are alike.
BLANK_CONTRAST = 3.0
# Among the 8x8 digits of scikit-learn, 16 pairs of different drawings were as alike as copies.
_SMALLEST_PX = 16
_PAIRS_PER_BLOCK = 256  # 80 MB per thread
_VECTOR_BLOCK = 2000


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images that show the same picture, most alike first.

    Attributes:
        first: Int64 array of shape (P,), the index of one image of each pair.
        second: Int64 array of shape (P,), the index of the other image, above `first`.
        distance: Float64 array of shape (P,), ascending: 0 for equal pixels, 1 for pictures that
            have nothing in common.
        relation: P words: how the second image differs from the first. "exact" means equal pixels,
            "same" a difference of encoding, size or brightness.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.float64]
    relation: tuple[Relation, ...]

    def __len__(self) -> int:
        return len(self.first)


def find_near_duplicates(
    images: NDArray[np.uint8],
    hashes: NDArray[np.uint8] | None = None,
    *,
    largest_distance: float | None = None,
) -> NearDuplicates:
    """Find images that show the same picture.

    Pairs with similar edges are aligned by shift and scale, and compared pixel by pixel. A
    difference of encoding, size, brightness or contrast does not matter, nor do mirroring and a
    crop of up to about 15%. Of K equal images, only the first is compared with others, and K - 1
    exact pairs are listed. Images of fewer than 16 pixels are too small for more than exact pairs.

    Args:
        images: Uint8 array of shape (N, H, W, C), which may be a memory map.
        hashes: Uint8 array of shape (N, 16), the content hashes of a dataset. None computes them.
        largest_distance: Distance up to which a pair is listed. None chooses it, within 0.01 and
            0.2: 0.3 times the distance that one image in 50 has from its third most similar one.

    Returns:
        The pairs: exact ones first, then the others from the most similar on.
    """
    if hashes is None:
        hashes = hash_images(images)
    representative = _first_of_equal(hashes)
    exact = np.flatnonzero(representative != np.arange(len(images)))
    first, second, distance, relations = _find_near(images, representative, largest_distance)

    order = np.argsort(distance, kind="stable")
    copies: list[Relation] = ["exact"] * len(exact)
    return NearDuplicates(
        first=np.concatenate([representative[exact], first[order]]),
        second=np.concatenate([exact, second[order]]),
        distance=np.concatenate([np.zeros(len(exact)), distance[order]]),
        relation=(*copies, *(relations[row] for row in order)),
    )


def _first_of_equal(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the index of the first image with the same hash, for each image."""
    keys = np.ascontiguousarray(hashes).view("V16").ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    result: NDArray[np.int64] = first[inverse].astype(np.int64)
    return result


def _find_near(
    images: NDArray[np.uint8], representative: NDArray[np.int64], largest_distance: float | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], list[Relation]]:
    """Return the pairs of unequal images, in no order: both indices, distances and relations."""
    if min(images.shape[1:3]) < _SMALLEST_PX:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, np.empty(0), []

    thumbnails = make_thumbnails(images)
    contrast = thumbnails.std(axis=(1, 2))
    is_compared = (representative == np.arange(len(images))) & (contrast >= BLANK_CONTRAST)
    rows = np.flatnonzero(is_compared)
    if len(rows) < 2:
        return rows[:0], rows[:0], np.empty(0), []

    thumbnails = thumbnails if len(rows) == len(images) else thumbnails[rows]
    candidates = _find_candidates(thumbnails)
    if not len(candidates.first):
        return rows[:0], rows[:0], np.empty(0), []
    comparison = _compare_candidates(thumbnails, candidates)
    distance = np.clip(1 - comparison.likeness.astype(np.float64), 0, 1)
    kept = _best_orientation(candidates, distance)
    if largest_distance is None:
        pairs = candidates.select(kept)
        largest_distance = _choose_limit(pairs, distance[kept], len(rows))
    kept = kept[distance[kept] <= largest_distance]
    relations = _relations(candidates.is_flipped[kept], comparison.motion[kept])
    chosen = candidates.select(kept)
    return rows[chosen.first], rows[chosen.second], distance[kept], relations


def _find_candidates(thumbnails: NDArray[np.uint8]) -> Candidates:
    vectors, mirrored, cropped = _describe(thumbnails)
    variants = ((vectors, False), (mirrored, True), (cropped, False))
    return find_candidates(vectors, variants, CANDIDATES_PER_IMAGE, LEAST_SIMILARITY)


def _describe(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the descriptors of the images, of their mirror images and of their centres.

    Shape (3, N, D), 150 MB for 100,000 images. Meanwhile it takes 80 MB more.
    """
    count, starts = len(thumbnails), range(0, len(thumbnails), _VECTOR_BLOCK)
    histograms = np.empty((count, CELLS * CELLS * DIRECTIONS), np.float32)

    def describe(start: int) -> None:
        rows = slice(start, start + _VECTOR_BLOCK)
        block = gradient_histograms(thumbnails[rows])
        histograms[rows] = block.reshape(len(block), -1)

    map_in_threads(describe, starts, "describing images", "blocks")
    whitening = Whitening(histograms)
    vectors = np.empty((3, count, whitening.components), np.float32)

    def whiten(start: int) -> None:
        rows = slice(start, start + _VECTOR_BLOCK)
        block = histograms[rows]
        shape = (len(block), CELLS, CELLS, DIRECTIONS)
        turned = mirror_histograms(block.reshape(shape)).reshape(block.shape)
        small = gradient_histograms(crop_thumbnails(thumbnails[rows], CROP_SHARE))
        for number, described in enumerate((block, turned, small.reshape(block.shape))):
            vectors[number, rows] = whitening.apply(described)

    map_in_threads(whiten, starts, "describing images", "blocks")
    return vectors


def _compare_candidates(thumbnails: NDArray[np.uint8], candidates: Candidates) -> Comparison:
    """Align the pictures of each pair, and measure how alike they are."""
    whitening = PixelWhitening(thumbnails)

    def compare_block(start: int) -> Comparison:
        block = candidates.select(np.arange(start, min(start + _PAIRS_PER_BLOCK, count)))
        fixed = thumbnails[block.first].astype(np.float32)
        fixed[block.is_flipped] = fixed[block.is_flipped][:, :, ::-1]
        moving = thumbnails[block.second].astype(np.float32)
        motion = np.tile(IDENTITY, (len(fixed), 1))
        motion = align(_halved(fixed), _halved(moving), motion, steps=5)
        motion = align(fixed, moving, motion, steps=2)

        # The larger section is moved onto the smaller one, so that it covers all of it.
        is_inverted = motion[:, 0] * motion[:, 2] > 1
        swapped = fixed[is_inverted]
        fixed[is_inverted], moving[is_inverted] = moving[is_inverted], swapped
        motion[is_inverted] = invert(motion[is_inverted])
        motion = align(fixed, moving, motion, steps=2)
        likeness = measure_likeness(fixed, moving, motion, whitening)
        # A blurred picture is explained by the sharp one, not the other way round. Beyond a small
        # change of scale, the other way would compare too small a section.
        other_way = measure_likeness(moving, fixed, invert(motion), whitening)
        is_same_section = np.abs(motion[:, [0, 2]] - 1).max(axis=1, initial=0) < CROP_SCALE
        likeness = np.where(is_same_section, np.maximum(likeness, other_way), likeness)
        return Comparison(motion, likeness)

    count = len(candidates.first)
    starts = range(0, count, _PAIRS_PER_BLOCK)
    with threadpool_limits(1, "blas"):
        blocks = map_in_threads(compare_block, starts, "comparing candidates", "blocks")
    return Comparison(*(np.concatenate(columns) for columns in zip(*blocks, strict=True)))


def _halved(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    half = pictures.shape[1] // 2
    result: NDArray[np.float32] = pictures.reshape(-1, half, 2, half, 2).mean(axis=(2, 4))
    return result


def _choose_limit(pairs: Candidates, distance: NDArray[np.float64], count: int) -> float:
    """Return the distance from which on different pictures are so alike as well."""
    image = np.concatenate([pairs.first, pairs.second])
    both = np.concatenate([distance, distance])
    order = np.lexsort((both, image))
    image, both = image[order], both[order]
    rank = np.arange(len(image)) - np.searchsorted(image, image)
    third = both[rank == NULL_RANK - 1]
    allowed = int(NULL_SHARE * count)
    if len(third) <= allowed:
        return LOOSEST_DISTANCE
    limit = LIMIT_FRACTION * float(np.partition(third, allowed)[allowed])
    return min(max(limit, STRICTEST_DISTANCE), LOOSEST_DISTANCE)


def _best_orientation(candidates: Candidates, distance: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return one row per pair of images: of both orientations, the one of smaller distance."""
    order = np.lexsort((distance, candidates.second, candidates.first))
    first, second = candidates.first[order], candidates.second[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return order[is_new]


def _relations(is_flipped: NDArray[np.bool_], motion: NDArray[np.float32]) -> list[Relation]:
    scale = np.abs(motion[:, [0, 2]] - 1).max(axis=1, initial=0)
    shift = np.abs(motion[:, [1, 3]]).max(axis=1, initial=0)
    is_cropped = (scale > CROP_SCALE) | (shift > CROP_SHIFT)
    words: list[Relation] = []
    for flipped, cropped in zip(is_flipped.tolist(), is_cropped.tolist(), strict=True):
        if flipped:
            words.append("flipped and cropped" if cropped else "flipped")
        else:
            words.append("cropped" if cropped else "same")
    return words
