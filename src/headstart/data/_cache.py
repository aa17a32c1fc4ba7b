"""The cache of decoded images: uint8 memory maps in folders named by their content.

An entry is decoded once. Later starts open its map. An index leads from the user's files to their
entry, so files whose names, sizes and times are unchanged are not read again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from headstart import progress, store
from headstart.data._cache_entry import (
    as_dataset,
    cache_entry,
    open_entry,
    open_or_remove,
    write_entry,
)
from headstart.data._cache_index import FileIndex, hash_files
from headstart.data._decode_journal import JOURNAL_FILE
from headstart.data._file_identity import identify_files, require_unchanged
from headstart.data._fingerprints import content_key
from headstart.data._types import Dataset, DecodedImages, OptionValues
from headstart.data.formats._protocol import Listing, LoadOptions
from headstart.data.formats.images._dataset_scale import describe_scale, question_dark_images
from headstart.data.formats.images._unreadable import list_failures

_PIXEL_CSV = "read_pixel_csv"  # which asks the question about dark pixels itself


def open_files(listing: Listing, source: Path, name: str, options: LoadOptions) -> Dataset:
    """Open the dataset of some files, and decode them first if the cache does not hold it.

    Files whose identity is unchanged since the last start are not read. If it has changed, or
    cannot be relied on, their contents are hashed, and the entry is found by content.

    Args:
        listing: The files of the source, not read yet.
        source: The absolute path that the user named.
        name: Name of the dataset.
        options: The options of `load`. Without `cache`, the files are read and decoded again
            whatever the cache holds, and the result replaces its entry. So processes that open the
            dataset later, such as workers, find it.

    Raises:
        InputError: A file cannot be decoded, or it was changed while it was read.
        ResourceError: The cache cannot be written.
    """
    opened = _KnownFiles(listing, source, name, options)
    dataset = opened.from_index() if options.cache else None
    if dataset is None:
        dataset = _decode_once(opened, source, options)
    _say_what_is_left_out(dataset)
    pixel_max = dataset.options.get("pixel_max")
    if options.pixel_max is None and isinstance(pixel_max, float):
        progress.say(f"{name}: {describe_scale(pixel_max)}")
    return dataset


def _decode_once(opened: _KnownFiles, source: Path, options: LoadOptions) -> Dataset:
    """Find or decode a dataset while no other process does."""
    dataset = None
    store.clear_cache_debris()
    if store.is_cache_temporary():
        progress.say(
            f"the home folder cannot be written, so the cache is {store.cache_folder()}; "
            "XDG_CACHE_HOME names another place"
        )

    def say_that_it_waits() -> None:
        progress.say(f"another process decodes {source}; waiting for it")

    with store.unfinished_folder(
        opened.unfinished, is_worth_keeping=_has_journal, on_wait=say_that_it_waits
    ) as building:
        if options.cache:
            dataset = opened.from_index() or opened.from_contents()
        if dataset is None:
            dataset = opened.decode(building)
    return dataset


def _say_what_is_left_out(dataset: Dataset) -> None:
    if not dataset.unreadable:
        return
    count = len(dataset.unreadable)
    failures = [(file.name, file.reason) for file in dataset.unreadable]
    progress.say(
        f"{dataset.name}: left out {count:,} of {count + len(dataset):,} images, which cannot be "
        f"read:{list_failures(failures)}"
    )


def _has_journal(building: Path) -> bool:
    return (building / JOURNAL_FILE).exists()


class _KnownFiles:
    """The files of one source, and where the cache may hold what they decode to."""

    def __init__(self, listing: Listing, source: Path, name: str, options: LoadOptions) -> None:
        self._listing, self._source, self._name = listing, source, name
        self._options = options
        self._identities = identify_files(listing.root, listing.files)
        key_options = dict(listing.key_options)
        # A decoding continues whether or not unreadable images are left out at its end.
        self.unfinished = _unfinished_folder(source, listing.files, key_options)
        # The same dataset, if all images can be read.
        self._indices = [FileIndex(source, key_options, self._identities)]
        self._skipping = {**key_options, "skip_bad": True}
        if options.skip_bad:
            self._indices.append(FileIndex(source, self._skipping, self._identities))
        if self._identities.unreliable_file_system:
            progress.say(
                f"{source}: the file system ({self._identities.unreliable_file_system}) does not "
                "tell reliably whether a file has changed, so the files are read again"
            )

    def from_index(self) -> Dataset | None:
        """Open the entry of files that are unchanged since the last start, without reading them."""
        for index in self._indices:
            key = index.known_key()
            dataset = None if key is None else self._open(key)
            if dataset is not None:
                return dataset
        return None

    def from_contents(self) -> Dataset | None:
        """Open the entry of files with these contents.

        Files that the cache cannot know, by the names and sizes, are not read.
        """
        if not any(index.may_know_contents() for index in self._indices):
            return None
        digests = self._hash(self._listing.files)
        for index, key in zip(self._indices, self._keys(digests), strict=False):
            dataset = self._open(key)
            if dataset is not None:
                index.remember(key)
                return dataset
        return None

    def decode(self, building: Path) -> Dataset:
        """Decode the files, and move the result into the cache."""
        decoded = self._listing.decode(building)
        digests = self._digests(decoded)
        require_unchanged(self._listing.root, self._identities)

        if self._options.pixel_max is None and self._listing.key_options.get("kind") != _PIXEL_CSV:
            question_dark_images(self._name, decoded.images)
        strict, skipping = self._keys(digests)
        key, index = (strict, self._indices[0])
        if decoded.unreadable:
            key, index = (skipping, self._indices[-1])
        write_entry(as_dataset(decoded, self._name, str(self._source)), building)
        store.remove_file(building / JOURNAL_FILE)
        store.publish_folder(building, cache_entry(key), replace=not self._options.cache)
        index.remember(key)
        if decoded.pixel_max is not None:
            self._remember_scale(key, decoded)
        return open_entry(cache_entry(key), self._name, str(self._source), self._options.as_dict())

    def _remember_scale(self, key: str, decoded: DecodedImages) -> None:
        """Let who opens the dataset again with the scale that was found find the same entry."""
        options = self._skipping if decoded.unreadable else self._listing.key_options
        with_scale = {**options, "pixel_max": decoded.pixel_max}
        FileIndex(self._source, with_scale, self._identities).remember(key)

    def _digests(self, decoded: DecodedImages) -> list[bytes]:
        """Return the digests of all files: of those that were decoded, the digests of then."""
        known = decoded.file_digests
        others = [name for name in self._listing.files if name not in known]
        known = {**known, **dict(zip(others, self._hash(others), strict=True))}
        return [known[name] for name in self._listing.files]

    def _hash(self, names: Sequence[str]) -> list[bytes]:
        return hash_files(self._listing.root, names, f"hashing {self._source.name}")

    def _keys(self, digests: Sequence[bytes]) -> tuple[str, str]:
        """Return the keys without and with images left out.

        They are digests of the options, of the names of the files and of their contents.
        """
        files = json.dumps(self._listing.files)
        strict = content_key(json.dumps(self._listing.key_options), files, *digests)
        return strict, content_key(json.dumps(self._skipping), files, *digests)

    def _open(self, key: str) -> Dataset | None:
        """Open an entry, or return None if there is none. A damaged entry is removed."""
        folder = cache_entry(key)
        if not folder.exists():
            return None
        return open_or_remove(folder, self._name, str(self._source), self._options.as_dict())


def _unfinished_folder(source: Path, files: Sequence[str], key_options: OptionValues) -> Path:
    key = content_key("unfinished", str(source), json.dumps(files), json.dumps(key_options))
    return store.cache_folder() / "unfinished" / key
