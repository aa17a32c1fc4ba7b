"""Drawings: scaling and centring them like the images of MNIST."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST_DRAWABLE_PX = 64  # larger images are photographs
MNIST_BOX = 20 / 28  # size of the digit relative to the image
# The digits of scikit-learn, 8 pixels, fill their images. Sizes between 8 and 20 pixels are
# untested.
SMALLEST_WITH_MARGIN_PX = 20
LEAST_INK = 32  # of 255: fainter pixels do not extend the bounding box


def accepts_drawings(image_shape: tuple[int, int, int]) -> bool:
    """Return whether images `(H, W, C)` are small and greyscale, as drawings are."""
    return image_shape[2] == 1 and max(image_shape[:2]) <= LARGEST_DRAWABLE_PX


def place_drawing(
    ink: NDArray[np.uint8], image_shape: tuple[int, int, int], *, with_margin: bool
) -> NDArray[np.uint8] | None:
    """Scale a drawing and place it in an empty image.

    The bounding box is scaled, with its proportions, until its longer side has 20 of 28 pixels. Its
    centre of mass is placed in the middle. Without a margin, the box fills the image and is centred
    itself, as in the 8x8 digits of scikit-learn.

    Args:
        ink: `(H, W)`, from 0 for paper to 255 for ink.
        image_shape: (height, width, 1) of the result.
        with_margin: Leave a margin, as in MNIST.

    Returns:
        `(height, width, 1)` with bright ink on black; None if nothing is drawn.

    References:
        LeCun, Cortes & Burges, "The MNIST database of handwritten digits": 20x20, centred by mass
        in 28x28.
    """
    from PIL import Image

    is_ink = ink >= LEAST_INK
    rows, columns = np.flatnonzero(is_ink.any(1)), np.flatnonzero(is_ink.any(0))
    if not len(rows):
        return None
    box = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])

    height, width, _ = image_shape
    scale = min(height / box.height, width / box.width)
    if with_margin:
        scale = MNIST_BOX * min(height, width) / max(box.size)
    size = max(1, round(box.width * scale)), max(1, round(box.height * scale))
    small = np.asarray(box.resize(size, Image.Resampling.BILINEAR)).astype(float)
    # Shrinking averages, so a thin pen becomes pale. Ink in the datasets is not pale.
    small *= 255 / max(small.max(), 1)

    if with_margin:
        centre = _centre_of_mass(small)
        # In 20,000 images of MNIST the centre is at row and column 14.0, counted from 0, and never
        # more than 0.53 away. It is not at 13.5.
        target = (height / 2, width / 2)
    else:
        centre = ((size[1] - 1) / 2, (size[0] - 1) / 2)
        target = ((height - 1) / 2, (width - 1) / 2)
    top = _clamp(target[0] - centre[0], height - size[1])
    left = _clamp(target[1] - centre[1], width - size[0])
    image = np.zeros((height, width, 1), np.uint8)
    image[top : top + size[1], left : left + size[0], 0] = np.round(small)
    return image


def _clamp(offset: float, largest: int) -> int:
    return min(max(0, round(offset)), max(0, largest))


def _centre_of_mass(ink: NDArray[np.float64]) -> tuple[float, float]:
    total = ink.sum() or 1.0
    row = ink.sum(1) @ np.arange(len(ink)) / total
    column = ink.sum(0) @ np.arange(ink.shape[1]) / total
    return float(row), float(column)
