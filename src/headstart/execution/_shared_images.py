"""The images of a study for several processes of one machine: mapped by all of them, never copied into each."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store


@dataclass(frozen=True)
class Shared:
    """Where another process finds `(N, H, W, C)` uint8 images.

    Attributes:
        file: the path of a file, or the number of an open one that the other process inherits.
        offset: of the first image, in bytes.
    """

    file: Path | int
    offset: int
    shape: tuple[int, ...]

    def map(self) -> NDArray[np.uint8]:
        """The images, read-only."""
        if isinstance(self.file, Path):
            return np.memmap(self.file, np.uint8, "r", self.offset, self.shape)
        pages = mmap.mmap(self.file, 0, prot=mmap.PROT_READ)
        return np.frombuffer(pages, np.uint8).reshape(self.shape)


def share(images: NDArray[np.uint8]) -> tuple[Shared, FileIO | None]:
    """How other processes find `images`, and the file to keep open for them where the images had to be written to one.

    Raises:
        ResourceError: no space for that.
    """
    # A slice of a map says the file and offset of the whole map, so only a map that is nobody's slice is found by them.
    if (
        isinstance(images, np.memmap)
        and images.mode == "r"
        and images.filename
        and images.flags.c_contiguous
    ):
        pages: object = images.base
        if isinstance(pages, mmap.mmap):
            return Shared(Path(images.filename).absolute(), images.offset, images.shape), None
    file = store.anonymous_file(np.ascontiguousarray(images).reshape(-1).data)
    return Shared(file.fileno(), 0, images.shape), file
