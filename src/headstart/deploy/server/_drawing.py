"""A drawing to the image that a classifier of digits or letters knows: scaled and centred as MNIST was made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST_SIDE_PX = 64  # of images that can be drawn: larger ones are photographs
MNIST_BOX = 20 / 28  # of the image's side
LEAST_SIDE_WITH_MARGIN_PX = (
    20  # scikit-learn's digits of 8 pixels fill their images; in between nobody has looked
)
LEAST_INK = 32  # of 255: fainter pixels do not stretch the box


def can_be_drawn(image_shape: tuple[int, int, int]) -> bool:
    """Whether images `(H, W, C)` are small and grey, as drawings are."""
    return image_shape[2] == 1 and max(image_shape[:2]) <= LARGEST_SIDE_PX


def place_drawing(
    ink: NDArray[np.uint8], image_shape: tuple[int, int, int], *, with_margin: bool
) -> NDArray[np.uint8] | None:
    """What was drawn, scaled and placed in an empty image.

    Its bounding box is scaled, proportions kept, until its longer side is 20 of 28 pixels, and its centre of mass comes to the
    middle. Without a margin the box is the whole image and is itself centred, as in scikit-learn's 8x8 digits.

    Args:
        ink: `(H, W)`, 0 for paper, 255 for ink.
        image_shape: (H, W, 1) of the image wanted.
        with_margin: as in MNIST.

    Returns:
        `(H, W, 1)` with bright ink on black; None if nothing is drawn.

    Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits": 20x20, centred by mass in 28x28.
    """
    from PIL import Image

    rows, columns = (np.flatnonzero((ink >= LEAST_INK).any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    drawn = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    height, width, _ = image_shape
    full = min(height / drawn.height, width / drawn.width)
    scale = MNIST_BOX * min(height, width) / max(drawn.size) if with_margin else full
    size = max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale))
    small = np.asarray(drawn.resize(size, Image.Resampling.BILINEAR)).astype(
        float
    )  # averages when it makes smaller
    small *= 255 / max(
        small.max(), 1
    )  # a thin pen in few pixels is pale, ink in the data sets is not
    middle = _centre_of_mass(small) if with_margin else ((size[1] - 1) / 2, (size[0] - 1) / 2)
    # In 20,000 images of MNIST the centre lies at row and column 14.0 counted from 0, never more than 0.53 off; not at 13.5.
    goal = (height / 2, width / 2) if with_margin else ((height - 1) / 2, (width - 1) / 2)
    top = _clamped(goal[0] - middle[0], height - size[1])
    left = _clamped(goal[1] - middle[1], width - size[0])
    image = np.zeros((height, width, 1), np.uint8)
    image[top : top + size[1], left : left + size[0], 0] = np.round(small)
    return image


def _clamped(offset: float, most: int) -> int:
    return min(max(0, round(offset)), max(0, most))


def _centre_of_mass(ink: NDArray[np.float64]) -> tuple[float, float]:
    total = ink.sum() or 1.0
    return float(ink.sum(1) @ np.arange(len(ink)) / total), float(
        ink.sum(0) @ np.arange(ink.shape[1]) / total
    )
