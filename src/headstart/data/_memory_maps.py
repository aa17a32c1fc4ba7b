"""Reading and writing images of which there may be more than memory holds: the pages of a large map do not stay resident."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from headstart import progress

KEPT_BYTES = 256 << 20  # of a map that may be resident; smaller maps are left to the system
FAULT_BYTES = (
    2 << 20
)  # that one page fault may make resident: Linux 6.18 maps whole folios of the file cache, up to a huge page
BLOCK_BYTES = 32 << 20
LONG_PASS_BYTES = 1 << 30  # from here on a pass may take two seconds: hashing reads 0.4 to 0.7 GB/s

Scalar = TypeVar("Scalar", bound=np.generic)
_touched: WeakKeyDictionary[mmap.mmap, int] = (
    WeakKeyDictionary()
)  # bytes of each map since its pages were last let go


def take(images: NDArray[Scalar], rows: NDArray[np.int64]) -> NDArray[Scalar]:
    """`images[rows]` as a new array in memory, whatever the order of `rows`.

    Of a large memory map the rows are fetched from disk together rather than page by page, and at most about 256 MB of it
    stay resident. Other arrays, small maps and copy-on-write maps (whose changes live in their pages) are simply indexed.

    Args:
        images: `(N, ...)`, in memory or a view of a memory map.
        rows: `(n,)` indices into it.

    Raises:
        IndexError: a row that is not there.
    """
    pages, images = _pages(images), np.asarray(images)
    if pages is None or not len(rows):
        return images[rows]
    low, high = byte_bounds(images[0])
    start = low - np.frombuffer(pages, np.uint8).ctypes.data
    at_once = max(1, KEPT_BYTES // (high - low + FAULT_BYTES))
    found = np.empty((len(rows), *images.shape[1:]), images.dtype)
    for first in range(0, len(rows), at_once):
        some = rows[first : first + at_once]
        if high - low == images[0].nbytes:
            _fetch(pages, start + some % len(images) * images.strides[0], high - low)
        found[first : first + at_once] = images[some]
        _let_go(pages, len(some) * (high - low + FAULT_BYTES))
    return found


def blocks(images: NDArray[Scalar], title: str) -> Iterator[tuple[int, NDArray[Scalar]]]:
    """All of `images` in order, as views of about 32 MB, each with its first row; to be read before the next is asked for.

    A long pass shows its progress under `title`.
    """
    pages, rows = _pages(images), max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    is_long = images.nbytes > LONG_PASS_BYTES
    with progress.task(title, len(images), "images") if is_long else nullcontext() as task:
        for start in range(0, len(images), rows):
            block = images[start : start + rows]
            yield start, block
            if pages is not None:
                _let_go(pages, block.nbytes)
            if task is not None:
                task.advance(len(block))


def put(images: NDArray[Scalar], row: int, pixels: NDArray[Scalar]) -> None:
    """`images[row] = pixels`; what is written to a large map reaches the disk and does not stay resident."""
    images[row] = pixels
    if (pages := _pages(images)) is not None:
        _let_go(pages, pixels.nbytes)


def is_map(images: NDArray[Any]) -> bool:
    """Whether `images` is a view of a memory map that is larger than what may stay resident."""
    return _pages(images) is not None


def _pages(images: Any) -> mmap.mmap | None:
    """The large shared file map that an array is a view of, or None.

    Not a copy-on-write map: to let go of its pages would undo what was written to them.
    """
    array, pages = images, getattr(images, "base", None)
    while isinstance(pages, np.ndarray):
        array, pages = pages, pages.base
    is_shared = (
        isinstance(array, np.memmap) and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED")
    )
    return pages if is_shared and isinstance(pages, mmap.mmap) and len(pages) > KEPT_BYTES else None


def _fetch(pages: mmap.mmap, starts: NDArray[np.int64], size: int) -> None:
    """Have the system read `size` bytes from each of `starts`, all at the same time."""
    # 64 images of 150 kB from a cold disk: 7 to 11 ms; 60 to 160 ms one page fault after the other. Sorting changed nothing.
    for start in starts.tolist():
        aligned = start - start % mmap.PAGESIZE
        pages.madvise(mmap.MADV_WILLNEED, aligned, start - aligned + size)


def _let_go(pages: mmap.mmap, touched_bytes: int) -> None:
    """Count what was touched; before it is too much, take all pages out of this process. The system's file cache keeps them."""
    # Not at once: up to Linux 6.13 empty page tables stay, and are all looked through each time (a guess: 10 ms for 40 GB).
    # And not by reading through a second, short-lived map: the file's name may belong to another file by now.
    _touched[pages] = _touched.get(pages, 0) + touched_bytes
    if _touched[pages] >= KEPT_BYTES:
        pages.madvise(mmap.MADV_DONTNEED)
        _touched[pages] = 0
