"""A memory map of images whose number is known only at the end, such as the rows of a CSV."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data._memory_maps import IMAGES_FILE, map_header

_BLOCK_BYTES = 4 << 20


class GrowingMap:
    """The file `images.npy` of a new cache entry, written image by image in bounded memory.

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, traceback)

    def append(self, pixels: bytes) -> None:
        """Add an image.

        Args:
            pixels: Its H * W * C bytes, row by row, with the channels last.
        """
        self._block += pixels
        self.count += 1
        if len(self._block) >= _BLOCK_BYTES:
            self._file.append(self._block)
            self._block.clear()

    def finish(self) -> NDArray[np.uint8]:
        """Close the file, and return its images as a read-only map of shape (count, H, W, C)."""
        self._file.append(self._block)
        self._file.replace_start(map_header((self.count, *self._shape)))
        self._file.__exit__(None, None, None)
        images: NDArray[np.uint8] = np.load(self._path, mmap_mode="r", allow_pickle=False)
        return images
