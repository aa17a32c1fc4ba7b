"""Folds of repeated cross-validation: every image is a test image once per repeat.

Folds are stratified by class. Images of a group, and copies of an image, are in one fold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._class_names import quote_names
from headstart.data._fingerprints import split_fingerprint
from headstart.data._split import DEFAULT_FRACTION
from headstart.data._stratify import draw_part
from headstart.data._types import (
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    Dataset,
    Indices,
    Split,
    SplitDataset,
    class_counts,
)
from headstart.data.groups._infer import connected_groups
from headstart.data.groups._near_duplicates import find_near_duplicates
from headstart.errors import InputError
from headstart.formatting import counted

FOLD_STREAM, FOLD_VALIDATION_STREAM = 5, 6  # random streams of the split's seed
# Near copies are looked for as in the quick audit: of more images, or of smaller ones, the search
# takes seconds, or finds what merely looks alike.
_MOST_IMAGES_FOR_NEAR_COPIES, _LEAST_PX_FOR_NEAR_COPIES = 2000, 24
_LARGEST_VALIDATION = 0.5
_NAMED_CLASSES = 3
_latest_units: dict[str, Indices] = {}


@dataclass(frozen=True)
class Folds:
    """The folds of a repeated cross-validation.

    Attributes:
        dataset: The dataset.
        images: Int64 dataset indices of the N images that are tested, ascending.
        fold_of: Int64 array of shape (R, N): the fold of each of these images in each repeat.
        splits: One tuple of K splits per repeat. The test images of a split are those of its fold.
        kept_test: Number of test images that the user's data set apart. They are in no fold.
    """

    dataset: Dataset
    images: Indices
    fold_of: NDArray[np.int64]
    splits: tuple[tuple[Split, ...], ...]
    kept_test: int

    @property
    def count(self) -> int:
        """The number of folds per repeat, K."""
        return len(self.splits[0])

    @property
    def repeats(self) -> int:
        """The number of repeats, R."""
        return len(self.splits)

    def data(self, repeat: int, fold: int) -> SplitDataset:
        """Return the dataset with the split of one fold."""
        return SplitDataset(self.dataset, self.splits[repeat][fold])


def make_folds(
    data: SplitDataset,
    folds: int,
    repeats: int,
    *,
    has_validation: bool = True,
    images: Indices | None = None,
) -> Folds:
    """Divide the images of a dataset into stratified folds, several times.

    The training, validation and test images of the split are divided together, and so are the
    copies that the split removed. Test images that the user's data set apart are left out. In each
    fold, validation images are drawn from its training images, with the fraction of the split.

    Args:
        data: The dataset and its split. The split's seed determines all random choices.
        folds: Number of folds, at least 2.
        repeats: Number of repeats, each with other folds.
        has_validation: Whether validation images are drawn. Without them, all images outside a fold
            are training images.
        images: Int64 dataset indices of the images to divide, ascending, such as those of two parts
            of the split. None for those of `fold_images`.

    Returns:
        The splits of all folds of all repeats.

    Raises:
        InputError: There are too few images of a class, or too few groups of them, for so many
            folds. Or `folds` or `repeats` is out of range.
    """
    if folds < 2 or repeats < 1:
        raise InputError(
            f"invalid folds: expected at least 2 folds and 1 repeat, got {folds} and {repeats}.",
            "For example: --folds 5 --seeds 3",
        )
    kept_test = 0
    if images is None:
        images, kept_test = fold_images(data)
    units = _undivided_units(data.dataset, images)
    _require_enough(data.dataset, images, units, folds)

    fraction = _validation_fraction(data) if has_validation else 0.0
    fold_of = np.empty((repeats, len(images)), np.int64)
    splits: list[tuple[Split, ...]] = []
    for repeat in range(repeats):
        rng = np.random.default_rng([data.split.seed, FOLD_STREAM, repeat])
        fold_of[repeat] = deal_folds(data.dataset.labels[images], units, folds, rng)
        splits_of_repeat: list[Split] = []
        for fold in range(folds):
            key = [data.split.seed, FOLD_VALIDATION_STREAM, repeat, fold]
            rng = np.random.default_rng(key)
            is_test = fold_of[repeat] == fold
            splits_of_repeat.append(_fold_split(data, images, units, is_test, fraction, rng))
        splits.append(tuple(splits_of_repeat))
    return Folds(data.dataset, images, fold_of, tuple(splits), kept_test)


def split_without_test(data: SplitDataset) -> SplitDataset:
    """Divide the images that cross-validation divides into training and validation images only.

    Groups and copies stay together, and the fraction of validation images is that of the folds.

    Args:
        data: The dataset and its split.

    Returns:
        The dataset with a split without test images.
    """
    images, _ = fold_images(data)
    units = _undivided_units(data.dataset, images)
    is_test = np.zeros(len(images), bool)
    rng = np.random.default_rng([data.split.seed, FOLD_VALIDATION_STREAM])
    split = _fold_split(data, images, units, is_test, _validation_fraction(data), rng)
    return SplitDataset(data.dataset, split)


def fold_images(data: SplitDataset) -> tuple[Indices, int]:
    """Return the images that cross-validation divides, and the number of test images it leaves out.

    Args:
        data: The dataset and its split.

    Returns:
        Int64 dataset indices, ascending. And the number of images that the user's data set apart
        for the test, or whose validation images evaluate.
    """
    dataset, split = data.dataset, data.split
    is_own = np.isin(dataset.parts, (VALIDATION, TEST))
    kept = split.test[is_own[split.test]]
    parts = (split.train, split.validation, split.test)
    used = np.setdiff1d(np.concatenate(parts), kept)

    # Exact copies of validation and test images are no longer in the split. Without a subset of the
    # training images, they are all that is missing.
    could_be_used = np.flatnonzero(np.isin(dataset.parts, (UNASSIGNED, TRAIN)))
    missing = np.setdiff1d(could_be_used, used)
    if len(missing) == split.duplicates_removed:
        used = np.union1d(used, missing)
    return used, len(kept)


def most_folds(data: SplitDataset, images: Indices | None = None) -> int:
    """Return the largest number of folds that the smallest class allows.

    Args:
        data: The dataset and its split.
        images: The images to divide, as for `make_folds`.
    """
    if images is None:
        images, _ = fold_images(data)
    units = _undivided_units(data.dataset, images)
    return int(_units_per_class(data.dataset, images, units).min())


def deal_folds(
    labels: Indices, units: Indices, folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Assign each image to a fold. Units stay whole, and classes are spread evenly.

    Units are dealt one by one, the largest first and otherwise in random order. Each goes to the
    fold that has the fewest images of its classes, then to the one with the fewest images.
    scikit-learn's StratifiedGroupKFold follows the same idea.

    Args:
        labels: Int64 array of shape (N,).
        units: Int64 array of shape (N,), from 0 without gaps: the unit of each image.
        folds: Number of folds.
        rng: Generator of the random order.

    Returns:
        Int64 array of shape (N,).
    """
    classes = int(labels.max()) + 1
    counts = np.zeros((int(units.max()) + 1, classes))
    np.add.at(counts, (units, labels), 1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]

    class_sizes = np.maximum(counts.sum(axis=0), 1)
    in_fold = np.zeros((folds, classes))
    fold_of_unit = np.empty(len(counts), np.int64)
    for unit in order:
        of_its_classes = (in_fold * counts[unit] / class_sizes).sum(axis=1)
        # Rounded, so that equal sums of floats tie. Of folds that tie, a random one is taken.
        keys = (rng.permutation(folds), in_fold.sum(axis=1), of_its_classes.round(9))
        fold = np.lexsort(keys)[0]
        fold_of_unit[unit] = fold
        in_fold[fold] += counts[unit]
    return fold_of_unit[units]


def _undivided_units(dataset: Dataset, images: Indices) -> NDArray[np.int64]:
    """Return the unit of each image, int64 of shape (N,) from 0: a group with all its copies.

    The latest units are kept in memory: a command needs them several times, and the search for near
    copies takes seconds.
    """
    content = [dataset.fingerprint.encode(), images.tobytes()]
    if dataset.groups is not None:
        content.append(dataset.groups[images].tobytes())
    key = hashlib.sha256(b"|".join(content)).hexdigest()

    units = _latest_units.get(key)
    if units is None:
        units = _find_undivided_units(dataset, images)
        _latest_units.clear()
        _latest_units[key] = units
    return units


def _find_undivided_units(dataset: Dataset, images: Indices) -> NDArray[np.int64]:
    """Return the unit of each image, int64 of shape (N,) from 0.

    Near copies join units only if no unit then exceeds a tenth of the images. Where they would,
    such as in frames of one film, pictures are alike without being copies.
    """
    keys = np.ascontiguousarray(dataset.hashes[images]).view("V16").ravel()
    _, copies = np.unique(keys, return_inverse=True)
    labels = [copies.reshape(-1)]
    if dataset.groups is not None:
        labels.append(dataset.groups[images])
    exact = _joined(len(images), labels)

    is_too_small = min(dataset.image_shape[:2]) < _LEAST_PX_FOR_NEAR_COPIES
    if is_too_small or len(images) > _MOST_IMAGES_FOR_NEAR_COPIES:
        return exact
    pairs = find_near_duplicates(dataset.images[images], dataset.hashes[images])
    near = connected_groups(len(images), pairs.first, pairs.second)
    units = _joined(len(images), [exact, near])
    largest = int(np.bincount(units).max())
    if largest <= max(int(np.bincount(exact).max()), len(images) // 10):
        return units
    progress.say(
        f"near copies connect {largest:,} of {len(images):,} images, which no fold could hold: "
        "only exact copies stay in one fold"
    )
    return exact


def _joined(count: int, labellings: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return units that divide no set of any of these labellings, numbered from 0."""
    first: list[NDArray[np.int64]] = []
    second: list[NDArray[np.int64]] = []
    for labels in labellings:
        _, start, inverse = np.unique(labels, return_index=True, return_inverse=True)
        first.append(start[inverse.reshape(-1)].astype(np.int64))
        second.append(np.arange(count))
    return connected_groups(count, np.concatenate(first), np.concatenate(second))


def _units_per_class(dataset: Dataset, images: Indices, units: Indices) -> NDArray[np.int64]:
    """Return the number of units that hold images of each class, int64 of shape (K,)."""
    pairs = np.unique(np.stack([units, dataset.labels[images]]), axis=1)
    return np.bincount(pairs[1], minlength=len(dataset.class_names))


def _require_enough(dataset: Dataset, images: Indices, units: Indices, folds: int) -> None:
    """Raise an error if a class has fewer images, or fewer groups, than there are folds."""
    counts = _units_per_class(dataset, images, units)
    if (counts >= folds).all():
        return

    small = [dataset.class_names[label] for label in np.flatnonzero(counts < folds)]
    fewest = int(counts.min())
    name = dataset.class_names[int(counts.argmin())]
    count = int((dataset.labels[images] == int(counts.argmin())).sum())
    what = counted(count, "image")
    if count > fewest:
        what += f" in {counted(fewest, 'group')} of related images, which stay together"
    others = quote_names([other for other in small if other != name][:_NAMED_CLASSES])
    too = f" Too small as well: {others}." if others else ""
    fewer = f"Pass --folds {fewest} or fewer, add" if fewest >= 2 else "Add"
    raise InputError(
        f"invalid --folds {folds}: expected at least {folds} images of each class, but '{name}' "
        f"has {what}.{too}",
        f"{fewer} images of that class, or remove the class. --folds none uses one test part.",
    )


def _validation_fraction(data: SplitDataset) -> float:
    """Return the fraction of a fold's training images that validation takes, 0 for none."""
    split = data.split
    if not len(split.validation):
        return 0.0
    is_own = (data.dataset.parts[split.validation] == VALIDATION).any()
    if is_own:
        return DEFAULT_FRACTION
    fraction = len(split.validation) / (len(split.validation) + len(split.train))
    return min(fraction, _LARGEST_VALIDATION)


def _fold_split(
    data: SplitDataset,
    images: Indices,
    units: Indices,
    is_test: NDArray[np.bool_],
    fraction: float,
    rng: np.random.Generator,
) -> Split:
    """Return the split of one fold, with validation images drawn from its training images."""
    dataset, test, remaining = data.dataset, images[is_test], images[~is_test]
    validation = remaining[:0]
    if fraction:
        groups = np.full(len(dataset), -1, np.int64)
        groups[images] = units
        has_groups = int(units.max()) + 1 < len(units)
        grouped = replace(dataset, groups=groups if has_groups else None)
        validation = draw_part(grouped, remaining, remaining, fraction, VALIDATION, 0, rng)
        validation = _without_whole_classes(grouped, remaining, validation)
    train = np.setdiff1d(remaining, validation)
    parts = (train, validation, test)
    fingerprint = split_fingerprint(dataset, parts)
    return Split(*parts, data.split.seed, 0, fingerprint, cross_validated=images)


def _without_whole_classes(grouped: Dataset, remaining: Indices, validation: Indices) -> Indices:
    """Return the validation images without groups that are all that is left of a class."""
    train = np.setdiff1d(remaining, validation)
    is_missing = class_counts(grouped, train) == 0
    whole = validation[is_missing[grouped.labels[validation]]]
    if grouped.groups is None:
        return np.setdiff1d(validation, whole)
    return validation[~np.isin(grouped.groups[validation], grouped.groups[whole])]
