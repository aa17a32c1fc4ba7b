"""Nearest-neighbour classification on pixels, in blocks of bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.data import take, to_pil_image
from headstart.progress import task

LONGEST_SIDE_PX = 32
# Images per matrix product. With 3,072 pixels per image, the working memory is about 100 MB.
TRAIN_BLOCK, TEST_BLOCK = 4096, 1024
READ_BYTES = 64 << 20  # of images at their original size, before they are reduced

Rows = NDArray[np.int64]
Pixels = NDArray[np.uint8]


def reduced_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the height, width and channels at which images of a shape are compared."""
    height, width, channels = shape
    scale = min(1.0, LONGEST_SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def find_nearest(images: Pixels, train: Rows, test: Rows) -> Rows:
    """Find the training image with the smallest Euclidean distance to each test image.

    Compares |b|^2 - 2ab, from matrix products of blocks. Of several equally near images, the first
    one counts.

    Args:
        images: Images of shape (N, H, W, C), uint8. May be a memory map.
        train: Row numbers of the training images.
        test: Row numbers of the test images.

    Returns:
        One row number of a training image per test image.
    """
    smallest = np.full(len(test), np.inf, dtype=np.float32)
    nearest = np.empty(len(test), dtype=np.int64)
    test_blocks = [
        _read_pixels(images, test[start : start + TEST_BLOCK])
        for start in range(0, len(test), TEST_BLOCK)
    ]

    with task("Nearest neighbour on pixels", len(train), "images") as progress:
        for start in range(0, len(train), TRAIN_BLOCK):
            rows = train[start : start + TRAIN_BLOCK]
            b = _centre(_read_pixels(images, rows))
            squares = np.einsum("ij,ij->i", b, b)
            b *= -2

            for block, pixels in enumerate(test_blocks):
                scores = _centre(pixels) @ b.T
                scores += squares
                winner = scores.argmin(axis=1)
                score = scores[np.arange(len(winner)), winner]

                in_block = slice(block * TEST_BLOCK, block * TEST_BLOCK + len(winner))
                is_closer = score < smallest[in_block]
                smallest[in_block] = np.where(is_closer, score, smallest[in_block])
                nearest[in_block] = np.where(is_closer, rows[winner], nearest[in_block])
            progress.advance(len(rows))
    return nearest


def _centre(pixels: Pixels) -> NDArray[np.float32]:
    """Return pixels around 0, as whole numbers.

    float32 sums of up to 1,024 of them are exact, so ties and repetitions give the same result.
    """
    return pixels.astype(np.float32) - 128


def _read_pixels(images: Pixels, rows: Rows) -> Pixels:
    """Return the reduced images of shape (n, H * W * C). Large images are read a few at a time."""
    count = max(1, READ_BYTES // max(1, images[:1].nbytes))
    parts = [
        _reduce(take(images, rows[start : start + count])) for start in range(0, len(rows), count)
    ]
    return np.concatenate(parts)


def _reduce(images: Pixels) -> Pixels:
    """Return images as rows of pixels, reduced by area averages if they are large."""
    height, width, channels = reduced_shape(images.shape[1:])
    if (height, width) == images.shape[1:3]:
        return images.reshape(len(images), -1)

    from PIL.Image import Resampling

    rows = np.empty((len(images), height * width * channels), dtype=np.uint8)
    for row, image in zip(rows, images, strict=True):
        small = to_pil_image(image).resize((width, height), Resampling.BOX)
        row[:] = np.asarray(small).ravel()
    return rows
