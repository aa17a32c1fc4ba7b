"""A journal of the images that an unfinished decoding has finished.

Each record holds the digest of the file and of the pixels. So what a killed process left is checked
and not believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data._file_identity import IDENTITY_BYTES

JOURNAL_FILE = "journal.bin"
HASH_BYTES = 16  # of the pixels of an image
FILE_DIGEST_BYTES = 32
_RECORD = np.dtype(
    [
        ("row", "<u4"),
        ("identity", "u1", (IDENTITY_BYTES,)),
        ("file", "u1", (FILE_DIGEST_BYTES,)),
        ("pixels", "u1", (HASH_BYTES,)),
        ("checksum", "<u4"),
    ]
)
_CHECKED_BYTES = _RECORD.itemsize - 4


class DecodedRows:
    """Digests of the images of an unfinished decoding, and of their files.

    Attributes:
        is_done: Boolean array of shape (N,). True where the other arrays hold a value.
        identities: Uint8 array of shape (N, 16): identities of the files when they were read. Zero
            where the file has to be read again.
        file_digests: Uint8 array of shape (N, 32): SHA-256 of the contents of the files.
        hashes: Uint8 array of shape (N, 16): BLAKE2b-128 of the shape and pixels of the images.
    """

    def __init__(self, count: int) -> None:
        self.is_done = np.zeros(count, bool)
        self.identities = np.zeros((count, IDENTITY_BYTES), np.uint8)
        self.file_digests = np.zeros((count, FILE_DIGEST_BYTES), np.uint8)
        self.hashes = np.zeros((count, HASH_BYTES), np.uint8)

    def digests_of(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the digests of the files that could be read, by their N names."""
        digests = {name: self.file_digests[row].tobytes() for row, name in enumerate(names)}
        return {name: digest for name, digest in digests.items() if any(digest)}


class DecodeJournal:
    """The file that `DecodedRows` are written to, while they are decoded.

    Args:
        building: Folder of the unfinished decoding.
        about: Text that says what is decoded. A journal of something else is not read.
        count: Number of images.
    """

    def __init__(self, building: Path, about: str, count: int) -> None:
        self._path = building / JOURNAL_FILE
        # The first record identifies what is decoded.
        self._head = about.encode().ljust(_RECORD.itemsize)[: _RECORD.itemsize]
        self._count = count
        self._size = 0

    def read(self) -> DecodedRows:
        """Return the rows that an earlier process has recorded."""
        rows = DecodedRows(self._count)
        content = self._path.read_bytes() if self._path.exists() else b""
        self._size = 0
        if content[: len(self._head)] != self._head:
            return rows

        body = content[len(self._head) :]
        records = np.frombuffer(body, _RECORD, len(body) // _RECORD.itemsize)
        is_intact = (records["checksum"] == _checksums(records)) & (records["row"] < self._count)
        complete = len(records) if is_intact.all() else int(np.argmin(is_intact))
        records = records[:complete]
        self._size = len(self._head) + complete * _RECORD.itemsize

        places = records["row"]
        rows.is_done[places] = True
        rows.identities[places] = records["identity"]
        rows.file_digests[places] = records["file"]
        rows.hashes[places] = records["pixels"]
        return rows

    def add(self, rows: DecodedRows, places: Iterable[int]) -> None:
        """Record finished images.

        Args:
            rows: All images.
            places: Rows of the finished ones.

        Raises:
            ResourceError: The disk is full, or writing is not permitted.
        """
        chosen = np.fromiter(places, np.int64)
        records = np.zeros(len(chosen), _RECORD)
        records["row"] = chosen
        records["identity"] = rows.identities[chosen]
        records["file"] = rows.file_digests[chosen]
        records["pixels"] = rows.hashes[chosen]
        records["checksum"] = _checksums(records)

        content = records.tobytes()
        if not self._size:
            content = self._head + content
        store.write_at(self._path, content, self._size)
        self._size += len(content)

    def remove(self) -> None:
        """Remove the file."""
        store.remove_file(self._path)


def _checksums(records: NDArray[np.void]) -> NDArray[np.uint32]:
    content = records.tobytes()
    size = _RECORD.itemsize
    sums = [
        zlib.crc32(content[start : start + _CHECKED_BYTES])
        for start in range(0, len(content), size)
    ]
    return np.array(sums, np.uint32)
