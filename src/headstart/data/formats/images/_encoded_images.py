"""Labelled images whose encoded bytes come one after the other, such as rows of a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from headstart import progress
from headstart.data._types import DecodedImages, ImageLabels, OptionValues
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.images._image_files import ImageSources, decode_images, key_options
from headstart.data.formats.images._open_image import ImageSource

SPOOL_FILE = "encoded.tmp"  # in the folder of the map, until the images are decoded


class Spool:
    """Encoded images in a temporary file, or the paths of files.

    Args:
        file: An empty file, open for reading and writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: list[tuple[int, int] | Path] = []

    def __len__(self) -> int:
        return len(self._places)

    def add(self, content: bytes | Path) -> None:
        """Add the content of an image, or the path of its file."""
        if isinstance(content, Path):
            self._places.append(content)
            return
        self._places.append((self._file.tell(), len(content)))
        self._file.write(content)

    def source_of(self, row: int) -> ImageSource:
        """Return what the decoder reads of an image. `flush` must have been called."""
        place = self._places[row]
        if isinstance(place, Path):
            return place
        position, length = place
        return os.pread(self._file.fileno(), length, position)

    def flush(self) -> None:
        """Write what is in memory."""
        self._file.flush()


@dataclass(frozen=True)
class EncodedImages:
    """Labelled images, none of them decoded yet.

    Attributes:
        root: Folder that `files` are relative to.
        files: Names of the files that hold the images.
        kind: Kind of the source, for the key in the cache.
        labels: The N images.
        options: The options of `load`.
        contents: Function that yields the N images in order: bytes, or the path of a file.
    """

    root: Path
    files: Sequence[str]
    kind: str
    labels: ImageLabels
    options: LoadOptions
    contents: Callable[[], Iterator[bytes | Path]]

    @property
    def key_options(self) -> OptionValues:
        """The options that determine the pixels, labels and groups."""
        return {
            **key_options(self.kind, self.options),
            "label_column": self.options.label_column,
            "path_column": self.options.path_column,
        }

    def decode(self, building: Path) -> DecodedImages:
        """Decode the images into a memory map. See `decode_images`.

        The encoded images are copied to a temporary file first, since the first pass over them
        decides on the common shape.
        """
        spool = building / SPOOL_FILE
        try:
            with spool.open("w+b", buffering=1 << 20) as file:
                sources = ImageSources(self.root, self._copy_to(Spool(file)).source_of)
                return decode_images(sources, self.labels, self.options, building)
        finally:
            spool.unlink(missing_ok=True)

    def _copy_to(self, spool: Spool) -> Spool:
        title, count = f"reading {self.root.name}", len(self.labels.labels)
        with progress.task(title, count, "images") as task:
            for content in self.contents():
                spool.add(content)
                task.advance()
        spool.flush()
        return spool
