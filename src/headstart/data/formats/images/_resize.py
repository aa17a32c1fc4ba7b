"""Resizing of images: pad, crop or squish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.data._thumbnails import to_pil_image
from headstart.data._types import Resize

if TYPE_CHECKING:
    from PIL.Image import Image


def fit(image: Image, height: int, width: int, resize: Resize) -> Image:
    """Resize an image with antialiasing (bicubic over all source pixels).

    Args:
        image: The image.
        height: Height of the result, in pixels.
        width: Width of the result, in pixels.
        resize: "pad" keeps the whole image and its proportions, and fills the rest with black.
            "crop" keeps the proportions and cuts off the ends of the longer edge. "squish" changes
            the proportions.
    """
    from PIL import Image, ImageOps

    if image.size == (width, height):
        return image
    if resize == "squish":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    if resize == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)

    scale = min(width / image.width, height / image.height)
    inner_size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    inner = image.resize(inner_size, Image.Resampling.BICUBIC)
    padded = Image.new(image.mode, (width, height), 0)
    padded.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return padded


def resize_pixels(
    pixels: NDArray[np.uint8], shape: tuple[int, int, int], resize: Resize
) -> NDArray[np.uint8]:
    """Resize an image that is an array. See `fit`.

    Args:
        pixels: Uint8 array of shape (H, W, C).
        shape: Height, width and channels of the result. The number of channels does not change.
        resize: How the image is fitted.

    Returns:
        Uint8 array of the given shape.
    """
    height, width, _ = shape
    return np.asarray(fit(to_pil_image(pixels), height, width, resize)).reshape(shape)
