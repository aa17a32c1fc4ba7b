"""Splits on disk: the indices of each part, with the hashes of their images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data._fingerprints import split_fingerprint
from headstart.data._types import Dataset, Split, SplitDataset
from headstart.errors import InputError

FILE_NAME = "split.npz"


def write_split(data: SplitDataset, folder: Path) -> None:
    """Write `folder/split.npz`: the indices of each part, and the hashes of its images.

    Args:
        data: The dataset and its split.
        folder: The folder of a run or study.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    split = data.split
    parts = split.parts
    hashes = {f"{name}_hashes": data.dataset.hashes[indices] for name, indices in parts.items()}
    if split.cross_validated is not None:
        parts["cross_validated"] = split.cross_validated

    arrays: dict[str, NDArray[Any]] = {
        **parts,
        **hashes,
        "seed": np.array(split.seed),
        "duplicates_removed": np.array(split.duplicates_removed),
        "fingerprint": np.array(split.fingerprint),
    }
    store.write_bytes(folder / FILE_NAME, store.npz_bytes(arrays))


def read_image_hashes(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the hashes of the images of each part of a split, in its order.

    Args:
        folder: The folder of a run.

    Returns:
        Uint8 arrays of shape (n, bytes) under "train", "validation" and "test".

    Raises:
        InputError: The file is missing or damaged.
    """
    path = folder / FILE_NAME
    try:
        with store.open_npz(path, store.read_verified(path)) as file:
            return {part: file[f"{part}_hashes"] for part in ("train", "validation", "test")}
    except FileNotFoundError:
        raise _missing(folder) from None
    except (ValueError, OSError, TypeError, IndexError) as error:
        raise _damaged(path, error) from error


def read_split(folder: Path, dataset: Dataset) -> Split:
    """Read `folder/split.npz`, and check that the images and labels have not changed.

    Args:
        folder: The folder of a run.
        dataset: The dataset that the split was made for.

    Returns:
        The split.

    Raises:
        InputError: The file is missing or damaged. Or images or labels have changed since. The
            message counts the changed images.
    """
    path = folder / FILE_NAME
    try:
        with store.open_npz(path, store.read_verified(path)) as file:
            parts = (file["train"], file["validation"], file["test"])
            part_hashes = [file["train_hashes"], file["validation_hashes"], file["test_hashes"]]
            hashes = np.concatenate(part_hashes)
            seed, duplicates_removed = int(file["seed"]), int(file["duplicates_removed"])
            fingerprint = str(file["fingerprint"])
            split = Split(*parts, seed, duplicates_removed, fingerprint)
            if "cross_validated" in file.names:
                split = replace(split, cross_validated=file["cross_validated"])
    except FileNotFoundError:
        raise _missing(folder) from None
    except (ValueError, OSError, TypeError, IndexError) as error:
        raise _damaged(path, error) from error

    indices = np.concatenate(parts)
    exists = indices < len(dataset)
    is_equal = (dataset.hashes[indices[exists]] == hashes[exists]).all(axis=1)
    changed = len(indices) - int(is_equal.sum())
    if changed:
        raise InputError(
            f"images that were changed, moved or removed: {changed:,} of the {len(indices):,} "
            f"images of the split {path}.",
            "Restore the data that the run was made with, or start a new run with another --out.",
        )
    if split_fingerprint(dataset, parts) != split.fingerprint:
        raise InputError(
            f"the labels of the images of the split {path} have changed.",
            "Restore the labels that the run was made with, or start a new run with another --out.",
        )
    return split


def _missing(folder: Path) -> InputError:
    return InputError(f"{folder / FILE_NAME} does not exist.", f"Is {folder} the folder of a run?")


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read: {error}.",
        "It may be damaged. Move the folder away and run the command again.",
    )
