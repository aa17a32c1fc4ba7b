"""Images as Pillow images and as data URIs, for pages and figures."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

Shape = tuple[int, int, int]


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
            "Pass image files, which are resized as in training. "
            "Or open the images with the same --image-size and --resize.",
        )


def to_pil_image(pixels: NDArray[np.uint8]) -> PilImage:
    """Convert pixels to a Pillow image, grey or RGB.

    Args:
        pixels: uint8 array of shape (H, W, 1 or 3).
    """
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

    Returns:
        Text that begins with `data:image/`.
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


def pack_sheet(
    images: Iterable[NDArray[np.uint8]], largest_px: int, quality: int
) -> tuple[bytes, Shape]:
    """Encode images of one shape as the tiles of one JPEG, row by row.

    One file of many tiles takes about half the space of many files.

    Args:
        images: At least one uint8 array of shape (H, W, 1 or 3). All have the same shape.
        largest_px: Length in pixels to which the longer edge is reduced.
        quality: Quality of the JPEG, 1 to 95.

    Returns:
        The JPEG, and the shape (height, width, channels) of a tile.
    """
    tiles = np.stack([_reduced(image, largest_px) for image in images])
    shape: Shape = tiles.shape[1:]
    columns = sheet_columns(len(tiles))
    missing = -len(tiles) % columns
    tiles = np.concatenate([tiles, np.zeros((missing, *shape), np.uint8)])
    height, width, channels = shape
    grid = tiles.reshape(-1, columns, height, width, channels).swapaxes(1, 2)

    file = io.BytesIO()
    sheet = to_pil_image(grid.reshape(-1, columns * width, channels))
    # Without subsampling, the colours of a tile stay in it.
    sheet.save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue(), shape


def unpack_sheet(content: bytes, count: int, shape: Shape) -> NDArray[np.uint8]:
    """Return the tiles of a JPEG, uint8 of shape (count, H, W, C).

    Args:
        content: The JPEG.
        count: Number of tiles.
        shape: Height, width and channels of a tile.

    Raises:
        ValueError: The content is not such a JPEG.
    """
    from PIL import Image

    height, width, channels = shape
    columns = sheet_columns(count)
    size = (columns * width, -(-count // columns) * height)
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as sheet:
        # Checked before any pixel is decoded.
        if sheet.size != size or sheet.mode != {1: "L", 3: "RGB"}.get(channels):
            raise ValueError(f"expected a sheet of {size} pixels, got {sheet.size}")
        pixels = np.asarray(sheet)
    grid = pixels.reshape(-1, height, columns, width, channels).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(-1, height, width, channels)[:count])


def sheet_columns(count: int) -> int:
    """Return the number of tiles in a row of a sheet, which is about square."""
    return max(1, math.isqrt(count))


def _reduced(pixels: NDArray[np.uint8], largest_px: int) -> NDArray[np.uint8]:
    if max(pixels.shape[:2]) <= largest_px:
        return pixels
    image = to_pil_image(pixels)
    image.thumbnail((largest_px, largest_px))
    reduced = np.asarray(image)
    return reduced if reduced.ndim == 3 else reduced[..., None]
