"""Who trains, who chooses, who judges: made once, stratified, kept with content hashes, shared by all contenders."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data._types import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION, Dataset, Split
from headstart.errors import InputError

DEFAULT_FRACTION = 0.15  # of the images to be split, for validation and for test each: 70/15/15
DEFAULT_SPLIT_SEED = 0
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
    either. Images of one group stay together. Then images whose exact copy is in validation or test leave training.

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
    if seed < 0:
        raise InputError(f"the split's seed is {seed}, but wanted is a whole number, 0 or more.", "For example: --seed 0")
    fractions = {TEST: _fraction(dataset, TEST, test), VALIDATION: _fraction(dataset, VALIDATION, validation)}
    if sum(fractions.values()) >= 1:
        raise InputError(
            f"validation {fractions[VALIDATION]:g} and test {fractions[TEST]:g} leave nothing to train on.",
            "Give fractions that add up to less than 1.",
        )
    _need_whole_groups(dataset)
    pool = np.flatnonzero((dataset.parts == UNASSIGNED) | (dataset.parts == TRAIN))
    train, held = pool, {}
    for part, given, stream in ((TEST, test, TEST_STREAM), (VALIDATION, validation, VALIDATION_STREAM)):
        own = np.flatnonzero(dataset.parts == part)
        held[part] = own[:0] if given == 0 else own
        if fractions[part] > 0:
            held[part] = _carve(dataset, train, fractions[part] * len(pool), part, np.random.default_rng([seed, stream]))
            train = np.setdiff1d(train, held[part])
    unique = _without_copies(dataset, train, np.concatenate(list(held.values())))
    _need_every_class(dataset, unique, len(train) - len(unique))
    rng = np.random.default_rng([seed, SUBSET_STREAM])
    kept = unique if train_images is None else _subset(dataset, unique, train_images, rng)
    parts = (kept, held[VALIDATION], held[TEST])
    return Split(*parts, seed, len(train) - len(unique), _fingerprint(dataset, parts))


def write_split(split: Split, dataset: Dataset, folder: Path) -> None:
    """Write `folder/split.npz`: the indices of each part, and what those images looked like.

    Raises:
        ResourceError: no permission or no space.
    """
    content = io.BytesIO()
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    hashes = {f"{name}_hashes": dataset.hashes[indices] for name, indices in parts.items()}
    np.savez(
        content,
        allow_pickle=False,
        **parts,
        **hashes,
        seed=np.array(split.seed),
        duplicates_removed=np.array(split.duplicates_removed),
        fingerprint=np.array(split.fingerprint),
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
            hashes = np.concatenate([file["train_hashes"], file["validation_hashes"], file["test_hashes"]])
            split = Split(*parts, int(file["seed"]), int(file["duplicates_removed"]), str(file["fingerprint"]))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.", f"Is {folder} the folder of a run?") from None
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read: {error}.", "It may be damaged; move the folder away and run again.") from error
    indices = np.concatenate(parts)
    there = indices < len(dataset)
    same = int((dataset.hashes[indices[there]] == hashes[there]).all(axis=1).sum())
    if same < len(indices):
        raise InputError(
            f"{len(indices) - same:,} of the {len(indices):,} images that {path} divides have changed, moved or gone.",
            "Restore the data that the run was made with, or start a new run with another --out.",
        )
    if _fingerprint(dataset, parts) != split.fingerprint:
        raise InputError(
            f"the images that {path} divides are the same, but their labels have changed.",
            "Restore the labels that the run was made with, or start a new run with another --out.",
        )
    return split


def describe(dataset: Dataset, split: Split) -> dict[str, object]:
    """What `data.json` says: where the images come from, what they are, how many of each class are in which part."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    counts = {name: _class_counts(dataset, indices) for name, indices in parts.items()}
    return {
        "name": dataset.name,
        "source": dataset.source,
        "options": dict(dataset.options),
        "fingerprint": dataset.fingerprint,
        "images": len(dataset),
        "image_shape": list(dataset.image_shape),
        "classes": len(dataset.class_names),
        "class_names": list(dataset.class_names),
        "parts": {name: {"images": len(indices), "per_class": counts[name].tolist()} for name, indices in parts.items()},
        "duplicates_removed": split.duplicates_removed,
        "split_seed": split.seed,
        "split_fingerprint": split.fingerprint,
    }


def _fraction(dataset: Dataset, part: int, given: float | None) -> float:
    """The fraction of images to carve out for `part`."""
    key, own = PART_NAMES[part], int((dataset.parts == part).sum())
    if given is not None and not 0 <= given < 1:
        raise InputError(
            f"{key} is {given:g}, but wanted is a fraction from 0 up to, not including, 1.", f"For example: --{key} 0.15"
        )
    if own and given:
        raise InputError(
            f"{key} is {given:g}, but {dataset.name} has its own {own:,} {key} images.",
            f"Leave --{key} out to use them, or give 0 to do without.",
        )
    return 0.0 if own or given == 0 else DEFAULT_FRACTION if given is None else given


def _carve(dataset: Dataset, pool: Indices, wanted: float, part: int, rng: np.random.Generator) -> Indices:
    """About `wanted` images of `pool`, stratified by class, ascending."""
    labels = dataset.labels[pool]
    quotas = _quotas(np.bincount(labels, minlength=len(dataset.class_names)), wanted / max(len(pool), 1))
    if dataset.groups is not None:
        chosen = _whole_groups(dataset.groups[pool], labels, quotas, rng)
        missed = np.flatnonzero((np.bincount(labels[chosen], minlength=len(quotas)) == 0) & (quotas > 0))
        if len(missed) and chosen.any():
            progress.say(
                f"the groups are too large to stratify: {PART_NAMES[part]} has no image of "
                + ", ".join(f"'{dataset.class_names[label]}'" for label in missed[:5])
            )
    else:
        chosen = np.zeros(len(pool), bool)
        for label, quota in enumerate(quotas):
            chosen[rng.permutation(np.flatnonzero(labels == label))[:quota]] = True
    if not chosen.any():
        units = f"{len(pool):,} images" if dataset.groups is None else f"{len(np.unique(dataset.groups[pool])):,} groups"
        raise InputError(
            f"{PART_NAMES[part]} would be empty: {units} are too few to take {wanted:.1f} images from.",
            f"Add images, give a larger --{PART_NAMES[part]}, or 0 to do without.",
        )
    return pool[chosen]


def _quotas(counts: Indices, fraction: float) -> Indices:
    """How many of each class to take: largest remainders, so that the total is right to the image; never all of a class."""
    exact = counts * fraction
    quotas = np.floor(exact).astype(np.int64)
    spare = round(counts.sum() * fraction) - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:spare]] += 1
    capped: Indices = np.minimum(quotas, np.maximum(counts - 1, 0))
    return capped


def _whole_groups(groups: Indices, labels: Indices, quotas: Indices, rng: np.random.Generator) -> NDArray[np.bool_]:
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
    return train[[row.tobytes() not in seen for row in dataset.hashes[train]]] if len(train) else train


def _subset(dataset: Dataset, train: Indices, count: int, rng: np.random.Generator) -> Indices:
    """`count` images: one of each class, then those that keep the classes' shares; a prefix of one fixed order, so nested."""
    classes = len(dataset.class_names)
    if not classes <= count <= len(train):
        raise InputError(
            f"train_images is {count:,}, but wanted is from {classes:,} (one a class) to {len(train):,} (all there are).",
            f"For example: --train-images {max(classes, len(train) // 2)}",
        )
    labels = dataset.labels[train]
    turn = np.empty(len(train))
    for label in range(classes):
        members = rng.permutation(np.flatnonzero(labels == label))
        turn[members] = (np.arange(len(members)) + 0.5) / len(members)
        turn[members[0]] = -1
    return np.sort(train[np.lexsort((labels, turn))[:count]])


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


def _need_every_class(dataset: Dataset, train: Indices, removed: int) -> None:
    counts = _class_counts(dataset, train)
    if (counts == 0).any():
        label = int(np.argmin(counts))
        total = int((dataset.labels == label).sum())
        copies = f" ({removed:,} copies of validation or test images were taken out)" if removed else ""
        raise InputError(
            f"class '{dataset.class_names[label]}' has {total:,} images, and none is left for training{copies}.",
            "Add images of that class, remove the class, or give smaller --validation and --test.",
        )


def _class_counts(dataset: Dataset, indices: Indices) -> Indices:
    return np.bincount(dataset.labels[indices], minlength=len(dataset.class_names))


def _fingerprint(dataset: Dataset, parts: Sequence[Indices]) -> str:
    digest = hashlib.sha256()
    for indices in parts:
        digest.update(len(indices).to_bytes(8, "little"))
        digest.update(dataset.hashes[indices].tobytes() + dataset.labels[indices].astype("<i8").tobytes())
    return digest.hexdigest()
