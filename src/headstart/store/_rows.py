"""Rows of numbers that are only ever added to, each under a key: what a killed process had committed is still there."""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.store._files import _explained, _sync, ensure_folder, require_space

KEY_BYTES = 16
_ENTRY = np.dtype([("key", "u1", (KEY_BYTES,)), ("seconds", "<f4"), ("checksum", "<u4")])
_SECONDS_BETWEEN_COMMITS = 2.0
_ROWS_AT_ONCE = 4096


class RowStore:
    """float16 rows of one length in `values.f16`, and for each its key, cost and checksum in `index.bin`, in the same order.

    A row counts once its entry in the index is whole, and entries are written after the rows they speak of are on disk. So a
    process that dies leaves whole rows, and perhaps bytes behind them that the next one overwrites. Only a process that has
    claimed the folder may add; rows that are there never change, so others may read meanwhile.

    Args:
        folder: where the two files are, or will be.
        size: numbers in a row.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self._values, self._index = folder / "values.f16", folder / "index.bin"
        self._pending: list[NDArray[np.float16]] = []
        self._keys: list[NDArray[np.uint8]] = []
        self._committed = time.perf_counter()
        self._read()

    def _read(self) -> None:
        """Take in what is on disk, also what another process added."""
        content = self._index.read_bytes() if self._index.exists() else b""
        whole = len(content) // _ENTRY.itemsize
        if self._values.exists():
            whole = min(whole, self._values.stat().st_size // (2 * self.size))
        self._entries = np.frombuffer(content, _ENTRY, whole) if whole else np.empty(0, _ENTRY)
        self._places = np.argsort(_beginning(self._entries["key"]), kind="stable")
        self._sorted = _beginning(self._entries["key"])[self._places]

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, keys: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The place of each of these keys `(n, 16)` among the rows, -1 where it is not there."""
        if not len(self):
            return np.full(len(keys), -1, np.int64)
        # The last row under a key: a damaged one was written again.
        near = self._places[np.searchsorted(self._sorted, _beginning(keys), side="right") - 1]
        return np.where((self._entries["key"][near] == keys).all(1), near, -1)

    def values(self) -> NDArray[np.float16]:
        """All rows `(len, size)`, as a memory map."""
        if not len(self):
            return np.empty((0, self.size), np.float16)
        return np.memmap(self._values, np.float16, "r", shape=(len(self), self.size))

    def seconds(self, places: NDArray[np.int64]) -> float:
        """What making these rows took."""
        return float(self._entries["seconds"][places].sum(dtype=np.float64))

    def are_intact(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these rows are what was written."""
        values, whole = self.values(), np.ones(len(places), bool)
        for start in range(0, len(places), _ROWS_AT_ONCE):
            some = places[start : start + _ROWS_AT_ONCE]
            whole[start : start + len(some)] = (
                _checksums(values[some]) == self._entries["checksum"][some]
            )
        return whole

    def add(self, keys: NDArray[np.uint8], values: NDArray[np.float16]) -> None:
        """Add rows; every two seconds what was added is committed.

        Raises:
            ResourceError: no space, or no permission.
        """
        self._keys.append(keys)
        self._pending.append(values)
        if time.perf_counter() - self._committed >= _SECONDS_BETWEEN_COMMITS:
            self.commit()

    def commit(self) -> None:
        """Write what was added: rows first, then their entries."""
        now = time.perf_counter()
        if self._pending:
            values, keys = np.concatenate(self._pending), np.concatenate(self._keys)
            entries = np.zeros(len(keys), _ENTRY)
            entries["key"], entries["checksum"] = keys, _checksums(values)
            entries["seconds"] = (now - self._committed) / len(keys)
            ensure_folder(self.folder)
            require_space(self.folder, values.nbytes)
            self._write(self._values, values.tobytes(), len(self) * 2 * self.size)
            self._write(self._index, entries.tobytes(), len(self) * _ENTRY.itemsize)
            self._pending, self._keys = [], []
            self._read()
        self._committed = now

    @staticmethod
    def _write(path: Path, content: bytes, offset: int) -> None:
        with _explained(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.ftruncate(handle, offset)
                os.lseek(handle, offset, os.SEEK_SET)
                left = memoryview(content)
                while left:
                    left = left[os.write(handle, left) :]
                _sync(handle)
            finally:
                os.close(handle)


def _beginning(keys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first eight bytes of each key: enough to sort by; the rest is compared where they agree."""
    return np.ascontiguousarray(keys[:, :8]).view(np.uint64)[:, 0]


def _checksums(values: NDArray[np.float16]) -> NDArray[np.uint32]:
    return np.array([zlib.crc32(row) for row in np.ascontiguousarray(values)], np.uint32)
