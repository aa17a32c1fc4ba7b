"""Labelled image files, decoded into one memory map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data._memory_maps import create_map, put
from headstart.data._threads import map_in_threads
from headstart.data._types import DecodedImages, OptionValues, Resize
from headstart.data.formats._decode import Header, read_header, read_image
from headstart.data.formats._open_image import (
    ImageSource,
    UnreadableImage,
    ignore_decoder_warnings,
)
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError

LARGEST_KEPT_PX = 256  # Images of one size are kept as they are, up to this height and width.
# Size of the square that all other images become. A guess at laptop speed that nobody has measured.
DEFAULT_SIZE_PX = 128
_NAMED_FAILURES = 5


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
        return {
            "kind": "files",
            "image_size": self.options.image_size,
            "resize": self.options.resize,
            "group_by": self.options.group_by,
        }

    def decode(self, building: Path) -> DecodedImages:
        """Decode the image files into a memory map. Memory use does not grow with their number.

        The first pass reads headers and decides on a common shape. If all images have one size of
        at most 256 pixels, they keep it. Otherwise they become squares of `image_size` pixels
        (default 128). The map is grey only if every image is grey.

        Args:
            building: Folder of the map.

        Raises:
            InputError: Some images cannot be read. The message counts them, and names up to five
                of them with the reason.
        """
        with ignore_decoder_warnings():
            headers = map_in_threads(self._header, self.names, f"reading {self.root.name}")
            readable = [header for header in headers if isinstance(header, Header)]
            shape = common_shape(readable, self.options.image_size)
            images = create_map(building, len(self.names), shape)

            def decode_row(row: int) -> UnreadableImage | None:
                header = headers[row]
                if isinstance(header, UnreadableImage):
                    return header
                try:
                    pixels = read_image(self.root / self.names[row], shape, self.options.resize)
                except UnreadableImage as error:
                    return error
                put(images, row, pixels)
                return None

            errors = map_in_threads(
                decode_row, range(len(self.names)), f"decoding {self.root.name}"
            )

        self._require_readable(errors)
        return DecodedImages(
            images, self.labels, self.class_names, self.parts, self.names, self.groups
        )

    def _header(self, name: str) -> Header | UnreadableImage:
        try:
            return read_header(self.root / name)
        except UnreadableImage as error:
            return error

    def _require_readable(self, errors: Sequence[UnreadableImage | None]) -> None:
        failures = [
            f"{name} {error}"
            for name, error in zip(self.names, errors, strict=True)
            if error is not None
        ]
        if failures:
            raise unreadable_images(failures, len(self.names), f"images in {self.root}")


def unreadable_images(failures: Sequence[str], count: int, images: str = "images") -> InputError:
    """Return the error about images that cannot be read. It names up to five of them.

    Args:
        failures: Name and reason of each, such as "cat.jpg is empty (0 bytes)".
        count: Number of all images.
        images: Noun for them, with the place if that is not obvious.
    """
    lines = list(failures[:_NAMED_FAILURES])
    if len(failures) > _NAMED_FAILURES:
        lines.append(f"and {len(failures) - _NAMED_FAILURES:,} more")
    listing = "\n    ".join(lines)
    return InputError(
        f"{len(failures):,} of {count:,} {images} cannot be used:\n    {listing}",
        "Repair these images, or leave them out.",
    )


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
    sources: Sequence[ImageSource], shape: tuple[int, int, int], resize: Resize
) -> list[NDArray[np.uint8] | UnreadableImage]:
    """Read images on all usable cores. See `read_image`.

    Args:
        sources: Paths, contents or open files.
        shape: Height, width and channels of the results.
        resize: How an image of another shape is fitted.

    Returns:
        For each source its pixels, or the error if it cannot be read.
    """

    def read(source: ImageSource) -> NDArray[np.uint8] | UnreadableImage:
        try:
            return read_image(source, shape, resize)
        except UnreadableImage as error:
            return error

    with ignore_decoder_warnings():
        return map_in_threads(read, sources, "reading images")
