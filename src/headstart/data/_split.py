"""Splits: which images are used for training, for validation and for the test.

A split is made once, stratified by class, and shared by all contenders.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._fingerprints import split_fingerprint
from headstart.data._stratify import draw_part, stratified_subset
from headstart.data._types import (
    PART_NAMES,
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    Dataset,
    EvaluateOn,
    Indices,
    Split,
    SplitDataset,
    class_counts,
)
from headstart.data._warnings import split_warnings
from headstart.errors import InputError

# Share of the images to be split, for validation and for test each: 70/15/15.
DEFAULT_FRACTION = 0.15
DEFAULT_SPLIT_SEED = 0
SEEDS = 2**63  # The int64 of split.npz holds smaller seeds only.
# Each choice has its own random stream. So a change of one fraction leaves the other choices alone.
TEST_STREAM, VALIDATION_STREAM, SUBSET_STREAM = 1, 2, 3


def make_split(
    dataset: Dataset,
    *,
    validation: float | None = None,
    test: float | None = None,
    train_images: int | None = None,
    seed: int = DEFAULT_SPLIT_SEED,
    evaluate_on: EvaluateOn | None = None,
) -> Split:
    """Divide a dataset into training, validation and test images.

    Parts that the dataset itself defines are kept. Missing parts are drawn from its other images,
    stratified by class: first test, then validation. A class of three images or more is in every
    part that is large enough for one image of each such class. The images of a group stay together.
    Then training images with an exact copy in validation or test are removed. Warnings about the
    result are printed on stderr, and `describe` lists them.

    Args:
        dataset: The dataset.
        validation: Fraction of the images to be split, in [0, 1). None keeps the dataset's own
            part, or draws 0.15 if it has none. 0 makes no part. The dataset's own part can only be
            kept (None) or left out (0), and is not trained on either way.
        test: The same for the test images.
        train_images: Number of training images to keep, stratified, at least one per class. With
            the same seed, fewer images are a subset of more. None keeps all.
        seed: Seed of all random choices. NumPy's global state is not used.
        evaluate_on: "validation" makes the dataset's own validation images the test images, and
            validation images are drawn from its training images. It suits data with train and val
            folders, whose val is the exam. "test" or None draws the missing test images from the
            training images. None also prints which images evaluate.

    Returns:
        Indices of the training, validation and test images, int64 and ascending.

    Raises:
        InputError: A fraction is outside [0, 1), leaves no training images or rounds to no image.
            Or it is given for a part that the dataset defines itself. Or a class has no training
            images, a group is in two parts, or `train_images` is out of range. Or `evaluate_on` is
            "validation", but the dataset has no such part, or has test images of its own.
    """
    _check_seed(seed)
    own_validation = np.flatnonzero(dataset.parts == VALIDATION)
    dataset = _with_evaluation(dataset, evaluate_on, test)
    fractions = {
        TEST: _fraction(dataset, TEST, test),
        VALIDATION: _fraction(dataset, VALIDATION, validation),
    }
    _require_training_fraction(fractions)
    _require_undivided_groups(dataset)

    held_out = {
        TEST: _own_images(dataset, TEST, test),
        VALIDATION: _own_images(dataset, VALIDATION, validation),
    }
    remaining = _draw_parts(dataset, fractions, held_out, seed)

    train = _remove_copies(dataset, remaining, np.concatenate(list(held_out.values())))
    duplicates_removed = len(remaining) - len(train)
    _require_every_class(dataset, remaining, train)
    if train_images is not None:
        rng = np.random.default_rng([seed, SUBSET_STREAM])
        train = _training_subset(dataset, train, train_images, rng)

    parts = (train, held_out[VALIDATION], held_out[TEST])
    split = Split(*parts, seed, duplicates_removed, split_fingerprint(dataset, parts))
    if len(own_validation) and test is None and evaluate_on != "test":
        _say_what_evaluates(dataset, split, own_validation)
    for sentence in split_warnings(SplitDataset(dataset, split)):
        progress.say(sentence)
    return split


def _with_evaluation(
    dataset: Dataset, evaluate_on: EvaluateOn | None, test: float | None
) -> Dataset:
    """Return the dataset with its own validation images as test images, if these are to evaluate.

    Raises:
        InputError: There are no such images, or other test images are there or asked for.
    """
    if evaluate_on not in (None, *get_args(EvaluateOn)):
        raise InputError(
            f"invalid evaluate_on: expected test or validation, got '{evaluate_on}'.",
            "For example: --evaluate-on validation",
        )
    if evaluate_on != "validation":
        return dataset

    is_validation = dataset.parts == VALIDATION
    if not is_validation.any():
        raise InputError(
            f"{dataset.name} has no validation images of its own to evaluate on.",
            "Leave --evaluate-on out. Test images are then drawn.",
        )
    if (dataset.parts == TEST).any():
        raise InputError(
            f"{dataset.name} has its own test images, which are used for the evaluation.",
            "Leave --evaluate-on out, or move the test images elsewhere.",
        )
    if test is not None:
        raise InputError(
            f"--evaluate-on validation cannot be combined with --test {test:g}: the validation "
            f"images of {dataset.name} become its test images.",
            "Leave one of them out.",
        )
    parts = np.where(is_validation, TEST, dataset.parts).astype(np.uint8)
    return replace(dataset, parts=parts)


def _own_images(dataset: Dataset, part: int, option: float | None) -> Indices:
    """Return the images that the dataset itself puts in a part; none if the option is 0."""
    own = np.flatnonzero(dataset.parts == part)
    return own[:0] if option == 0 else own


def _draw_parts(
    dataset: Dataset, fractions: dict[int, float], held_out: dict[int, Indices], seed: int
) -> Indices:
    """Draw the missing parts into `held_out`, and return the images that remain for training."""
    pool = np.flatnonzero((dataset.parts == UNASSIGNED) | (dataset.parts == TRAIN))
    remaining = pool
    for part, stream in ((TEST, TEST_STREAM), (VALIDATION, VALIDATION_STREAM)):
        if fractions[part] == 0:
            continue
        parts_to_come = int(part == TEST and fractions[VALIDATION] > 0)
        rng = np.random.default_rng([seed, stream])
        held_out[part] = draw_part(
            dataset, pool, remaining, fractions[part], part, parts_to_come, rng
        )
        remaining = np.setdiff1d(remaining, held_out[part])
    return remaining


def _say_what_evaluates(dataset: Dataset, split: Split, own_validation: Indices) -> None:
    """Print which images evaluate where a dataset has validation images, but no test images."""
    if np.array_equal(split.test, own_validation):
        progress.say(
            f"{dataset.name}: evaluated on its own {len(split.test):,} validation images; "
            f"{len(split.validation):,} images for validation are drawn from its training images"
        )
    elif not (dataset.parts == TEST).any():
        progress.say(
            f"{dataset.name} has validation images, but no test images. It is evaluated on "
            f"{len(split.test):,} images drawn from its training images. To evaluate on its own "
            f"{len(own_validation):,} validation images, add --evaluate-on validation"
        )


def _check_seed(seed: int) -> None:
    if not 0 <= seed < SEEDS:
        raise InputError(
            f"invalid seed of the split: expected an integer from 0 to 2^63 - 1, got {seed}.",
            "For example: --split-seed 0",
        )


def _fraction(dataset: Dataset, part: int, option: float | None) -> float:
    """Return the fraction of images to draw for a part, 0 if none are to be drawn."""
    name, own = PART_NAMES[part], int((dataset.parts == part).sum())
    if option is not None and not 0 <= option < 1:
        raise InputError(
            f"invalid {name}: expected a fraction from 0 up to, but not including, 1, "
            f"got {option:g}.",
            f"For example: --{name} 0.15",
        )
    if own and option:
        raise InputError(
            f"{name} is {option:g}, but {dataset.name} has its own {own:,} {name} images.",
            f"Leave --{name} out to use them, or pass 0 to use none.",
        )

    if own or option == 0:
        return 0.0
    return DEFAULT_FRACTION if option is None else option


def _require_training_fraction(fractions: dict[int, float]) -> None:
    if sum(fractions.values()) >= 1:
        raise InputError(
            f"validation {fractions[VALIDATION]:g} and test {fractions[TEST]:g} leave no training "
            "images.",
            "Pass fractions that add up to less than 1.",
        )


def _require_undivided_groups(dataset: Dataset) -> None:
    """Raise an error if the dataset's own parts divide a group."""
    if dataset.groups is None:
        return
    pairs = np.unique(np.stack([dataset.groups, dataset.parts.astype(np.int64)]), axis=1)
    divided = np.flatnonzero(np.bincount(pairs[0]) > 1)
    if len(divided):
        rows = np.flatnonzero(dataset.groups == divided[0])
        names = sorted({PART_NAMES[part] for part in dataset.parts[rows].tolist()})
        raise InputError(
            f"groups with images in more than one part: {len(divided):,}. For example, the group "
            f"of {dataset.image_names[rows[0]]} is in {' and '.join(names)}.",
            "Correct the column split, or leave out --group-by.",
        )


def _remove_copies(dataset: Dataset, train: Indices, held_out: Indices) -> Indices:
    """Return the training images without those that have an exact copy among `held_out`."""
    if not len(train):
        return train
    hashes = {row.tobytes() for row in dataset.hashes[held_out]}
    are_unique = [row.tobytes() not in hashes for row in dataset.hashes[train]]
    return train[are_unique]


def _require_every_class(dataset: Dataset, with_copies: Indices, train: Indices) -> None:
    """Raise an error if a class has no training images.

    Args:
        dataset: The dataset.
        with_copies: The training images before copies were removed.
        train: The training images.
    """
    counts = class_counts(dataset, train)
    if (counts > 0).all():
        return

    label = int(np.argmin(counts))
    total = int((dataset.labels == label).sum())
    start = f"class '{dataset.class_names[label]}' has {total:,} image{'s' * (total > 1)}, and"
    if (dataset.labels[with_copies] == label).any():
        raise InputError(
            f"{start} all that are left for training are exact copies of validation or test "
            "images.",
            "Add different images, or remove the class. Other fractions would not help.",
        )
    raise InputError(
        f"{start} none is left for training.",
        "Add images of that class, remove the class, or pass smaller --validation and --test.",
    )


def _training_subset(
    dataset: Dataset, train: Indices, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    classes = len(dataset.class_names)
    if not classes <= count <= len(train):
        raise InputError(
            f"invalid train_images: expected {classes:,} (one per class) to {len(train):,} (all), "
            f"got {count:,}.",
            f"For example: --train-images {max(classes, len(train) // 2)}",
        )
    return stratified_subset(dataset.labels, train, count, rng)
