"""Statistics of images that tell photographs, drawings, noise and inverted images apart.

A network ignores much of what makes an image unusual: to a linear head on a frozen backbone, noise
looks as certain as a photograph. These statistics see it without the network. No torch here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Values per block: its arrays stay in the processor's cache.
_VALUES_PER_BLOCK = 1 << 16
# Added to standard deviations on a scale of 0 to 1, so that the logarithm of 0 is finite. It is a
# quarter of one grey level.
_LEAST_CONTRAST = 1e-3
# Each scale halves the image. At the fifth, details have 32 pixels.
_SCALES = 5
_LEAST_SIDE = 4
_CELLS = 3  # of the grid of brightness, per side
_DARK, _BRIGHT = 8, 247  # grey levels of black and white with the noise of JPEG

# From red, green and blue, 0 to 255, to brightness and two differences of colours.
_COLOURS = (np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [0.5, 0.5, -1]]) / 255).astype(np.float32)


def image_statistics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return statistics of each image, without a network.

    They are, for brightness and for two differences of colours: the mean, the logarithm of the
    standard deviation, and the logarithms of the strength of horizontal, vertical and diagonal
    details at up to five scales (Haar wavelets). For brightness, also the means of 3x3 cells, and
    the share of black and of white pixels.

    Args:
        images: Uint8 array of shape (N, H, W, C) with one or three channels.

    Returns:
        Float32 array of shape (N, d). d depends on the shape of the images only; it is 22 for
        28x28 greyscale and 62 for 100x100 colour images.
    """
    if not len(images):
        return _statistics(np.zeros((1, *images.shape[1:]), np.uint8))[:0]
    step = max(1, _VALUES_PER_BLOCK // int(np.prod(images.shape[1:])))
    blocks = [_statistics(images[start : start + step]) for start in range(0, len(images), step)]
    return np.concatenate(blocks)


def _statistics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    n, _, _, channels = images.shape
    planes = _colour_planes(images)
    means = planes.reshape(len(planes), -1).mean(1)
    contrasts = [_mean_square(planes) - means**2]

    cell = 1  # pixels per side that one value of `sums` adds up
    sums = planes
    for _ in range(_SCALES):
        if min(sums.shape[1:]) < _LEAST_SIDE:
            break
        sums, *details = _haar(sums)
        cell *= 2
        contrasts += [_mean_square(detail) / cell**4 for detail in details]

    strengths = np.log(np.sqrt(np.maximum(np.stack(contrasts, 1), 0)) + _LEAST_CONTRAST)
    columns = [
        means.reshape(n, -1),
        strengths.reshape(n, -1),
        _cell_means(sums[::channels]) / cell**2,
        _shares(images),
    ]
    return np.concatenate(columns, 1)


def _colour_planes(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return brightness, and for colour images two differences of colours: (N * C, H, W)."""
    n, height, width, channels = images.shape
    values = images.astype(np.float32)
    if channels == 1:
        return values.reshape(n, height, width) * np.float32(1 / 255)
    by_channel = values.reshape(n, height * width, channels).transpose(0, 2, 1)
    planes: NDArray[np.float32] = (_COLOURS @ by_channel).reshape(-1, height, width)
    return planes


def _haar(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Return the sums of 2x2 blocks, and their horizontal, vertical and diagonal differences.

    Rows are combined before columns: only whole rows are added as fast as memory allows.
    """
    height, width = planes.shape[1] // 2 * 2, planes.shape[2] // 2 * 2
    upper, lower = planes[:, :height:2], planes[:, 1:height:2]
    sums, differences = upper + lower, upper - lower

    left, right = sums[:, :, :width:2], sums[:, :, 1:width:2]
    left_change, right_change = differences[:, :, :width:2], differences[:, :, 1:width:2]
    return (
        left + right,
        left - right,
        left_change + right_change,
        left_change - right_change,
    )


def _mean_square(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = planes.reshape(len(planes), -1)
    squares: NDArray[np.float32] = np.einsum("ni,ni->n", rows, rows) / rows.shape[1]
    return squares


def _cell_means(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of 3x3 cells, or of fewer where an image is that small: (N, cells)."""
    n, height, width = sums.shape
    for axis, length in ((1, height), (2, width)):
        cells = min(_CELLS, length)
        edges = np.arange(cells + 1) * length // cells
        sizes = np.diff(edges).reshape((-1, 1) if axis == 1 else (1, -1))
        sums = np.add.reduceat(sums, edges[:-1], axis) / sizes.astype(np.float32)
    return sums.reshape(n, -1)


def _shares(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the shares of black and of white values: (N, 2)."""
    values = images.reshape(len(images), -1)
    weights = np.full(values.shape[1], 1 / values.shape[1], np.float32)
    # A product with ones is three times as fast as the mean of a mask.
    masks = (values < _DARK, values > _BRIGHT)
    return np.stack([mask.astype(np.float32) @ weights for mask in masks], 1)
