"""Labelled image files, decoded into one memory map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data._file_identity import FileIdentities, identify_files, require_unchanged
from headstart.data._fingerprints import content_key
from headstart.data._threads import map_in_threads
from headstart.data._types import DecodedImages, ImageLabels, OptionValues, Resize
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.images._dataset_scale import find_scale, require_wide
from headstart.data.formats.images._decode import (
    PIXEL_RULES,
    UNDECIDED,
    Header,
    read_header,
    read_image,
)
from headstart.data.formats.images._decode_rows import RowDecoder, RowReader
from headstart.data.formats.images._decoders import decoder_identity
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
        root: Folder that the names are relative to.
        labels: The N images. Their names are paths with forward slashes, in a fixed order.
        options: The options of `load`.
        tables: Names of the tables below `root` that list the files.
    """

    root: Path
    labels: ImageLabels
    options: LoadOptions
    tables: tuple[str, ...] = ()

    @property
    def files(self) -> Sequence[str]:
        """The tables and the image files."""
        return [*self.tables, *self.labels.names]

    @property
    def key_options(self) -> OptionValues:
        """The options that determine the pixels and groups."""
        # One table, or one folder, may be read in several ways: with another label_column, or by
        # another version of Headstart.
        return {**key_options("files", self.options), "labels": self._labels_digest()}

    def _labels_digest(self) -> str:
        assigned = [self.labels.labels, self.labels.parts, self.labels.groups]
        texts = [repr(None if array is None else array.tobytes()) for array in assigned]
        return content_key(*self.labels.class_names, *texts)

    def decode(self, building: Path) -> DecodedImages:
        """Decode the image files into a memory map. See `decode_images`.

        Raises:
            InputError: Also if a file was changed while it was decoded.
        """
        names = self.labels.names
        identities = identify_files(self.root, names)
        sources = ImageSources(self.root, lambda row: self.root / names[row], identities)
        return decode_images(sources, self.labels, self.options, building)


class ImageSources(NamedTuple):
    """Where the content of images comes from.

    Attributes:
        root: The folder or the file of the data, for messages.
        source_of: Function that returns the path or the content of the image of a row.
        identities: Identities of the N files, if each image has one, before any of them is read.
    """

    root: Path
    source_of: Callable[[int], ImageSource]
    identities: FileIdentities | None = None


def key_options(kind: str, options: LoadOptions) -> OptionValues:
    """Return what determines the pixels and groups of images, besides their files.

    Args:
        kind: Kind of the source.
        options: The options of `load`.
    """
    return {
        "kind": kind,
        "pixel_rules": PIXEL_RULES,
        "decoders": decoder_identity(),
        "image_size": options.image_size,
        "resize": options.resize,
        "group_by": options.group_by,
        "pixel_max": options.pixel_max,
    }


def decode_images(
    sources: ImageSources, labels: ImageLabels, options: LoadOptions, building: Path
) -> DecodedImages:
    """Decode labelled images into a memory map. Memory use does not grow with their number.

    Headers are read until the common shape is certain. If all images have one size of at most 256
    pixels, they keep it. Otherwise they become squares of `image_size` pixels (default 128). The
    map is grey only if every image is grey.

    Args:
        sources: Where the content of the images comes from.
        labels: The images.
        options: The options of `load`.
        building: Folder of the map. What an interrupted call left there is continued.

    Raises:
        InputError: Some images cannot be read, and `skip_bad` is not set. The message counts them,
            and names up to twenty of them with the reason. Or a file was changed meanwhile.
    """
    title, count = sources.root.name, len(labels.labels)
    shape = _find_shape(sources, count, options.image_size)
    decoder = RowDecoder(building, sources.source_of, count, sources.identities, shape, title)
    pixel_max = _decode_rows(decoder, sources, labels.names, options)

    file_digests = {}
    if sources.identities is not None:
        require_unchanged(sources.root, sources.identities)
        file_digests = decoder.rows.digests_of(labels.names)
    decoded = replace(
        labels.with_pixels(decoder.images),
        hashes=decoder.rows.hashes,
        file_digests=file_digests,
        pixel_max=pixel_max,
    )
    return without_unreadable(
        decoded, decoder.errors, building, str(sources.root), skip_bad=options.skip_bad
    )


def _decode_rows(
    decoder: RowDecoder, sources: ImageSources, names: Sequence[str], options: LoadOptions
) -> float | None:
    """Decode all images, and return the scale of those with more than eight bits."""
    notes = ReadingNotes()
    pixel_max = options.pixel_max
    if pixel_max is not None:
        require_wide(sources.source_of, len(names), str(sources.root))

    def reader(scale: float | None) -> RowReader:
        return lambda row, content: read_image(
            content,
            decoder.shape,
            options.resize,
            pixel_max=scale,
            notes=notes.of(names[row]),
        )

    decoder.decode(reader(UNDECIDED if pixel_max is None else pixel_max))
    rows = [row for row, error in decoder.errors.items() if isinstance(error, ScaleNeeded)]
    if rows:
        pixel_max = find_scale(sources.source_of, rows, sources.root.name)
        # Not recorded: another command may find another scale, if files change until then.
        decoder.decode(reader(pixel_max), is_recorded=False)
    notes.say()
    return pixel_max


def _find_shape(sources: ImageSources, count: int, image_size: int | None) -> tuple[int, int, int]:
    """Read headers until the common shape is certain."""

    def read(row: int) -> Header | None:
        try:
            return read_header(sources.source_of(row))
        except UnreadableImage:
            return None  # The error is reported when the image is decoded.

    headers: list[Header] = []
    with ignore_decoder_warnings():
        for start in range(0, count, _HEADERS_PER_LOOK):
            block = range(start, min(start + _HEADERS_PER_LOOK, count))
            block_headers = map_in_threads(read, block, f"reading {sources.root.name}")
            headers += [header for header in block_headers if header is not None]
            if is_certain(headers, image_size):
                break
    return common_shape(headers, image_size)


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
