"""Checks of a cache entry before it is used: damage must not become other pixels or labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data._fingerprints import dataset_fingerprint, hash_images
from headstart.data._memory_maps import IMAGES_FILE, take
from headstart.data._types import Dataset
from headstart.errors import ResourceError

# Hashing takes 0.1 s for so many bytes: all images of smaller entries are checked at each start.
WHOLE_BYTES = 32 << 20
# Of larger entries, so many images are checked at each start. Damage of 1% of the images then
# escapes with a probability of 4e-5.
SAMPLED_IMAGES = 1000
_STAMP_FILE = "checked.json"


def seal_entry(building: Path) -> None:
    """Seal the small files of a new entry, and record that its images are those of their hashes.

    The images are hashed while they are decoded. Those of a small entry are compared at each start,
    so nothing is recorded.
    """
    store.seal(building, {"about.json": (), "arrays.npz": ()})
    stamp = _stamp(building)
    if stamp["bytes"] > WHOLE_BYTES:
        _write_stamp(building, stamp)


def require_intact_entry(folder: Path, dataset: Dataset) -> None:
    """Compare the images of an entry with their hashes, and the hashes with the fingerprint.

    All images of a small entry are compared. Those of a large one are compared when its file has
    another size or time than when it was written; otherwise a random sample is.

    Args:
        folder: The entry.
        dataset: What was read from it.

    Raises:
        ValueError: The entry is damaged.
    """
    expected = dataset_fingerprint(
        dataset.hashes, dataset.labels, dataset.parts, dataset.class_names
    )
    if dataset.fingerprint != expected:
        raise ValueError("labels, parts or class names have changed")
    if len(dataset.images) != len(dataset.hashes):
        raise ValueError(f"{len(dataset.hashes):,} images expected, {len(dataset.images):,} found")

    stamp = _stamp(folder)
    is_small = dataset.images.nbytes <= WHOLE_BYTES
    if is_small or store.read_json_or(folder / _STAMP_FILE, None) != stamp:
        _require_equal(hash_images(dataset.images), dataset.hashes)
        if not is_small:
            _write_stamp(folder, stamp)
        return
    # Other images at each start, independent of all seeds.
    generator = np.random.default_rng(int.from_bytes(os.urandom(8), "little"))
    rows = np.sort(generator.integers(0, len(dataset.images), SAMPLED_IMAGES))
    _require_equal(hash_images(take(dataset.images, rows)), dataset.hashes[rows])


def _require_equal(hashes: NDArray[np.uint8], recorded: NDArray[np.uint8]) -> None:
    damaged = int((hashes != recorded).any(axis=1).sum())
    if damaged:
        raise ValueError(f"{damaged:,} of {len(hashes):,} images have changed")


def _stamp(folder: Path) -> dict[str, int]:
    """Return what changes when another process writes the file of the images."""
    status = (folder / IMAGES_FILE).stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _write_stamp(folder: Path, stamp: dict[str, int]) -> None:
    try:
        store.write_json(folder / _STAMP_FILE, stamp)
    except ResourceError:
        return  # A cache that is only read is compared at each start.
