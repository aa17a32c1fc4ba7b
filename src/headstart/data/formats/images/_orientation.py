"""The orientation of a photograph, read from metadata that may be broken.

Pillow gives up on an image if any tag of its EXIF block is odd. Here, only the one tag that matters
is read, so the others may hold anything.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

UPRIGHT = 1
SIDEWAYS_ORIENTATIONS = (5, 6, 7, 8)  # values of the tag that exchange width and height
# Columns, or rows, are in reverse order before width and height are exchanged.
_FLIPPED_LEFT_RIGHT, _FLIPPED_TOP_BOTTOM = (2, 3, 7, 8), (3, 4, 6, 7)
_ORIENTATION_TAG = 0x0112
_FORMAT_OF_TYPE = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # EXIF types of one integer
_EXIF_HEADER = re.compile(rb"(?:Exif\x00\x00)+")
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])")


def orientation_of(image: Image) -> int:
    """Return the orientation of an opened image, from 1 (upright) to 8.

    It comes from EXIF, and from XMP if EXIF states none. Pillow turns a TIFF upright by itself.
    """
    if image.format == "TIFF":
        return UPRIGHT
    return _exif_orientation(_exif_block(image)) or _xmp_orientation(image) or UPRIGHT


def turn_upright(image: Image, orientation: int) -> Image:
    """Turn or mirror an image as its orientation says."""
    from PIL.Image import Transpose

    method = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)


def turn_box_upright(
    box: tuple[float, float, float, float], size: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Return where a part of an image lies after `turn_upright`.

    Args:
        box: Left, top, right and bottom edge of the part.
        size: Width and height of the image before it is turned.
        orientation: The orientation of the image.
    """
    (left, top, right, bottom), (width, height) = box, size
    if orientation in _FLIPPED_LEFT_RIGHT:
        left, right = width - right, width - left
    if orientation in _FLIPPED_TOP_BOTTOM:
        top, bottom = height - bottom, height - top
    if orientation in SIDEWAYS_ORIENTATIONS:
        return top, left, bottom, right
    return left, top, right, bottom


def _exif_block(image: Image) -> bytes:
    block = image.info.get("exif")
    if isinstance(block, bytes):
        return block

    # ImageMagick writes EXIF into a PNG as a text: a name, a length, and lines of hexadecimal.
    text = image.info.get("Raw profile type exif")
    if not isinstance(text, str):
        return b""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def _exif_orientation(block: bytes) -> int | None:
    """Find the tag in the first directory of an EXIF block. Return None if it is not there."""
    header = _EXIF_HEADER.match(block)
    tiff = block[header.end() :] if header else block
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return None

    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    if start + 2 > len(tiff):
        return None
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
        if tag == _ORIENTATION_TAG and kind in _FORMAT_OF_TYPE:
            (value,) = struct.unpack_from(order + _FORMAT_OF_TYPE[kind], tiff, entry + 8)
            return value if 1 <= value <= 8 else None
    return None


def _xmp_orientation(image: Image) -> int | None:
    xmp = image.info.get("XML:com.adobe.xmp") or image.info.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode("utf-8", "replace")
    match = _XMP_ORIENTATION.search(xmp) if isinstance(xmp, bytes) else None
    return int(match[1]) if match else None
