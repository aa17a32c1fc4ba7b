"""Images as Pillow images and as data URIs, for pages and figures."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage


def check_pixels(images: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
    """Raise an error unless images are uint8 and have this shape.

    Images on another scale would get predictions, but wrong ones.

    Args:
        images: Images given by the user.
        shape: Expected height, width and channels of an image.

    Raises:
        InputError: The type or the shape differs.
    """
    if images.dtype != np.uint8:
        raise InputError(
            f"invalid type of the images: expected uint8 from 0 to 255, got {images.dtype}.",
            "If they range from 0 to 1: numpy.rint(255 * images).astype('uint8').",
        )
    if images.shape[1:] != shape:
        raise InputError(
            f"invalid shape of the images: expected {shape} (height, width, channels), "
            f"got {images.shape[1:]}.",
            "Give image files, which are resized as in training. "
            "Or open the images with the same --image-size and --resize.",
        )


def to_pil_image(pixels: NDArray[np.uint8]) -> PilImage:
    """Convert an array of shape (H, W, 1 or 3) to a Pillow image, grey or RGB."""
    from PIL import Image

    plane = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return Image.fromarray(np.ascontiguousarray(plane))


def data_uri(
    pixels: NDArray[np.uint8], largest_px: int | None = None, jpeg_quality: int | None = None
) -> str:
    """Encode an image as a data URI, which a page embeds.

    Args:
        pixels: Uint8 array of shape (H, W, 1 or 3).
        largest_px: Length in pixels to which the longer edge is reduced. None keeps the size.
        jpeg_quality: Quality of a JPEG, 1 to 95. None makes a lossless PNG.
    """
    image, file = to_pil_image(pixels), io.BytesIO()
    if largest_px is not None:
        image.thumbnail((largest_px, largest_px))

    if jpeg_quality is None:
        image.save(file, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(file, "JPEG", quality=jpeg_quality)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
