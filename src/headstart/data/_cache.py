"""Decode once: images as a uint8 memory map in the cache, keyed by content; the next start reads the map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data._memory_maps import blocks
from headstart.data._types import UNASSIGNED, Dataset
from headstart.errors import InputError

CACHE_FORMAT = (
    1  # raise it when the files below change their meaning: old entries are then decoded again
)


@dataclass(frozen=True)
class Decoded:
    """What a reader hands over: `images` uint8 `(N, H, W, C)`, `labels` int64 `(N,)`, K class names; the rest has defaults.

    A reader of more than memory holds decodes straight into `building / "images.npy"` (see `memory_map`) and returns that map.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: NDArray[np.uint8] | None = None
    image_names: tuple[str, ...] | None = None
    groups: NDArray[np.int64] | None = None


def content_key(*parts: str | bytes) -> str:
    """Hexadecimal SHA-256 over `parts`, each preceded by its length: the name of a cache entry."""
    return _digest(str(CACHE_FORMAT), *parts)


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def memory_map(building: Path, count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """An empty, writable uint8 map of `count` images of `shape` (H, W, C) for a reader to decode into."""
    store.require_space(building, count * int(np.prod(shape)))
    images = np.lib.format.open_memmap(
        building / "images.npy", mode="w+", dtype=np.uint8, shape=(count, *shape)
    )
    store.allocate(building / "images.npy")
    return images


def hash_images(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BLAKE2b-128 of each image's shape and bytes, `(N, 16)` uint8: equal images, equal hashes."""
    shape = repr(images.shape[1:]).encode()
    out = np.empty((len(images), 16), np.uint8)
    for start, block in blocks(images, "looking for equal images"):
        for row, image in enumerate(block, start):
            digest = hashlib.blake2b(shape, digest_size=16)
            digest.update(np.ascontiguousarray(image).data)
            out[row] = np.frombuffer(digest.digest(), np.uint8)
    return out


def as_dataset(
    decoded: Decoded,
    name: str,
    source: str,
    options: dict[str, str | int | float | None] | None = None,
) -> Dataset:
    """Add hashes, fingerprint and defaults to what a reader found. Nothing is written."""
    count = len(decoded.labels)
    parts = np.full(count, UNASSIGNED, np.uint8) if decoded.parts is None else decoded.parts
    names = decoded.image_names or tuple(f"{row:06d}" for row in range(count))
    hashes = hash_images(decoded.images)
    return Dataset(
        name,
        source,
        decoded.images,
        decoded.labels,
        decoded.class_names,
        parts,
        hashes,
        names,
        _fingerprint(hashes, decoded.labels, parts, decoded.class_names),
        decoded.groups,
        options or {},
    )


def _fingerprint(
    hashes: NDArray[np.uint8],
    labels: NDArray[np.int64],
    parts: NDArray[np.uint8],
    names: tuple[str, ...],
) -> str:
    return _digest(hashes.tobytes(), labels.tobytes(), parts.tobytes(), json.dumps(names))


def cached(
    key: str,
    name: str,
    source: str,
    build: Callable[[Path], Decoded],
    options: dict[str, str | int | float | None] | None = None,
) -> Dataset:
    """The dataset kept under `key` in the cache; built, checked and kept on the first call.

    Args:
        key: from `content_key`, over everything that decides the decoded arrays.
        build: called with a temporary folder when the cache has no entry; what it raises leaves nothing behind.

    Raises:
        ResourceError: the cache cannot be written.
    """
    folder = store.cache_folder() / "decoded" / key
    if folder.exists():
        try:
            return _opened(folder, name, source, options)
        except _DAMAGED as error:
            progress.say(f"the cache entry {folder} is damaged ({error}); decoding again")
            store.remove_folder(folder)
    with store.new_folder(folder) as building:
        _keep(as_dataset(build(building), name, source, options), building)
    return _opened(folder, name, source, options)


_DAMAGED = (OSError, ValueError, KeyError, TypeError, BadZipFile, InputError)


def _keep(dataset: Dataset, building: Path) -> None:
    if not (building / "images.npy").exists():
        store.require_space(building, dataset.images.nbytes)
        np.save(building / "images.npy", dataset.images)
    groups = np.empty(0, np.int64) if dataset.groups is None else dataset.groups
    np.savez(
        building / "arrays.npz",
        labels=dataset.labels,
        parts=dataset.parts,
        hashes=dataset.hashes,
        groups=groups,
    )
    names = {"class_names": dataset.class_names, "image_names": dataset.image_names}
    store.write_json(building / "about.json", {**names, "fingerprint": dataset.fingerprint})


def _opened(
    folder: Path, name: str, source: str, options: dict[str, str | int | float | None] | None
) -> Dataset:
    about = store.read_json(folder / "about.json")
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    with (folder / "arrays.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return Dataset(
            name,
            source,
            images,
            arrays["labels"],
            tuple(about["class_names"]),
            arrays["parts"],
            arrays["hashes"],
            tuple(about["image_names"]),
            about["fingerprint"],
            arrays["groups"] if len(arrays["groups"]) else None,
            options or {},
        )
