"""Resizing of images: pad, crop or squish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.data._thumbnails import to_pil_image
from headstart.data._types import Resize
from headstart.data.formats.images._reduced_scale import Box

if TYPE_CHECKING:
    from PIL.Image import Image


def fit(image: Image, height: int, width: int, resize: Resize, box: Box | None = None) -> Image:
    """Resize an image with antialiasing (bicubic over all source pixels).

    Args:
        image: The image.
        height: Height of the result, in pixels.
        width: Width of the result, in pixels.
        resize: "pad" keeps the whole image and its proportions, and fills the rest with black.
            "crop" keeps the proportions and cuts off the ends of the longer edge. "squish" changes
            the proportions.
        box: The part of the image that counts as all of it. None for the whole image.
    """
    from PIL import Image

    whole = (0, 0, *image.size)
    box = box or whole
    if image.size == (width, height) and box == whole:
        return image
    if resize == "squish":
        return image.resize((width, height), Image.Resampling.BICUBIC, box)
    if resize == "crop":
        return image.resize((width, height), Image.Resampling.BICUBIC, _crop(box, width / height))

    box_width, box_height = box[2] - box[0], box[3] - box[1]
    scale = min(width / box_width, height / box_height)
    inner_size = (max(1, round(box_width * scale)), max(1, round(box_height * scale)))
    inner = image.resize(inner_size, Image.Resampling.BICUBIC, box)
    padded = Image.new(image.mode, (width, height), 0)
    padded.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return padded


def _crop(box: Box, ratio: float) -> Box:
    """Return the centre of a box that has this ratio of width to height.

    The same as in `PIL.ImageOps.fit`, which takes no box.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    inner_width, inner_height = width, height
    if width / height >= ratio:
        inner_width = min(width, ratio * height)  # rounding can exceed the width
    else:
        inner_height = min(height, width / ratio)

    left += (width - inner_width) * 0.5
    top += (height - inner_height) * 0.5
    return left, top, left + inner_width, top + inner_height


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
