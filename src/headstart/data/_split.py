"""Who trains, who chooses, who judges: made once, stratified, kept with content hashes, shared by all contenders."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data._types import (
    PART_NAMES,
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    Dataset,
    Split,
    SplitDataset,
)
from headstart.data._warnings import split_warnings
from headstart.errors import InputError

DEFAULT_FRACTION = 0.15  # of the images to be split, for validation and for test each: 70/15/15
DEFAULT_SPLIT_SEED = 0
SEEDS = 2**63  # what the int64 of split.npz holds
SHARED_CLASS = (
    3  # images of a class from which on training, validation and test should each get one
)
# Each choice draws from its own stream, so that changing one fraction leaves the other choices alone.
TEST_STREAM, VALIDATION_STREAM, SUBSET_STREAM = 1, 2, 3
FILE_NAME = "split.npz"

Indices = NDArray[np.int64]


def make_split(
    dataset: Dataset,
    *,
    validation: float | None = None,
    test: float | None = None,
    train_images: int | None = None,
    seed: int = DEFAULT_SPLIT_SEED,
) -> Split:
    """Divide a dataset into training, validation and test images.

    Parts that the dataset itself names are kept as they are. What it does not name is carved out of its other images,
    stratified by class: first test, then validation, each a fraction (default 0.15) of the images there were before
    either. A class of three images or more is in every part that is large enough to hold one of each such class. Images of
    one group stay together. Then images whose exact copy is in validation or test leave training. What is doubtful about
    the outcome (`describe` lists it) is said on stderr.

    Args:
        validation, test: fraction in [0, 1); None for the dataset's own part, else 0.15; 0 for none. A part that the
            dataset names itself can only be kept (None) or left out (0); then it is not trained on either.
        train_images: keep that many training images, stratified and at least one a class; with the same seed, fewer
            images are a subset of more. None keeps all.
        seed: of every shuffle here. Independent of numpy's global state.

    Raises:
        InputError: a fraction outside [0, 1), fractions that leave nothing or round to nothing, a fraction for a part
            that the dataset names itself, a class without training images, a group in two parts, more `train_images`
            than there are or fewer than classes.
    """
    if not 0 <= seed < SEEDS:
        raise InputError(
            f"the split's seed is {seed}, but wanted is a whole number from 0 to 2^63 - 1.",
            "For example: --split-seed 0",
        )
    fractions = {
        TEST: _fraction(dataset, TEST, test),
        VALIDATION: _fraction(dataset, VALIDATION, validation),
    }
    if sum(fractions.values()) >= 1:
        raise InputError(
            f"validation {fractions[VALIDATION]:g} and test {fractions[TEST]:g} leave nothing to train on.",
            "Give fractions that add up to less than 1.",
        )
    _need_whole_groups(dataset)
    pool = np.flatnonzero((dataset.parts == UNASSIGNED) | (dataset.parts == TRAIN))
    train, held = pool, {}
    for part, given, stream in (
        (TEST, test, TEST_STREAM),
        (VALIDATION, validation, VALIDATION_STREAM),
    ):
        own = np.flatnonzero(dataset.parts == part)
        held[part] = own[:0] if given == 0 else own
        if fractions[part] > 0:
            later = int(part == TEST and fractions[VALIDATION] > 0)
            rng = np.random.default_rng([seed, stream])
            held[part] = _carve(dataset, pool, train, fractions[part], part, later, rng)
            train = np.setdiff1d(train, held[part])
    unique = _without_copies(dataset, train, np.concatenate(list(held.values())))
    _need_every_class(dataset, train, unique)
    rng = np.random.default_rng([seed, SUBSET_STREAM])
    kept = unique if train_images is None else _subset(dataset, unique, train_images, rng)
    parts = (kept, held[VALIDATION], held[TEST])
    split = Split(*parts, seed, len(train) - len(unique), fingerprint_of(dataset, parts))
    for sentence in split_warnings(SplitDataset(dataset, split)):
        progress.say(sentence)
    return split


def without_test(data: SplitDataset) -> SplitDataset:
    """Return the same data without test images, for runs that must not read them."""
    split = data.split
    parts = (split.train, split.validation, split.test[:0])
    fingerprint = fingerprint_of(data.dataset, parts)
    return replace(data, split=Split(*parts, split.seed, split.duplicates_removed, fingerprint))


def write_split(data: SplitDataset, folder: Path) -> None:
    """Write `folder/split.npz`: the indices of each part, and what those images looked like.

    Raises:
        ResourceError: no permission or no space.
    """
    content = io.BytesIO()
    parts = {
        "train": data.split.train,
        "validation": data.split.validation,
        "test": data.split.test,
    }
    hashes = {f"{name}_hashes": data.dataset.hashes[indices] for name, indices in parts.items()}
    np.savez(
        content,
        allow_pickle=False,
        **parts,
        **hashes,
        seed=np.array(data.split.seed),
        duplicates_removed=np.array(data.split.duplicates_removed),
        fingerprint=np.array(data.split.fingerprint),
    )
    store.write_bytes(folder / FILE_NAME, content.getvalue())


def read_split(folder: Path, dataset: Dataset) -> Split:
    """Read `folder/split.npz` back, for the same images and labels that it was made for.

    Raises:
        InputError: it is missing or damaged, or images or labels have changed since; the message counts the images.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            parts = (file["train"], file["validation"], file["test"])
            hashes = np.concatenate(
                [file["train_hashes"], file["validation_hashes"], file["test_hashes"]]
            )
            split = Split(
                *parts, int(file["seed"]), int(file["duplicates_removed"]), str(file["fingerprint"])
            )
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.", f"Is {folder} the folder of a run?") from None
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read: {error}.",
            "It may be damaged; move the folder away and run again.",
        ) from error
    indices = np.concatenate(parts)
    there = indices < len(dataset)
    same = int((dataset.hashes[indices[there]] == hashes[there]).all(axis=1).sum())
    if same < len(indices):
        raise InputError(
            f"{len(indices) - same:,} of the {len(indices):,} images that {path} divides have changed, moved or gone.",
            "Restore the data that the run was made with, or start a new run with another --out.",
        )
    if fingerprint_of(dataset, parts) != split.fingerprint:
        raise InputError(
            f"the images that {path} divides are the same, but their labels have changed.",
            "Restore the labels that the run was made with, or start a new run with another --out.",
        )
    return split


def describe(data: SplitDataset) -> dict[str, object]:
    """What `data.json` says: where the images come from, what they are, how many of each class are in which part.

    Its "warnings" are sentences: classes that validation or test lacks, copies taken out, one image under two labels.
    """
    parts = {
        "train": data.split.train,
        "validation": data.split.validation,
        "test": data.split.test,
    }
    counts = {name: _class_counts(data.dataset, indices) for name, indices in parts.items()}
    return {
        "name": data.dataset.name,
        "source": data.dataset.source,
        "options": dict(data.dataset.options),
        "fingerprint": data.dataset.fingerprint,
        "images": len(data.dataset),
        "image_shape": list(data.image_shape),
        "classes": len(data.class_names),
        "class_names": list(data.class_names),
        "parts": {
            name: {"images": len(indices), "per_class": counts[name].tolist()}
            for name, indices in parts.items()
        },
        "duplicates_removed": data.split.duplicates_removed,
        "split_seed": data.split.seed,
        "split_fingerprint": data.split.fingerprint,
        "warnings": split_warnings(data),
    }


def _fraction(dataset: Dataset, part: int, given: float | None) -> float:
    """The fraction of images to carve out for `part`."""
    key, own = PART_NAMES[part], int((dataset.parts == part).sum())
    if given is not None and not 0 <= given < 1:
        raise InputError(
            f"{key} is {given:g}, but wanted is a fraction from 0 up to, not including, 1.",
            f"For example: --{key} 0.15",
        )
    if own and given:
        raise InputError(
            f"{key} is {given:g}, but {dataset.name} has its own {own:,} {key} images.",
            f"Leave --{key} out to use them, or give 0 to do without.",
        )
    return 0.0 if own or given == 0 else DEFAULT_FRACTION if given is None else given


def _carve(
    dataset: Dataset,
    pool: Indices,
    left: Indices,
    fraction: float,
    part: int,
    later: int,
    rng: np.random.Generator,
) -> Indices:
    """About `fraction` of `pool` out of those still `left`, stratified by class, ascending; `later` parts are yet to come."""
    labels = dataset.labels[left]
    counts = np.bincount(labels, minlength=len(dataset.class_names))
    shared = _class_counts(dataset, pool) >= SHARED_CLASS
    most = np.maximum(counts - 1 - later * shared, 0)
    # A child's stream for ties, so that where there are none the choice of images is what it always was.
    quotas = _quotas(counts, fraction * len(pool), np.minimum(shared, most), most, rng.spawn(1)[0])
    if dataset.groups is not None:
        chosen = _whole_groups(dataset.groups[left], labels, quotas, rng)
    else:
        chosen = np.zeros(len(left), bool)
        for label, quota in enumerate(quotas):
            chosen[rng.permutation(np.flatnonzero(labels == label))[:quota]] = True
    if not chosen.any():
        raise _empty(dataset, pool, left, fraction, part)
    return left[chosen]


def _empty(
    dataset: Dataset, pool: Indices, left: Indices, fraction: float, part: int
) -> InputError:
    name, wanted = PART_NAMES[part], round(fraction * len(pool))
    if wanted == 0:
        return InputError(
            f"{name} would be empty: {fraction:g} of {len(pool):,} images rounds to none.",
            f"Add images, give a larger --{name}, or 0 to do without.",
        )
    if dataset.groups is None:
        return InputError(
            f"{name} would be empty: no class has an image to spare, for every class needs one to train on.",
            f"Add images, or give --{name} 0 to do without.",
        )
    count = len(np.unique(dataset.groups[left]))
    return InputError(
        f"{name} would be empty: {count:,} group{'s' * (count > 1)} of {len(left):,} images, which stay together, cannot give "
        f"about {wanted:,} image{'s' * (wanted > 1)} to {name}.",
        f"More groups are needed: name a finer column with --group-by, or give --{name} 0 to do without.",
    )


def _quotas(
    counts: Indices, wanted: float, least: Indices, most: Indices, rng: np.random.Generator
) -> Indices:
    """How many of each class to take: largest remainders, `wanted` together as far as `most` of each class allows.

    No class gives more than its share, rounded up, for others that cannot: it would lose its training images. Each gives
    `least`, at the cost of the largest ones, unless that is more than `wanted`. Ties fall by `rng`.
    """
    exact, total = counts * (wanted / max(counts.sum(), 1)), round(wanted)
    least = least if least.sum() <= total else np.zeros_like(least)
    most = np.minimum(most, np.maximum(np.ceil(exact - 1e-9).astype(np.int64), least))
    quotas: Indices = np.clip(np.floor(exact).astype(np.int64), least, most)
    order = rng.permutation(len(counts))
    while quotas.sum() < total and (quotas < most).any():
        quotas[order[np.argmax(np.where(quotas < most, exact - quotas, -np.inf)[order])]] += 1
    while quotas.sum() > total:
        quotas[
            order[
                np.argmax(
                    np.where(quotas > least, (quotas - 1) / np.maximum(counts, 1), -np.inf)[order]
                )
            ]
        ] -= 1
    return quotas


def _whole_groups(
    groups: Indices, labels: Indices, quotas: Indices, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Whole groups whose class counts come close to `quotas`: greedy, in random order.

    scikit-learn's StratifiedGroupKFold has the same idea, but offers only fractions of 1/n.
    """
    members, inverse = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(members), len(quotas)), np.int64)
    np.add.at(counts, (inverse, labels), 1)
    taken, chosen = np.zeros_like(quotas), np.zeros(len(members), bool)
    for group in rng.permutation(len(members)):
        if np.sum((quotas - taken - counts[group]) ** 2) < np.sum((quotas - taken) ** 2):
            taken = taken + counts[group]
            chosen[group] = True
    return chosen[inverse]


def _without_copies(dataset: Dataset, train: Indices, held: Indices) -> Indices:
    seen = {row.tobytes() for row in dataset.hashes[held]}
    return (
        train[[row.tobytes() not in seen for row in dataset.hashes[train]]] if len(train) else train
    )


def _subset(dataset: Dataset, train: Indices, count: int, rng: np.random.Generator) -> Indices:
    """`count` of the training images, stratified."""
    classes = len(dataset.class_names)
    if not classes <= count <= len(train):
        raise InputError(
            f"train_images is {count:,}, but wanted is from {classes:,} (one a class) to {len(train):,} (all there are).",
            f"For example: --train-images {max(classes, len(train) // 2)}",
        )
    return stratified_subset(dataset.labels, train, count, rng)


def stratified_subset(
    labels: Indices, rows: Indices, count: int, rng: np.random.Generator
) -> Indices:
    """`count` of these rows, or all: one of each class, then those that keep the classes' shares.

    They are a prefix of one fixed order, so of generators in the same state fewer rows are a part of more.

    Args:
        labels: `(N,)` classes of the whole dataset.
        rows: indices into it.

    Returns:
        Indices, ascending where `rows` are.
    """
    own = labels[rows]
    turn = np.empty(len(rows))
    for label in np.unique(own):
        members = rng.permutation(np.flatnonzero(own == label))
        turn[members] = (np.arange(len(members)) + 0.5) / len(members)
        turn[members[0]] = -1
    return np.sort(rows[np.lexsort((own, turn))[:count]])


def _need_whole_groups(dataset: Dataset) -> None:
    if dataset.groups is None:
        return
    pairs = np.unique(np.stack([dataset.groups, dataset.parts.astype(np.int64)]), axis=1)
    torn = np.flatnonzero(np.bincount(pairs[0]) > 1)
    if len(torn):
        rows = np.flatnonzero(dataset.groups == torn[0])
        names = sorted({PART_NAMES[part] for part in dataset.parts[rows].tolist()})
        raise InputError(
            f"{len(torn):,} groups have images in more than one part: that of {dataset.image_names[rows[0]]}, "
            f"say, in {' and '.join(names)}.",
            "Correct the column split, or leave out --group-by.",
        )


def _need_every_class(dataset: Dataset, train: Indices, unique: Indices) -> None:
    counts = _class_counts(dataset, unique)
    if (counts > 0).all():
        return
    label = int(np.argmin(counts))
    total = int((dataset.labels == label).sum())
    found = f"class '{dataset.class_names[label]}' has {total:,} image{'s' * (total > 1)}, and"
    if (dataset.labels[train] == label).any():
        raise InputError(
            f"{found} all that are left for training are exact copies of validation or test images.",
            "Too many of its images are identical, which no other fractions change: add different images, or remove the class.",
        )
    raise InputError(
        f"{found} none is left for training.",
        "Add images of that class, remove the class, or give smaller --validation and --test.",
    )


def _class_counts(dataset: Dataset, indices: Indices) -> Indices:
    return np.bincount(dataset.labels[indices], minlength=len(dataset.class_names))


def fingerprint_of(dataset: Dataset, parts: Sequence[Indices]) -> str:
    """Hexadecimal SHA-256 over content and labels of the parts, in order."""
    digest = hashlib.sha256()
    for indices in parts:
        digest.update(len(indices).to_bytes(8, "little"))
        digest.update(
            dataset.hashes[indices].tobytes() + dataset.labels[indices].astype("<i8").tobytes()
        )
    return digest.hexdigest()
