"""Labelled image files, decoded into one memory map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data._decode_journal import DecodedRows
from headstart.data._file_identity import identify_files
from headstart.data._fingerprints import content_key
from headstart.data._threads import map_in_threads
from headstart.data._types import DecodedImages, OptionValues, Resize
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.images._changed_files import require_unchanged
from headstart.data.formats.images._dataset_scale import find_scale, require_wide
from headstart.data.formats.images._decode import (
    PIXEL_RULES,
    UNDECIDED,
    Header,
    read_header,
    read_image,
)
from headstart.data.formats.images._decode_rows import RowDecoder, RowReader
from headstart.data.formats.images._decoder_identity import decoder_identity
from headstart.data.formats.images._open_image import (
    ImageSource,
    UnreadableImage,
    ignore_decoder_warnings,
)
from headstart.data.formats.images._reading_notes import ImageNotes, ReadingNotes
from headstart.data.formats.images._skip_bad import without_unreadable
from headstart.data.formats.images._unreadable import ScaleNeeded

LARGEST_KEPT_PX = 256  # Images of one size are kept as they are, up to this height and width.
# Size of the square that all other images become. A guess at laptop speed that nobody has measured.
DEFAULT_SIZE_PX = 128
_HEADERS_PER_LOOK = 64


@dataclass(frozen=True)
class ImageFiles:
    """Labelled image files, none of them opened yet.

    Attributes:
        root: Folder that `names` are relative to.
        names: N paths with forward slashes, in a fixed order.
        labels: Int64 array of shape (N,).
        class_names: K names.
        options: The options of `load`.
        parts: Uint8 array of shape (N,), or None if the source does not divide its images.
        groups: Int64 array of shape (N,), or None if no groups are known.
        table: Name of the CSV in `root` that lists the files, or None.
    """

    root: Path
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    options: LoadOptions
    parts: NDArray[np.uint8] | None = None
    groups: NDArray[np.int64] | None = None
    table: str | None = None

    @property
    def files(self) -> Sequence[str]:
        """The CSV, if there is one, and the image files."""
        return list(self.names) if self.table is None else [self.table, *self.names]

    @property
    def key_options(self) -> OptionValues:
        """The options that determine the pixels and groups."""
        options: OptionValues = {
            "kind": "files",
            "pixel_rules": PIXEL_RULES,
            "decoders": decoder_identity(),
            "image_size": self.options.image_size,
            "resize": self.options.resize,
            "group_by": self.options.group_by,
            "pixel_max": self.options.pixel_max,
        }
        # One table, or one folder, may be read in several ways: with another label_column, or by
        # another version of Headstart.
        options["labels"] = self._labels_digest()
        return options

    def _labels_digest(self) -> str:
        assigned = [self.labels, self.parts, self.groups]
        texts = [repr(None if array is None else array.tobytes()) for array in assigned]
        return content_key(*self.class_names, *texts)

    def decode(self, building: Path) -> DecodedImages:
        """Decode the image files into a memory map. Memory use does not grow with their number.

        Headers are read until the common shape is certain. If all images have one size of at most
        256 pixels, they keep it. Otherwise they become squares of `image_size` pixels (default
        128). The map is grey only if every image is grey.

        Args:
            building: Folder of the map. What an interrupted call left there is continued.

        Raises:
            InputError: Some images cannot be read, and `skip_bad` is not set. The message counts
                them, and names up to twenty of them with the reason. Or a file was changed while
                it was decoded.
        """
        identities = identify_files(self.root, self.names)
        shape = self._shape()
        decoder = RowDecoder(building, self.source_of, identities, shape, self.root.name)
        pixel_max = self._decode_rows(decoder, shape)
        require_unchanged(self.root, identities)

        decoded = DecodedImages(
            decoder.images,
            self.labels,
            self.class_names,
            self.parts,
            self.names,
            self.groups,
            decoder.rows.hashes,
            self._file_digests(decoder.rows),
            pixel_max=pixel_max,
        )
        return without_unreadable(
            decoded, decoder.errors, building, str(self.root), skip_bad=self.options.skip_bad
        )

    def _decode_rows(self, decoder: RowDecoder, shape: tuple[int, int, int]) -> float | None:
        """Decode all images, and return the scale of those with more than eight bits."""
        notes = ReadingNotes()
        pixel_max = self.options.pixel_max
        if pixel_max is not None:
            require_wide(self.source_of, len(self.names), str(self.root))

        def reader(scale: float | None) -> RowReader:
            return lambda row, source: read_image(
                source,
                shape,
                self.options.resize,
                pixel_max=scale,
                notes=notes.of(self.names[row]),
            )

        decoder.decode(reader(UNDECIDED if pixel_max is None else pixel_max))
        rows = [row for row, error in decoder.errors.items() if isinstance(error, ScaleNeeded)]
        if rows:
            pixel_max = find_scale(self.source_of, rows, self.root.name)
            # Not recorded: another command may find another scale, if files change until then.
            decoder.decode(reader(pixel_max), is_recorded=False)
        notes.say()
        return pixel_max

    def _shape(self) -> tuple[int, int, int]:
        """Read headers until the common shape is certain."""
        headers: list[Header] = []
        rows = range(len(self.names))
        with ignore_decoder_warnings():
            for start in range(0, len(rows), _HEADERS_PER_LOOK):
                block = rows[start : start + _HEADERS_PER_LOOK]
                for header in map_in_threads(self._header, block, f"reading {self.root.name}"):
                    if isinstance(header, Header):
                        headers.append(header)
                if is_certain(headers, self.options.image_size):
                    break
        return common_shape(headers, self.options.image_size)

    def _file_digests(self, rows: DecodedRows) -> dict[str, bytes]:
        """Return the digests of the files that could be read, by name."""
        digests = {name: rows.file_digests[row].tobytes() for row, name in enumerate(self.names)}
        return {name: digest for name, digest in digests.items() if any(digest)}

    def source_of(self, row: int) -> ImageSource:
        """Return what the decoder reads of an image: its path. A format may return bytes instead.

        Args:
            row: Index of the image in `names`.
        """
        return self.root / self.names[row]

    def _header(self, row: int) -> Header | UnreadableImage:
        try:
            return read_header(self.source_of(row))
        except UnreadableImage as error:
            return error


def is_certain(headers: Sequence[Header], image_size: int | None) -> bool:
    """Return whether no further header can change the `common_shape` of these."""
    is_square = image_size is not None
    is_square |= len({(header.height, header.width) for header in headers}) > 1
    is_square |= any(max(header.height, header.width) > LARGEST_KEPT_PX for header in headers)
    return is_square and not all(header.is_grey for header in headers)


def common_shape(headers: Sequence[Header], image_size: int | None) -> tuple[int, int, int]:
    """Return the height, width and channels that images with these headers become."""
    channels = 1 if all(header.is_grey for header in headers) else 3
    sizes = {(header.height, header.width) for header in headers}
    if image_size is None and len(sizes) == 1:
        height, width = sizes.pop()
        if max(height, width) <= LARGEST_KEPT_PX:
            return height, width, channels

    size = image_size or DEFAULT_SIZE_PX
    return size, size, channels


def read_images(
    sources: Sequence[ImageSource],
    shape: tuple[int, int, int],
    resize: Resize,
    pixel_max: float | None = None,
    notes: Sequence[ImageNotes | None] | None = None,
) -> list[NDArray[np.uint8] | UnreadableImage]:
    """Read images on all usable cores. See `read_image`.

    Args:
        sources: Paths, contents or open files.
        shape: Height, width and channels of the results.
        resize: How an image of another shape is fitted.
        pixel_max: Value of full brightness in pixels of more than 8 bits. None for 65535.
        notes: For each source, what takes notes of it.

    Returns:
        For each source its pixels, or the error if it cannot be read.
    """

    def read(row: int) -> NDArray[np.uint8] | UnreadableImage:
        try:
            note_taker = notes[row] if notes else None
            return read_image(sources[row], shape, resize, pixel_max=pixel_max, notes=note_taker)
        except UnreadableImage as error:
            return error

    with ignore_decoder_warnings():
        return map_in_threads(read, range(len(sources)), "reading images")
