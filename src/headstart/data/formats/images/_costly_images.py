"""Images that cost too much to decode: with more pixels than the limit, or with many scans.

A JPEG above the limit is decoded at a reduced scale. A scan of JPEG data is a pass over all pixels,
and costs a file only a kilobyte.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING

from headstart.data.formats._file_signatures import HEAD_BYTES, signature_of
from headstart.data.formats.images._unreadable import UnreadableImage

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

REDUCTIONS = (1, 2, 4, 8)  # of width and height, which a JPEG decoder can apply while it decodes
# Progressive photos have 6 to 20 scans. At 89 million pixels, 200 take 8 seconds.
MOST_SCANS = 200
_SCAN = b"\xff\xda"
_TIFF_STRIPS, _TIFF_TILES = 273, 324  # tags of the positions of the coded parts
_COMPONENTS = 4  # that may have a scan each, in every part


def open_large_jpeg(file: Path | io.BytesIO) -> ImageFile | None:
    """Open a JPEG whatever its number of pixels, which Pillow refuses. Return None for others."""
    from PIL.JpegImagePlugin import JpegImageFile

    stream = file.open("rb") if isinstance(file, Path) else file
    stream.seek(0)
    signature = signature_of(stream.read(HEAD_BYTES))
    stream.seek(0)
    if signature is not None and signature.name == "JPEG":
        return JpegImageFile(stream)
    if isinstance(file, Path):
        stream.close()
    return None


def least_reduction(image: Image, limit: int | None) -> int:
    """Return by how much an image must be reduced to have at most `limit` pixels.

    Args:
        image: The opened image.
        limit: The most pixels that may be decoded. None for any number.

    Returns:
        1 for an image within the limit. 2, 4 or 8 for a JPEG above it.

    Raises:
        UnreadableImage: The image is above the limit, and it cannot be reduced while it is decoded.
    """
    pixels = image.width * image.height
    if limit is None or pixels <= limit:
        return 1
    if image.format in {"JPEG", "MPO"} and not image.info.get("progressive"):
        for reduction in REDUCTIONS:
            if pixels <= limit * reduction**2:
                return reduction
    raise too_many_pixels(pixels, limit)


def too_many_pixels(pixels: int, limit: int) -> UnreadableImage:
    """Return the error about an image above the limit, with what to do."""
    return UnreadableImage(
        f"has {pixels / 1e6:,.0f} million pixels; the limit is {limit / 1e6:,.0f} million; make it "
        "smaller: magick IN -resize 4000x4000 OUT"
    )


def require_few_scans(image: ImageFile, stream: IO[bytes]) -> None:
    """Raise an error if the JPEG data of an opened image have more scans than any camera writes.

    The markers are counted, so nothing is decoded. A baseline JPEG has one scan, and is not read.

    Args:
        image: The opened image.
        stream: Its file. The position is restored.

    Raises:
        UnreadableImage: There are more than `MOST_SCANS`, or in a TIFF more than its parts may
            have. libtiff decodes all parts in one call, which no time limit can end.
    """
    most = MOST_SCANS
    if image.format == "TIFF" and "jpeg" in str(image.info.get("compression")):
        tags = image.tag_v2  # type: ignore[attr-defined]  # of TiffImageFile
        most += _COMPONENTS * max(len(tags.get(tag, ())) for tag in (_TIFF_STRIPS, _TIFF_TILES))
    elif not image.info.get("progressive"):
        return

    position = stream.tell()
    stream.seek(0)
    count = stream.read().count(_SCAN)
    stream.seek(position)
    if count > most:
        raise UnreadableImage(
            f"has {count:,} scans, and the limit is {most:,}: it is made to take long; leave it out"
        )
