"""The images of a study, shared with other processes of this machine: mapped, never copied."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store


@dataclass(frozen=True)
class SharedImages:
    """Where another process finds uint8 images of shape (N, H, W, C).

    Attributes:
        file: Path of a file, or the descriptor of an open one that the other process inherits.
        offset: Offset of the first image in the file, in bytes.
        shape: Shape of the array.
    """

    file: Path | int
    offset: int
    shape: tuple[int, ...]

    def map(self) -> NDArray[np.uint8]:
        """Map the images, read-only."""
        if isinstance(self.file, Path):
            return np.memmap(self.file, np.uint8, "r", self.offset, self.shape)
        pages = mmap.mmap(self.file, 0, prot=mmap.PROT_READ)
        return np.frombuffer(pages, np.uint8).reshape(self.shape)


def share_images(images: NDArray[np.uint8]) -> tuple[SharedImages, FileIO | None]:
    """Make images available to other processes.

    Returns:
        Where they find the images, and a file to keep open for them; None if the images already
        were in a file.

    Raises:
        ResourceError: There is no space to write them to a file.
    """
    # A slice of a map has the file and offset of the whole map, so only a map that is not a slice
    # can be found by them.
    if (
        isinstance(images, np.memmap)
        and images.mode == "r"
        and images.filename
        and images.flags.c_contiguous
    ):
        pages: object = images.base
        if isinstance(pages, mmap.mmap):
            path = Path(images.filename).absolute()
            return SharedImages(path, images.offset, images.shape), None

    file = store.anonymous_file(np.ascontiguousarray(images).reshape(-1).data)
    return SharedImages(file.fileno(), 0, images.shape), file
