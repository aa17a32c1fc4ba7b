"""Decoding of many image files into one memory map, on all usable cores, resumably."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._decode_journal import DecodedRows, DecodeJournal
from headstart.data._file_identity import FileIdentities
from headstart.data._fingerprints import PixelHash
from headstart.data._memory_maps import open_or_create_map, put
from headstart.data._threads import map_in_threads
from headstart.data.formats.images._open_image import (
    ImageSource,
    ignore_decoder_warnings,
    read_content,
)
from headstart.data.formats.images._unreadable import UnreadableImage

SECONDS_BETWEEN_RECORDS = 5.0


RowReader = Callable[[int, ImageSource], NDArray[np.uint8]]


class RowDecoder:
    """Decodes images into a memory map. Memory use does not grow with their number.

    Each file is read once: what is hashed is what is decoded. Finished images are recorded every
    few seconds, so a decoding that was interrupted continues. Images that are recorded for a file
    of another identity and another content are decoded again.

    Attributes:
        shape: Height, width and channels of the images.
        images: Writable uint8 map of shape (N, H, W, C). Rows that are not decoded are undefined.
        rows: Digests of the files and of the pixels.
        errors: The reason by row, for images that the last call of `decode` could not read.

    Args:
        building: Folder of the map and its journal.
        source_of: Function that returns the path or the content of the image of a row.
        count: Number of images, N.
        identities: Identities of the N files, taken before any of them is read. None if the images
            are not files.
        shape: Height, width and channels of the images.
        title: Name of the data, for the progress bar.

    Raises:
        ResourceError: The disk is full.
    """

    images: NDArray[np.uint8]
    rows: DecodedRows
    errors: dict[int, UnreadableImage]

    def __init__(
        self,
        building: Path,
        source_of: Callable[[int], ImageSource],
        count: int,
        identities: FileIdentities | None,
        shape: tuple[int, int, int],
        title: str,
    ) -> None:
        self.shape = shape
        self.images, is_new = open_or_create_map(building, count, shape)
        self.rows, self.errors = DecodedRows(count), {}
        self._source_of, self._title = source_of, title
        self._hash_pixels = PixelHash(shape)
        self._finished: deque[int] = deque()
        self._recorded = monotonic()

        self._journal = DecodeJournal(building, f"decoded to {shape}", count)
        if is_new:
            self._journal.remove()
        self._earlier = self._journal.read()
        if identities is not None and identities.are_reliable:
            is_file = np.array(identities.sizes) >= 0
            self.rows.identities[is_file] = identities.digests[is_file]
        self._take_over_unchanged_files()

    def decode(self, read: RowReader, *, is_recorded: bool = True) -> None:
        """Decode the images that are not decoded yet.

        A further call decodes those that were errors.

        Args:
            read: Function that decodes the image of a row to an array of the shape. Its second
                argument is the content of the file, or the path of a file above the size limit. It
                raises `UnreadableImage` for an image that cannot be read.
            is_recorded: Whether a later call continues what an interrupted one has decoded.
        """
        errors: dict[int, UnreadableImage] = {}

        def decode_row(row: int) -> None:
            try:
                content = self._read_source(row)
                if self._is_decoded(row):
                    self.rows.hashes[row] = self._earlier.hashes[row]
                else:
                    pixels = read(row, content)
                    self.rows.hashes[row] = self._hash_pixels(pixels)
                    put(self.images, row, pixels)
                    if is_recorded:
                        self._finished.append(row)
            except UnreadableImage as error:
                errors[row] = error
            else:
                self.rows.is_done[row] = True

        remaining = np.flatnonzero(~self.rows.is_done).tolist()
        with ignore_decoder_warnings():
            map_in_threads(
                decode_row, remaining, f"decoding {self._title}", on_progress=self._record
            )
        self.errors = dict(sorted(errors.items()))

    def _take_over_unchanged_files(self) -> None:
        """Mark the images as done that an earlier process decoded from the same files."""
        rows, earlier = self.rows, self._earlier
        is_same = earlier.is_done & (earlier.identities == rows.identities).all(axis=1)
        is_same &= rows.identities.any(axis=1)
        for row in np.flatnonzero(is_same).tolist():
            if (self._hash_pixels(self.images[row]) == earlier.hashes[row]).all():
                rows.file_digests[row] = earlier.file_digests[row]
                rows.hashes[row] = earlier.hashes[row]
                rows.is_done[row] = True

        known = int(rows.is_done.sum())
        if known:
            progress.say(
                f"{self._title}: {known:,} of {len(rows.is_done):,} images were decoded before the "
                "last command stopped"
            )

    def _read_source(self, row: int) -> ImageSource:
        """Read and hash the file of a row."""
        source = self._source_of(row)
        content = read_content(source) if isinstance(source, Path) else source
        if isinstance(content, bytes):
            digest = hashlib.sha256(content).digest()
            self.rows.file_digests[row] = np.frombuffer(digest, np.uint8)
        return content

    def _is_decoded(self, row: int) -> bool:
        """Return whether the map holds the image of the file that has just been read."""
        return bool(
            self._earlier.is_done[row]
            and (self._earlier.file_digests[row] == self.rows.file_digests[row]).all()
            and (self._hash_pixels(self.images[row]) == self._earlier.hashes[row]).all()
        )

    def _record(self) -> None:
        """Record the finished images, every few seconds."""
        if monotonic() - self._recorded < SECONDS_BETWEEN_RECORDS or not self._finished:
            return
        count = len(self._finished)
        self._journal.add(self.rows, [self._finished.popleft() for _ in range(count)])
        self._recorded = monotonic()
