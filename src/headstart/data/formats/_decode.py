"""Decoding of one image file: upright, grey or RGB, eight bits, one size.

Every image file that Headstart opens is opened here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import Resize
from headstart.data.formats._open_image import (
    ImageLimits,
    ImageSource,
    UnreadableImage,
    open_image,
)
from headstart.data.formats._resize import fit

if TYPE_CHECKING:
    from PIL.Image import Image

# A JPEG is decoded at 2 to 4 times the needed size, so resizing still averages over pixels.
DRAFT_MARGIN = 2
ORIENTATION_TAG = 0x0112  # of EXIF
SIDEWAYS_ORIENTATIONS = (5, 6, 7, 8)  # values of the tag that exchange width and height


class Header(NamedTuple):
    """Size and kind of an image file, read from its first bytes.

    Attributes:
        height: Height of the upright image, in pixels.
        width: Width of the upright image, in pixels.
        is_grey: Whether the image has one colour channel.
    """

    height: int
    width: int
    is_grey: bool


def read_header(source: ImageSource, limits: ImageLimits | None = None) -> Header:
    """Read the size and kind of an image file without decoding its pixels.

    Args:
        source: A path, the content of a file, or an open file.
        limits: Limits for an untrusted image.

    Raises:
        UnreadableImage: The source is not an image, or it exceeds a limit.
    """
    with open_image(source, limits) as image:
        width, height = image.size
        # Pillow opens a TIFF with its upright size. It would decode all of a PNG to look for EXIF
        # behind the pixels. `fit` copes with the few PNGs that have it there.
        if "exif" in image.info and image.getexif().get(ORIENTATION_TAG) in SIDEWAYS_ORIENTATIONS:
            width, height = height, width
        return Header(height, width, _is_grey(image))


def read_image(
    source: ImageSource,
    shape: tuple[int, int, int],
    resize: Resize,
    limits: ImageLimits | None = None,
) -> NDArray[np.uint8]:
    """Decode an image file.

    The image is turned upright. Transparent pixels become white. A palette or CMYK image becomes
    RGB, and 16-bit grey is scaled to 8 bits. Only the first frame of an animation is read.

    Args:
        source: A path, the content of a file, or an open file.
        shape: Height, width and channels of the result. One channel is grey, three are RGB.
        resize: How an image of another shape is fitted. See `fit`.
        limits: Limits for an untrusted image.

    Returns:
        Uint8 array of the given shape.

    Raises:
        UnreadableImage: The source is not an image, is damaged, exceeds a limit, or has pixels
            of an unknown scale.
    """
    from PIL import ImageOps

    height, width, channels = shape
    with open_image(source, limits) as image:
        edge = max(image.size) if resize == "pad" else min(image.size)
        factor = DRAFT_MARGIN * max(height, width) / edge
        image.draft(image.mode, (round(image.width * factor), round(image.height * factor)))
        # In place: the alternative is a copy, even of an upright image.
        ImageOps.exif_transpose(image, in_place=True)
        opaque = _to_eight_bits(image, image.format or "")
        pixels = _in_mode(opaque, "L" if channels == 1 else "RGB")
        return np.asarray(fit(pixels, height, width, resize)).reshape(shape)


def _is_grey(image: Image) -> bool:
    return image.mode in {"1", "L", "LA", "I", "F"} or image.mode.startswith("I;16")


def _to_eight_bits(image: Image, file_format: str) -> Image:
    """Convert an image to mode L or RGB, without transparency."""
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and file_format in {"PNG", "PPM"}):
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))  # 257 = 65535 / 255
    if image.mode in {"I", "F"}:
        raise UnreadableImage("has 32-bit pixels of an unknown scale; save it with 8 or 16 bits")

    mode = "L" if _is_grey(image) else "RGB"
    if not image.has_transparency_data:
        return _in_mode(image, mode)
    transparent, white = _in_mode(image, "RGBA"), Image.new("RGB", image.size, "white")
    white.paste(transparent, mask=transparent)
    return _in_mode(white, mode)


def _in_mode(image: Image, mode: str) -> Image:
    """Convert an image to a mode, without a copy if it has that mode already."""
    return image if image.mode == mode else image.convert(mode)
