"""One entry of the cache: the decoded images of a dataset, in a folder named by their content."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from headstart import progress, store
from headstart.data._cache_check import require_intact_entry, seal_entry
from headstart.data._fingerprints import dataset_fingerprint, hash_images
from headstart.data._memory_maps import IMAGES_FILE
from headstart.data._types import (
    UNASSIGNED,
    Dataset,
    DecodedImages,
    OptionValues,
    UnreadableFile,
)
from headstart.errors import InputError

_LARGEST_ABOUT_BYTES = 1 << 30  # names of millions of images
_DAMAGED = (OSError, ValueError, KeyError, TypeError, BadZipFile, InputError)


def open_or_decode(
    key: str,
    decode: Callable[[Path], DecodedImages],
    *,
    name: str,
    source: str,
    options: OptionValues | None = None,
) -> Dataset:
    """Open the dataset in the cache, and decode it first if the cache does not hold it.

    A damaged entry is decoded again.

    Args:
        key: Key from `content_key`, of everything that determines the decoded arrays.
        decode: Function that decodes the images. Its argument is a temporary folder, which
            becomes the entry of the cache. If the function fails, no entry is kept.
        name: Name of the dataset.
        source: Name or path that opens the dataset again.
        options: Options that the dataset is opened with.

    Raises:
        ResourceError: The cache cannot be written.
    """
    folder = cache_entry(key)
    if folder.exists():
        dataset = open_or_remove(folder, name, source, options)
        if dataset is not None:
            return dataset

    with store.new_folder(folder) as building:
        write_entry(as_dataset(decode(building), name, source), building)
    return open_entry(folder, name, source, options)


def open_or_remove(
    folder: Path, name: str, source: str, options: OptionValues | None
) -> Dataset | None:
    """Open an entry. A damaged entry is removed, and None is returned."""
    try:
        return open_entry(folder, name, source, options)
    except _DAMAGED as error:
        reason = str(error).splitlines()[0].removesuffix(".")
        progress.warn(f"WARNING: the cache entry {folder} is damaged ({reason}); decoding again")
        store.remove_folder(folder)
        return None


def open_entry(folder: Path, name: str, source: str, options: OptionValues | None) -> Dataset:
    about = store.read_json(folder / "about.json", _LARGEST_ABOUT_BYTES)
    options = dict(options or {})
    if about.get("pixel_max") is not None:
        options["pixel_max"] = about["pixel_max"]
    images = np.load(folder / IMAGES_FILE, mmap_mode="r", allow_pickle=False)
    content = io.BytesIO(store.read_verified(folder / "arrays.npz"))
    with np.load(content, allow_pickle=False) as arrays:
        groups = arrays["groups"]
        dataset = Dataset(
            name=name,
            source=source,
            images=images,
            labels=arrays["labels"],
            class_names=tuple(about["class_names"]),
            parts=arrays["parts"],
            hashes=arrays["hashes"],
            image_names=tuple(about["image_names"]),
            fingerprint=about["fingerprint"],
            groups=groups if len(groups) else None,
            options=options,
            unreadable=tuple(UnreadableFile(*file) for file in about.get("unreadable", ())),
        )
    require_intact_entry(folder, dataset)
    return dataset


def write_entry(dataset: Dataset, building: Path) -> None:
    images_path = building / IMAGES_FILE
    with store.translate_os_errors(building):
        if not images_path.exists():
            store.require_space(building, dataset.images.nbytes)
            np.save(images_path, dataset.images)
        np.savez(
            building / "arrays.npz",
            labels=dataset.labels,
            parts=dataset.parts,
            hashes=dataset.hashes,
            groups=np.empty(0, np.int64) if dataset.groups is None else dataset.groups,
        )
    about = {
        "class_names": dataset.class_names,
        "image_names": dataset.image_names,
        "fingerprint": dataset.fingerprint,
        "unreadable": dataset.unreadable,
        "pixel_max": dataset.options.get("pixel_max"),
    }
    store.write_json(building / "about.json", about)
    seal_entry(building)


def as_dataset(
    decoded: DecodedImages, name: str, source: str, options: OptionValues | None = None
) -> Dataset:
    """Make a dataset of decoded images: add hashes, a fingerprint and default names.

    Nothing is written.
    """
    count = len(decoded.labels)
    parts = decoded.parts
    if parts is None:
        parts = np.full(count, UNASSIGNED, np.uint8)
    hashes = decoded.hashes
    if hashes is None:
        hashes = hash_images(decoded.images)
    options = dict(options or {})
    if decoded.pixel_max is not None:
        options["pixel_max"] = decoded.pixel_max
    return Dataset(
        name=name,
        source=source,
        images=decoded.images,
        labels=decoded.labels,
        class_names=decoded.class_names,
        parts=parts,
        hashes=hashes,
        image_names=decoded.image_names or tuple(f"{row:06d}" for row in range(count)),
        fingerprint=dataset_fingerprint(hashes, decoded.labels, parts, decoded.class_names),
        groups=decoded.groups,
        options=options,
        unreadable=decoded.unreadable,
    )


def cache_entry(key: str) -> Path:
    """Return the folder of the cache entry with this key. It may not exist yet."""
    return store.cache_folder() / "decoded" / key
