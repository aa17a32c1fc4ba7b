"""Labelled images whose encoded bytes come one after the other, such as rows of a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._memory_maps import create_map, put
from headstart.data._threads import map_in_threads
from headstart.data._types import DecodedImages, OptionValues
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.images._dataset_scale import find_scale, require_wide
from headstart.data.formats.images._decode import PIXEL_RULES, Header, read_header, read_image
from headstart.data.formats.images._decoder_identity import decoder_identity
from headstart.data.formats.images._image_files import common_shape
from headstart.data.formats.images._open_image import (
    ImageSource,
    UnreadableImage,
    ignore_decoder_warnings,
)
from headstart.data.formats.images._skip_bad import without_unreadable

SPOOL_FILE = "encoded.tmp"  # in the folder of the map, until the images are decoded


@dataclass(frozen=True)
class EncodedImages:
    """Labelled images, none of them decoded yet.

    Attributes:
        root: Folder that `files` are relative to.
        files: Names of the files that hold the images.
        kind: Kind of the source, for the key in the cache.
        names: N names of images.
        labels: Int64 array of shape (N,).
        class_names: K names.
        options: The options of `load`.
        contents: Function that yields the N images in order: bytes, or the path of a file.
        parts: Uint8 array of shape (N,), or None if the source does not divide its images.
        groups: Int64 array of shape (N,), or None if no groups are known.
    """

    root: Path
    files: Sequence[str]
    kind: str
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    options: LoadOptions
    contents: Callable[[], Iterator[bytes | Path]]
    parts: NDArray[np.uint8] | None = None
    groups: NDArray[np.int64] | None = None

    @property
    def key_options(self) -> OptionValues:
        """The options that determine the pixels, labels and groups."""
        return {
            "kind": self.kind,
            "pixel_rules": PIXEL_RULES,
            "decoders": decoder_identity(),
            "image_size": self.options.image_size,
            "resize": self.options.resize,
            "pixel_max": self.options.pixel_max,
            "group_by": self.options.group_by,
            "label_column": self.options.label_column,
            "path_column": self.options.path_column,
        }

    def decode(self, building: Path) -> DecodedImages:
        """Decode the images into a memory map, as `ImageFiles` does. Memory use is bounded.

        The encoded images are copied to a temporary file first, since the first pass over them
        decides on the common shape.

        Raises:
            InputError: Some images cannot be read. The message counts and names them.
        """
        spool = building / SPOOL_FILE
        try:
            with spool.open("w+b", buffering=1 << 20) as file:
                spooled = self._spool(file)
                file.flush()
                return self._decode(building, _Spool(file.fileno(), spooled))
        finally:
            spool.unlink(missing_ok=True)

    def _spool(self, file: IO[bytes]) -> list[tuple[int, int] | Path]:
        """Copy the encoded images to a file.

        Returns:
            Position and length of each, or the path of the file that holds it.
        """
        places: list[tuple[int, int] | Path] = []
        position = 0
        with progress.task(f"reading {self.root.name}", len(self.names), "images") as task:
            for content in self.contents():
                task.advance()
                if isinstance(content, Path):
                    places.append(content)
                    continue
                file.write(content)
                places.append((position, len(content)))
                position += len(content)
        return places

    def _decode(self, building: Path, spool: _Spool) -> DecodedImages:
        def header_of(row: int) -> Header | UnreadableImage:
            try:
                return read_header(spool.source_of(row))
            except UnreadableImage as error:
                return error

        title = f"decoding {self.root.name}"
        rows = range(len(self.names))
        with ignore_decoder_warnings():
            headers = map_in_threads(header_of, rows, f"reading headers of {self.root.name}")
            readable = [header for header in headers if isinstance(header, Header)]
            shape = common_shape(readable, self.options.image_size)
            pixel_max = self._scale(headers, spool)
            images = create_map(building, len(self.names), shape)

            def decode_row(row: int) -> UnreadableImage | None:
                header = headers[row]
                if isinstance(header, UnreadableImage):
                    return header
                try:
                    pixels = read_image(
                        spool.source_of(row), shape, self.options.resize, pixel_max=pixel_max
                    )
                except UnreadableImage as error:
                    return error
                put(images, row, pixels)
                return None

            errors = map_in_threads(decode_row, rows, title)

        decoded = DecodedImages(
            images,
            self.labels,
            self.class_names,
            self.parts,
            self.names,
            self.groups,
            pixel_max=pixel_max,
        )
        failures = {row: error for row, error in enumerate(errors) if error is not None}
        return without_unreadable(
            decoded, failures, building, str(self.root), skip_bad=self.options.skip_bad
        )

    def _scale(self, headers: Sequence[Header | UnreadableImage], spool: _Spool) -> float | None:
        """Return the value of full brightness of images with more than eight bits per channel."""
        if self.options.pixel_max is not None:
            require_wide(spool.source_of, len(self.names), self.root.name)
            return self.options.pixel_max
        wide = [
            row
            for row, header in enumerate(headers)
            if isinstance(header, Header) and header.is_wide
        ]
        return find_scale(spool.source_of, wide, self.root.name) if wide else None


@dataclass(frozen=True)
class _Spool:
    """Encoded images in an open file.

    Attributes:
        handle: File descriptor.
        places: Position and length of each image, or the path of the file that holds it.
    """

    handle: int
    places: Sequence[tuple[int, int] | Path]

    def source_of(self, row: int) -> ImageSource:
        """Return what the decoder reads of an image."""
        place = self.places[row]
        if isinstance(place, Path):
            return place
        position, length = place
        return os.pread(self.handle, length, position)
