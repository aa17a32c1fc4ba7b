"""Baselines that need no training: the majority class and the nearest neighbour on pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data import stratified_subset
from headstart.errors import InputError
from headstart.evaluation._fold_tests import fold_test
from headstart.evaluation._nearest_neighbour import find_nearest, reduced_shape
from headstart.evaluation._paired_tests import BoolArray, as_paired_runs, exact_mcnemar
from headstart.evaluation._seed_aware_tests import accuracy_difference
from headstart.formatting import counted, p_value, percent

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class BaselineResult:
    """Result of a baseline on the test images.

    Attributes:
        name: "majority class" or "nearest neighbour on pixels".
        correct: Boolean array of shape (N,), one value per test image.
        note: Details for people: the class, or the pixels and the training images used.
        train_used: Number of training images used.
        train_total: Number of training images available.
    """

    name: str
    correct: BoolArray
    note: str
    train_used: int
    train_total: int

    @property
    def accuracy(self) -> float:
        """Return the share of test images that are classified correctly, in [0, 1]."""
        return float(self.correct.mean())


def majority_class(
    labels: IntArray, train: IntArray, test: IntArray, class_names: Sequence[str] = ()
) -> BaselineResult:
    """Predict the most frequent class of the training images for every test image.

    Of several equally frequent classes, the one with the lowest number is predicted.

    Args:
        labels: Classes of all images of the dataset, of shape (N,).
        train: Row numbers of the training images.
        test: Row numbers of the test images.
        class_names: K names, for the note.

    Returns:
        Which test images that classifies correctly.

    Raises:
        InputError: The training images or the test images are missing.
    """
    _require_images(train, test)
    majority = int(np.bincount(labels[train]).argmax())
    name = class_names[majority] if class_names else f"class {majority}"
    return BaselineResult(
        "majority class",
        correct=labels[test] == majority,
        note=f"{name} for every image",
        train_used=len(train),
        train_total=len(train),
    )


def nearest_neighbour(
    images: NDArray[np.uint8],
    labels: IntArray,
    train: IntArray,
    test: IntArray,
    limit: float = 1.2e12,
    seed: int = 0,
) -> BaselineResult:
    """Predict the class of the training image with the smallest Euclidean distance in pixels.

    Images with a side above 32 pixels are first reduced, by area averages, to 32 pixels on the
    longer side. All test images are used, so that the result can be paired with the contenders'. A
    stratified subset of the training images is used if all of them exceed the limit.

    Args:
        images: Images of shape (N, H, W, C), uint8. May be a memory map, which is read in blocks
            with about 100 MB of working memory.
        labels: Classes of shape (N,).
        train: Row numbers of the training images.
        test: Row numbers of the test images.
        limit: Maximum number of multiply-adds. Two CPU cores do about 6e10 per second.
        seed: Seed of the choice of training images.

    Returns:
        Which test images that classifies correctly, and how many training images it used.

    Raises:
        InputError: The training images or the test images are missing.
    """
    _require_images(train, test)
    height, width, channels = reduced_shape(images.shape[1:])
    affordable = int(limit / (len(test) * height * width * channels))
    classes = len(np.unique(labels[train]))
    rng = np.random.default_rng(seed)
    used = stratified_subset(labels, train, max(affordable, classes), rng)
    nearest = find_nearest(images, used, test)

    is_subset = len(used) < len(train)
    number = f"{len(used):,} of {len(train):,}" if is_subset else f"all {len(train):,}"
    return BaselineResult(
        "nearest neighbour on pixels",
        correct=labels[nearest] == labels[test],
        note=f"on {width}x{height} pixels, against {number} training images",
        train_used=len(used),
        train_total=len(train),
    )


def baseline_sentence(
    name: str,
    correct: BoolArray,
    baseline: BaselineResult,
    level: float = 0.05,
    part: str = "test",
    groups: IntArray | None = None,
    *,
    fold_of: IntArray | None = None,
) -> str | None:
    """Report that a contender is not significantly better than a baseline.

    A baseline has no seeds. Several runs of the contender are therefore tested with the variance
    over its own seeds, and a single run with exact McNemar.

    Args:
        name: Name of the contender.
        correct: Boolean array of shape (S, N) or (N,), for the test images of the baseline in the
            same order.
        baseline: Result of the baseline.
        level: Significance level of the two-sided test.
        part: Name of the images in the sentence, "test" or "validation".
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a cross-validation, int64 of shape (S, N), for `fold_test`. Groups are
            then whole in each fold, and not needed.

    Returns:
        A sentence, or None if the contender is significantly better.

    Raises:
        InputError: The array is not boolean, or the numbers of images differ.
    """
    runs, fixed = as_paired_runs(correct, baseline.correct)
    if fold_of is not None:
        p = fold_test(runs, np.broadcast_to(fixed, runs.shape), fold_of, level).p_value
    elif len(runs) == 1:
        p = exact_mcnemar(runs[0], fixed[0], groups).p_value
    else:
        p = accuracy_difference(runs, fixed, level, groups=groups).p_value

    accuracy = float(runs.mean())
    is_significant = p <= level
    if is_significant and accuracy > baseline.accuracy:
        return None

    is_worse = is_significant and accuracy < baseline.accuracy
    relation = "is significantly worse than" if is_worse else "is not significantly better than"
    images = runs.shape[1]
    accuracies = f"{percent(accuracy, images)} against {percent(baseline.accuracy, images)}"
    return (
        f'{name} {relation} the baseline "{baseline.name}": {accuracies} '
        f"on {counted(images, f'{part} image')} ({p_value(p)})."
    )


def _require_images(train: IntArray, test: IntArray) -> None:
    if len(train) == 0 or len(test) == 0:
        raise InputError(
            "a baseline needs at least one training image and one test image, "
            f"got {len(train):,} and {len(test):,}."
        )
