"""Images of a page as data URIs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data import data_uri

# Images up to this size are enlarged without smoothing. Larger ones become JPEG thumbnails, because
# 100 photographs as PNG take more than 5 MB.
MAX_PNG_PX, THUMBNAIL_PX, JPEG_QUALITY = 64, 160, 85


@dataclass(frozen=True)
class Thumbnail:
    """An image as a data URI.

    Attributes:
        uri: The data URI.
        is_tiny: True if the browser enlarges the image without smoothing.
    """

    uri: str
    is_tiny: bool


def thumbnail(pixels: NDArray[np.uint8]) -> Thumbnail:
    """Return an image, uint8 of shape (H, W, C), as a thumbnail."""
    if max(pixels.shape[:2]) <= MAX_PNG_PX:
        return Thumbnail(data_uri(pixels), is_tiny=True)
    return Thumbnail(jpeg_uri(pixels), is_tiny=False)


def jpeg_uri(pixels: NDArray[np.uint8]) -> str:
    """Return an image as a reduced JPEG in a data URI."""
    return data_uri(pixels, THUMBNAIL_PX, JPEG_QUALITY)
