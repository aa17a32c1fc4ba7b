"""Images in memory maps that may be larger than memory.

The pages of a large map do not stay resident.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data._types import Indices

IMAGES_FILE = "images.npy"
# The part of a map that may be resident. The system manages the pages of smaller maps.
KEPT_BYTES = 256 << 20
# The most that one page fault makes resident. Linux 6.18 maps whole folios of the file cache, up to
# a huge page.
FAULT_BYTES = 2 << 20
BLOCK_BYTES = 32 << 20
_WRITTEN_BYTES = 4 << 20  # of a growing map, at a time
# A pass over more than this may take two seconds: hashing reads 0.4 to 0.7 GB/s.
LONG_PASS_BYTES = 1 << 30

Scalar = TypeVar("Scalar", bound=np.generic)
# Bytes of each map that were touched since its pages were last released.
_touched: WeakKeyDictionary[mmap.mmap, int] = WeakKeyDictionary()


def create_map(folder: Path, count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Create a writable memory map of images, `images.npy`, for a reader to decode into.

    Args:
        folder: The folder of the file.
        count: Number of images.
        shape: Height, width and channels of an image.

    Returns:
        Uint8 array of shape (count, *shape).

    Raises:
        ResourceError: The disk is full, or writing failed.
    """
    store.require_space(folder, count * int(np.prod(shape)))
    path = folder / IMAGES_FILE
    with store.translate_os_errors(path):
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *shape))
    store.allocate(path)
    return images


def open_or_create_map(
    folder: Path, count: int, shape: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], bool]:
    """Open the writable memory map that an interrupted reader left, or create it.

    Returns:
        The map, see `create_map`, and whether it is new.

    Raises:
        ResourceError: The disk is full.
    """
    path = folder / IMAGES_FILE
    try:
        images = np.lib.format.open_memmap(path, mode="r+")
        if images.shape == (count, *shape) and images.dtype == np.uint8:
            return images, False
    except (OSError, ValueError):
        pass  # There is none, or its header is damaged.
    store.remove_file(path)
    return create_map(folder, count, shape), True


def compact(folder: Path, images: NDArray[np.uint8], kept: Indices) -> NDArray[np.uint8]:
    """Keep only some images of a map of `create_map`, in place.

    Args:
        folder: The folder of the file.
        images: The map. It must not be used afterwards.
        kept: Rows to keep, int64 of shape (n,), ascending.

    Returns:
        The smaller map.
    """
    for row, source in enumerate(kept.tolist()):
        if row != source:
            put(images, row, np.array(images[source]))
    shape = (len(kept), *images.shape[1:])
    offset = images.offset if isinstance(images, np.memmap) else 0
    size = offset + int(np.prod(shape))
    path = folder / IMAGES_FILE
    header = map_header(shape)
    assert len(header) == offset, "NumPy pads the header for any number of images"
    del images
    with path.open("r+b") as file:
        file.write(header)
        file.truncate(size)
    return np.lib.format.open_memmap(path, mode="r+")


def map_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of an .npy file of uint8 images.

    NumPy pads it, so that it has the same size for any number of images.
    """
    content = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, about)
    return content.getvalue()


class GrowingMap:
    """The file `images.npy` of images whose number is known only at the end, such as rows of a CSV.

    It is written image by image, in bounded memory.

    Args:
        folder: Folder of the file.
        shape: Height, width and channels of an image.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        self._path = folder / IMAGES_FILE
        self._shape = shape
        self._block = bytearray()
        self.count = 0
        self._file = store.GrowingFile(self._path)
        self._file.append(map_header((0, *shape)))

    def __enter__(self) -> GrowingMap:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def append(self, pixels: bytes) -> None:
        """Add an image.

        Args:
            pixels: Its H * W * C bytes, row by row, with the channels last.
        """
        self._block += pixels
        self.count += 1
        if len(self._block) >= _WRITTEN_BYTES:
            self._file.append(self._block)
            self._block.clear()

    def finish(self) -> NDArray[np.uint8]:
        """Close the file, and return its images as a read-only map of shape (count, H, W, C)."""
        self._file.append(self._block)
        self._file.replace_start(map_header((self.count, *self._shape)))
        self._file.close()
        images: NDArray[np.uint8] = np.load(self._path, mmap_mode="r", allow_pickle=False)
        return images


def take(images: NDArray[Scalar], rows: NDArray[np.int64]) -> NDArray[Scalar]:
    """Return `images[rows]` as a new array in memory.

    The rows of a large memory map are read from disk together rather than page by page, and at
    most about 256 MB of the map stay resident. Other arrays, small maps and copy-on-write maps
    (whose changes live in their pages) are simply indexed.

    Args:
        images: Array of shape (N, ...), in memory or a view of a memory map.
        rows: Indices of shape (n,), in any order.

    Raises:
        IndexError: An index is out of range.
    """
    pages, images = _large_map_of(images), np.asarray(images)
    if pages is None or not len(rows):
        return images[rows]

    low, high = byte_bounds(images[0])
    start = low - np.frombuffer(pages, np.uint8).ctypes.data
    is_contiguous = high - low == images[0].nbytes
    rows_per_read = max(1, KEPT_BYTES // (high - low + FAULT_BYTES))

    taken = np.empty((len(rows), *images.shape[1:]), images.dtype)
    for first in range(0, len(rows), rows_per_read):
        block = rows[first : first + rows_per_read]
        if is_contiguous:
            _read_ahead(pages, start + block % len(images) * images.strides[0], high - low)
        taken[first : first + rows_per_read] = images[block]
        _release_pages(pages, len(block) * (high - low + FAULT_BYTES))
    return taken


def blocks(images: NDArray[Scalar], title: str) -> Iterator[tuple[int, NDArray[Scalar]]]:
    """Yield all images in order, in blocks of about 32 MB.

    A long pass shows its progress.

    Args:
        images: Array of shape (N, ...).
        title: Title of the progress bar.

    Yields:
        The index of the first image of a block, and a view of the block. The view must be read
        before the next block is requested.
    """
    pages = _large_map_of(images)
    rows = max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    is_long = images.nbytes > LONG_PASS_BYTES
    with progress.task(title, len(images), "images") if is_long else nullcontext() as task:
        for start in range(0, len(images), rows):
            block = images[start : start + rows]
            yield start, block
            if pages is not None:
                _release_pages(pages, block.nbytes)
            if task is not None:
                task.advance(len(block))


def put(images: NDArray[Scalar], rows: int | slice, pixels: NDArray[Scalar]) -> None:
    """Set `images[rows] = pixels`. The pages written to a large map do not stay resident."""
    images[rows] = pixels
    pages = _large_map_of(images)
    if pages is not None:
        _release_pages(pages, pixels.nbytes)


def is_large_map(images: NDArray[Any]) -> bool:
    """Return whether `images` is a view of a memory map larger than what may stay resident."""
    return _large_map_of(images) is not None


def _large_map_of(images: Any) -> mmap.mmap | None:
    """Return the large shared file map that an array is a view of, or None.

    A copy-on-write map does not count: releasing its pages would undo what was written to them.
    """
    array, pages = images, getattr(images, "base", None)
    while isinstance(pages, np.ndarray):
        array, pages = pages, pages.base

    is_shared = isinstance(array, np.memmap) and array.mode != "c"
    if not is_shared or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    if not isinstance(pages, mmap.mmap) or len(pages) <= KEPT_BYTES:
        return None
    return pages


def _read_ahead(pages: mmap.mmap, starts: NDArray[np.int64], size: int) -> None:
    """Ask the system to read `size` bytes from each of `starts`, all at the same time."""
    # 64 images of 150 kB from a cold disk: 7 to 11 ms, against 60 to 160 ms with one page fault
    # after the other. Sorting the starts changed nothing.
    for start in starts.tolist():
        aligned = start - start % mmap.PAGESIZE
        pages.madvise(mmap.MADV_WILLNEED, aligned, start - aligned + size)


def _release_pages(pages: mmap.mmap, touched_bytes: int) -> None:
    """Count the bytes touched, and release all pages of this process when they are too many.

    The pages stay in the system's file cache.
    """
    # Not after every read: up to Linux 6.13 empty page tables stay, and each release looks through
    # all of them (a guess: 10 ms for 40 GB). Reading through a second, short-lived map is no
    # alternative either, because the file's name may belong to another file by now.
    _touched[pages] = _touched.get(pages, 0) + touched_bytes
    if _touched[pages] >= KEPT_BYTES:
        pages.madvise(mmap.MADV_DONTNEED)
        _touched[pages] = 0
