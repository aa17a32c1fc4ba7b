"""Arrays of pixels as pictures for pages and figures."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def check_pixels(images: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
    """Raise InputError unless these are uint8 images `(N, *shape)`: numbers of another scale would get answers, wrong ones."""
    if images.dtype != np.uint8:
        raise InputError(
            f"these images are {images.dtype}, but wanted is uint8 from 0 to 255.",
            "If they go from 0 to 1: numpy.rint(255 * images).astype('uint8').",
        )
    if images.shape[1:] != shape:
        raise InputError(
            f"these images are {images.shape[1:]} (height, width, channels), but this classifier takes {shape}.",
            "Give image files, which are resized as in training, or open them with the same --image-size and --resize.",
        )


def to_pil_image(pixels: NDArray[np.uint8]) -> Picture:
    """`(H, W, 1 or 3)` uint8 as Pillow's image, grey or RGB."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def data_uri(
    pixels: NDArray[np.uint8], largest_px: int | None = None, jpeg_quality: int | None = None
) -> str:
    """`(H, W, 1 or 3)` uint8 as the address of an image that a page carries with it.

    Args:
        largest_px: of its longer side; larger ones are reduced.
        jpeg_quality: 1 to 95 for a JPEG; None for a PNG, which loses nothing.
    """
    picture, file = to_pil_image(pixels), io.BytesIO()
    if largest_px is not None:
        picture.thumbnail((largest_px, largest_px))
    if jpeg_quality is None:
        picture.save(file, "PNG", optimize=True)
    else:
        picture.save(file, "JPEG", quality=jpeg_quality)
    kind = "png" if jpeg_quality is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
