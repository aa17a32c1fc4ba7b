"""The cache of decoded images: uint8 memory maps in folders named by their content.

An entry is decoded once. Later starts open its map. An index leads from the user's files to their
entry, so files whose names, sizes and times are unchanged are not read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from headstart import progress, store
from headstart.data._fingerprints import content_key, dataset_fingerprint, hash_images
from headstart.data._memory_maps import IMAGES_FILE
from headstart.data._threads import map_in_threads
from headstart.data._types import UNASSIGNED, Dataset, DecodedImages, OptionValues
from headstart.data.formats._protocol import Listing
from headstart.errors import InputError

_DAMAGED = (OSError, ValueError, KeyError, TypeError, BadZipFile, InputError)


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
    hashes = hash_images(decoded.images)
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
        options=options or {},
    )


def cache_entry(key: str) -> Path:
    """Return the folder of the cache entry with this key. It may not exist yet."""
    return store.cache_folder() / "decoded" / key


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
        try:
            return _open(folder, name, source, options)
        except _DAMAGED as error:
            progress.say(f"the cache entry {folder} is damaged ({error}); decoding again")
            store.remove_folder(folder)

    with store.new_folder(folder) as building:
        _write(as_dataset(decode(building), name, source), building)
    return _open(folder, name, source, options)


def _write(dataset: Dataset, building: Path) -> None:
    images_path = building / IMAGES_FILE
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
    }
    store.write_json(building / "about.json", about)


def _open(folder: Path, name: str, source: str, options: OptionValues | None) -> Dataset:
    about = store.read_json(folder / "about.json")
    images = np.load(folder / IMAGES_FILE, mmap_mode="r", allow_pickle=False)
    with (folder / "arrays.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        groups = arrays["groups"]
        return Dataset(
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
            options=options or {},
        )


class FileIndex:
    """The cache key of the files of one source, remembered by their names, sizes and times.

    Args:
        source: The absolute path that the user named.
        listing: The files of the source. They must exist, but are not read yet. So a file that
            changes while it is decoded has another signature at the next start.
    """

    def __init__(self, source: Path, listing: Listing) -> None:
        self._source, self._listing = source, listing
        self._signature = _signature(listing)
        name = content_key(str(source), json.dumps(listing.key_options))
        self._path = store.cache_folder() / "index" / f"{name}.json"
        self._entry = store.read_json_or(self._path, {})

    def known_key(self) -> str | None:
        """Return the cache key of the files, or None if a file is new, missing or changed."""
        if self._entry.get("signature") != self._signature:
            return None
        return str(self._entry["key"])

    def remember(self, key: str) -> None:
        """Record the cache key of the files.

        Raises:
            ResourceError: The cache cannot be written.
        """
        entry = {"source": str(self._source), "signature": self._signature, "key": key}
        if entry != self._entry:
            store.write_json(self._path, entry)


def hash_files(listing: Listing, title: str) -> str:
    """Return the cache key of files: a digest of their names, their bytes and the options.

    Args:
        listing: The files.
        title: Title of the progress bar.
    """

    def digest_of(name: str) -> bytes:
        with (listing.root / name).open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()

    digests = map_in_threads(digest_of, listing.files, title, "files")
    return content_key(json.dumps(listing.key_options), json.dumps(listing.files), *digests)


def _signature(listing: Listing) -> str:
    digest = hashlib.sha256()
    for name in listing.files:
        stat = (listing.root / name).stat()
        digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()
