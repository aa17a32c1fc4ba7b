"""Decoding of a JPEG at a reduced scale, where the result cannot show all of its detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.data._types import Resize
from headstart.data.formats.images._costly_images import least_reduction

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# A JPEG is decoded at 1.5 to 3 times the needed size, and above that only where the decoder's
# largest factor, 8, is too small. So resizing still averages over pixels. The results differ less
# from whole images than those of another smooth filter: benchmarks/data.md, section "The scale of a
# JPEG".
SCALE_MARGIN = 1.5

# Left, top, right and bottom edge of a part of an image, in pixels.
Box = tuple[float, float, float, float]


def reduce_scale(
    image: ImageFile, shape: tuple[int, int, int], resize: Resize, pixel_limit: int | None
) -> Box | None:
    """Let the decoder of a JPEG skip detail that the result cannot show, or that a limit forbids.

    Args:
        image: The opened image, not decoded yet.
        shape: Height, width and channels of the result.
        resize: How the image is fitted.
        pixel_limit: The most pixels that may be decoded. None for any number.

    Returns:
        The part of the decoded image that the picture covers, or None if that is all of it. The
        decoder rounds width and height up, so the last column and row may be covered in part.
    """
    height, width, _ = shape
    edge = max(image.size) if resize == "pad" else min(image.size)
    factor = SCALE_MARGIN * max(height, width) / edge
    size = round(image.width * factor), round(image.height * factor)

    reduction = least_reduction(image, pixel_limit)
    if reduction > 1:
        size = min(size[0], image.width // reduction), min(size[1], image.height // reduction)
    reduced = image.draft(image.mode, (max(1, size[0]), max(1, size[1])))
    if reduced is None or reduced[1] == (0, 0, *image.size):
        return None
    return reduced[1]
