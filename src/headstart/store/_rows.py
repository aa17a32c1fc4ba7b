"""An append-only store of numeric rows, each under a key.

The rows that a killed process has committed survive it.
"""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.store._files import ensure_folder, write_at
from headstart.store._write_errors import require_space

KEY_BYTES = 16
_ENTRY = np.dtype([("key", "u1", (KEY_BYTES,)), ("seconds", "<f4"), ("checksum", "<u4")])
_SECONDS_BETWEEN_COMMITS = 2.0
_ROWS_PER_CHECK = 4096
_CHECKED_BYTES = KEY_BYTES + 4  # the fields before the checksum


class RowStore:
    """float16 rows of one length in `values.f16`, with their entries in `index.bin`.

    An entry holds the key of a row, its cost in seconds, and a checksum of both and of the row, in
    the order of the rows.
    A row counts once its entry is complete, and entries are written after their rows are on disk.
    So a process that dies leaves complete rows, perhaps followed by bytes that the next process
    overwrites. Only a process that has claimed the folder may add rows. Committed rows never
    change, so other processes may read meanwhile.

    Args:
        folder: The folder of the two files. It is created by the first commit.
        size: Numbers per row.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self._values, self._index = folder / "values.f16", folder / "index.bin"
        self._pending: list[NDArray[np.float16]] = []
        self._keys: list[NDArray[np.uint8]] = []
        self._committed = time.perf_counter()
        self._read_index()

    def _read_index(self) -> None:
        """Read the entries on disk, including those that another process added."""
        content = self._index.read_bytes() if self._index.exists() else b""
        complete = len(content) // _ENTRY.itemsize
        if self._values.exists():
            complete = min(complete, self._values.stat().st_size // (2 * self.size))

        self._entries = np.empty(0, _ENTRY)
        if complete:
            self._entries = np.frombuffer(content, _ENTRY, complete)
        prefixes = _key_prefixes(self._entries["key"])
        self._places = np.argsort(prefixes, kind="stable")
        self._sorted = prefixes[self._places]

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, keys: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the place of each key among the rows.

        Args:
            keys: Uint8 array of shape (n, 16).

        Returns:
            Int64 array of shape (n,). -1 stands for a key without a row.
        """
        if not len(self):
            return np.full(len(keys), -1, np.int64)
        # The last row under a key counts: a damaged row was written again.
        last = np.searchsorted(self._sorted, _key_prefixes(keys), side="right") - 1
        places = self._places[last]
        return np.where((self._entries["key"][places] == keys).all(1), places, -1)

    def values(self) -> NDArray[np.float16]:
        """Return all rows as a memory map of shape (len, size)."""
        if not len(self):
            return np.empty((0, self.size), np.float16)
        return np.memmap(self._values, np.float16, "r", shape=(len(self), self.size))

    def seconds(self, places: NDArray[np.int64]) -> float:
        """Return the time in seconds that computing the rows at these places took."""
        return float(self._entries["seconds"][places].sum(dtype=np.float64))

    def are_intact(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the rows at these places still have their checksum."""
        values, intact = self.values(), np.ones(len(places), bool)
        for start in range(0, len(places), _ROWS_PER_CHECK):
            block = places[start : start + _ROWS_PER_CHECK]
            entries = self._entries[block]
            are_equal = _checksums(entries, values[block]) == entries["checksum"]
            intact[start : start + len(block)] = are_equal
        return intact

    def add(self, keys: NDArray[np.uint8], values: NDArray[np.float16]) -> None:
        """Add rows, and commit all pending rows every two seconds.

        Args:
            keys: Uint8 array of shape (n, 16).
            values: Array of shape (n, size).

        Raises:
            ResourceError: The disk is full, or writing is not permitted.
        """
        self._keys.append(keys)
        self._pending.append(values)
        if time.perf_counter() - self._committed >= _SECONDS_BETWEEN_COMMITS:
            self.commit()

    def commit(self) -> None:
        """Write the pending rows, and then their entries."""
        now = time.perf_counter()
        if self._pending:
            values, keys = np.concatenate(self._pending), np.concatenate(self._keys)
            entries = np.zeros(len(keys), _ENTRY)
            entries["key"], entries["seconds"] = keys, (now - self._committed) / len(keys)
            entries["checksum"] = _checksums(entries, values)

            ensure_folder(self.folder)
            require_space(self.folder, values.nbytes)
            write_at(self._values, values.tobytes(), len(self) * 2 * self.size)
            write_at(self._index, entries.tobytes(), len(self) * _ENTRY.itemsize)

            self._pending, self._keys = [], []
            self._read_index()
        self._committed = now


def _key_prefixes(keys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of each key, enough to sort by.

    The other bytes are compared where the prefixes are equal.
    """
    return np.ascontiguousarray(keys[:, :8]).view(np.uint64)[:, 0]


def _checksums(entries: NDArray[np.void], values: NDArray[np.float16]) -> NDArray[np.uint32]:
    """Return the checksum of each row together with the other fields of its entry."""
    checksums = np.empty(len(entries), np.uint32)
    rows = np.ascontiguousarray(values)
    for place, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        checksums[place] = zlib.crc32(row, zlib.crc32(entry.tobytes()[:_CHECKED_BYTES]))
    return checksums
