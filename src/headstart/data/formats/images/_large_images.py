"""Images with more pixels than the limit: a JPEG is decoded at a reduced scale."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.formats._file_signatures import HEAD_BYTES, signature_of
from headstart.data.formats.images._unreadable import UnreadableImage

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

REDUCTIONS = (1, 2, 4, 8)  # of width and height, which a JPEG decoder can apply while it decodes


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
