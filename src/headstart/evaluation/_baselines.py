"""Floors: what no model should fall below. The majority class, and the nearest neighbour on raw pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data import stratified_subset, take, to_pil_image
from headstart.errors import InputError
from headstart.evaluation._paired_tests import BoolArray, as_paired_runs, exact_mcnemar
from headstart.evaluation._seed_aware_tests import accuracy_difference
from headstart.formatting import p_value
from headstart.progress import task

LONGEST_SIDE_PX = 32
TRAIN_BLOCK, TEST_BLOCK = 4096, 1024  # images; with 3,072 pixels each, about 100 MB at work
BLOCK_BYTES = 64 << 20  # of images as they are, before they are shrunk
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class BaselineResult:
    """How a floor did on the test images.

    Attributes:
        name: "majority class" or "nearest neighbour on pixels".
        correct: `(N,)` booleans, one a test image.
        note: what was done, for people: which class; pixels and training images used.
        train_used, train_total: training images compared with, and those there were.
    """

    name: str
    correct: BoolArray
    note: str
    train_used: int
    train_total: int

    @property
    def accuracy(self) -> float:
        """Share of test images that are right."""
        return float(self.correct.mean())


def majority_class(
    labels: IntArray, train: IntArray, test: IntArray, class_names: Sequence[str] = ()
) -> BaselineResult:
    """Call every test image the most frequent class of training; the lowest where several are.

    Args:
        labels: `(N,)` classes of the whole dataset.
        train, test: indices into it.
        class_names: K names, for the note.

    Raises:
        InputError: no training or no test image.
    """
    _need_images(train, test)
    majority = int(np.bincount(labels[train]).argmax())
    name = class_names[majority] if class_names else f"class {majority}"
    return BaselineResult(
        "majority class",
        labels[test] == majority,
        f"{name} for every image",
        len(train),
        len(train),
    )


def nearest_neighbour(
    images: NDArray[np.uint8],
    labels: IntArray,
    train: IntArray,
    test: IntArray,
    limit: float = 1.2e12,
    seed: int = 0,
) -> BaselineResult:
    """Give every test image the class of the training image nearest in pixels, by Euclidean distance; the first if several are.

    Images with a side above 32 pixels are first shrunk, by area averages, to 32 on the longer side. The test set stays whole so
    that the result pairs with the contenders'; training is a stratified part where the limit demands it.

    Args:
        images: `(N, H, W, C)` uint8, may be a memory map: read in blocks, about 100 MB at work at a time.
        labels: `(N,)` classes.
        train, test: indices into both.
        limit: most multiply-adds to spend; two CPU cores do about 6e10 a second.
        seed: of the choice of training images.

    Raises:
        InputError: no training or no test image.
    """
    _need_images(train, test)
    height, width, channels = _shrunk_shape(images.shape[1:])
    room = int(limit / (len(test) * height * width * channels))
    used = stratified_subset(
        labels, train, max(room, len(np.unique(labels[train]))), np.random.default_rng(seed)
    )
    nearest = _nearest(images, used, test)
    part = f"{len(used):,} of {len(train):,}" if len(used) < len(train) else f"all {len(train):,}"
    note = f"on {width}x{height} pixels, against {part} training images"
    return BaselineResult(
        "nearest neighbour on pixels", labels[nearest] == labels[test], note, len(used), len(train)
    )


def baseline_sentence(
    name: str, correct: BoolArray, floor: BaselineResult, level: float = 0.05, part: str = "test"
) -> str | None:
    """Say so when a contender does not beat a floor; None when it does.

    Args:
        name: of the contender.
        correct: `(S, N)` or `(N,)` booleans about the floor's test images, in the same order.
        floor: what to beat. It has no seeds: over several of the contender's, its own spread counts; over one, exact McNemar.
        level: of the two-sided test.
        part: what the images are called in the sentence.

    Raises:
        InputError: not booleans, or different images.
    """
    runs, fixed = as_paired_runs(correct, floor.correct)
    p = (
        exact_mcnemar(runs[0], fixed[0]).p_value
        if len(runs) == 1
        else accuracy_difference(runs, fixed, level).p_value
    )
    ahead = float(runs.mean()) - floor.accuracy
    if ahead > 0 and p <= level:
        return None
    how = "is worse than" if ahead < 0 and p <= level else "is not shown to beat"
    return (
        f"{name} {how} a floor, {floor.name}: {runs.mean():.1%} against {floor.accuracy:.1%} of {runs.shape[1]:,} "
        f"{part} images ({p_value(p)})."
    )


def _need_images(train: IntArray, test: IntArray) -> None:
    if len(train) == 0 or len(test) == 0:
        raise InputError(
            f"{len(train):,} training and {len(test):,} test images: a floor needs at least one of each."
        )


def _nearest(images: NDArray[np.uint8], train: IntArray, test: IntArray) -> IntArray:
    """Index of the nearest `train` image of each `test` image, from |b|^2 - 2ab by matrix products in blocks."""
    best = np.full(len(test), np.inf, dtype=np.float32)
    nearest = np.empty(len(test), dtype=np.int64)
    tests = [
        _pixels_of(images, test[at : at + TEST_BLOCK]) for at in range(0, len(test), TEST_BLOCK)
    ]
    with task("Nearest neighbour on pixels", len(train), "images") as progress:
        for start in range(0, len(train), TRAIN_BLOCK):
            block = train[start : start + TRAIN_BLOCK]
            b = _centred(_pixels_of(images, block))
            squares = np.einsum("ij,ij->i", b, b)
            b *= -2
            for number, pixels in enumerate(tests):
                scores = _centred(pixels) @ b.T
                scores += squares
                winner = scores.argmin(axis=1)
                score = scores[np.arange(len(winner)), winner]
                here = slice(number * TEST_BLOCK, number * TEST_BLOCK + len(winner))
                closer = score < best[here]
                best[here] = np.where(closer, score, best[here])
                nearest[here] = np.where(closer, block[winner], nearest[here])
            progress.advance(len(block))
    return nearest


def _centred(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Around 0, in whole numbers: float32 sums up to 1,024 pixels without rounding, so ties and repeats come out the same."""
    return pixels.astype(np.float32) - 128


def _shrunk_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    height, width, channels = shape
    scale = min(1.0, LONGEST_SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def _pixels_of(images: NDArray[np.uint8], rows: IntArray) -> NDArray[np.uint8]:
    """`_pixels` of these images, so few at a time that large ones need little memory."""
    at_once = max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    return np.concatenate(
        [_pixels(take(images, rows[at : at + at_once])) for at in range(0, len(rows), at_once)]
    )


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(n, H*W*C)`, shrunk where a side is above 32 pixels."""
    height, width, channels = _shrunk_shape(images.shape[1:])
    if (height, width) == images.shape[1:3]:
        return images.reshape(len(images), -1)
    from PIL.Image import Resampling

    small = np.empty((len(images), height * width * channels), dtype=np.uint8)
    for row, image in zip(small, images, strict=True):
        row[:] = np.asarray(to_pil_image(image).resize((width, height), Resampling.BOX)).ravel()
    return small
