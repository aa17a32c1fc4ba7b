"""Decoding of untrusted images, such as those sent to a server."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import Resize
from headstart.data.formats.images._decode import read_header, read_image
from headstart.data.formats.images._open_image import ImageLimits

# Untrusted images with more pixels are decoded one at a time, since each may take 400 MB.
CONCURRENT_PX = 12_000_000
_one_large_image = threading.Lock()


def count_untrusted_pixels(content: bytes, limits: ImageLimits | None = None) -> int:
    """Return how many pixels an untrusted image declares. They are not decoded.

    Args:
        content: The content of the file.
        limits: Limits on its decoding. None for the defaults.

    Raises:
        UnreadableImage: The content is not an image, or it exceeds a limit.
    """
    header = read_header(content, limits or ImageLimits())
    return header.height * header.width


def read_untrusted_image(
    content: bytes,
    shape: tuple[int, int, int] | None,
    resize: Resize,
    limits: ImageLimits | None = None,
    pixel_max: float | None = None,
    pixels: int | None = None,
) -> NDArray[np.uint8]:
    """Decode an untrusted image. See `read_image`.

    Args:
        content: The content of the file.
        shape: Height, width and channels of the result. None for grey, in the image's own size.
        resize: How an image of another shape is fitted.
        limits: Limits on its decoding. None for the defaults.
        pixel_max: Value of full brightness in pixels of more than 8 bits. None for 65535.
        pixels: The result of `count_untrusted_pixels`; None if they were not counted.

    Raises:
        UnreadableImage: The content is not an image, is damaged, or exceeds a limit.
    """
    limits = limits or ImageLimits()
    if shape is None or pixels is None:
        header = read_header(content, limits)
        pixels = header.height * header.width
        shape = shape or (header.height, header.width, 1)
    with _one_large_image if pixels > CONCURRENT_PX else nullcontext():
        return read_image(content, shape, resize, limits, pixel_max)
