"""Read scikit-learn's X as images: their shape, their scale, and conversion to uint8."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

Shape = tuple[int, int, int]
Range = tuple[float, float]
_BLOCK_VALUES = 1 << 22  # converted together, in float64
# Values above 1 that never exceed this are on another scale than 0 to 255, such as 0 to 16.
_LEAST_MAXIMUM_OF_255 = 127
# Images are refused if a larger fraction of their pixels that are not black lies beyond the scale.
# On another scale nearly all do. Behind a scaler that was fitted on other images, few do. A guess.
_LARGEST_FRACTION_BEYOND = 0.5


def shape_of(columns: int, image_shape: tuple[int, ...] | None, model: str) -> Shape:
    """Return the (height, width, channels) of images that are given as rows of pixels.

    Args:
        columns: Pixels per row, channels included.
        image_shape: The estimator's `image_shape`. None: a grey square if one fits, otherwise a
            square of three channels. For `mlp`, to which the arrangement of pixels means nothing,
            any other row is one line of pixels.
        model: Name of the model.

    Raises:
        InputError: `image_shape` has another number of values, or no square fits.
    """
    if image_shape is not None:
        shape = (*image_shape, 1) if len(image_shape) == 2 else tuple(image_shape)
        if len(shape) != 3 or math.prod(shape) != columns:
            raise InputError(
                f"image_shape is {tuple(image_shape)}, which is {math.prod(shape):,} values per "
                f"image, but X has {columns:,} columns.",
                "Pass (height, width) or (height, width, channels).",
            )
        return shape[0], shape[1], shape[2]

    for channels in (1, 3):
        size = math.isqrt(columns // channels)
        if size * size * channels == columns:
            return size, size, channels
    if model == "mlp":
        return 1, columns, 1
    raise InputError(
        f"X has {columns:,} columns, which fit no square image, grey or RGB.",
        "Pass image_shape=(height, width[, channels]).",
    )


def images_of(pixels: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Return the images that a fitted classifier is given as an array (N, height, width, channels).

    Only rows are reshaped. An image of another shape with as many values, such as one that is
    turned, would become another picture.

    Args:
        pixels: Rows (N, height * width * channels), or images (N, H, W), (N, H, W, C) or
            (N, C, H, W).
        shape: (height, width, channels) of the training images.

    Raises:
        InputError: The images have another shape.
    """
    height, width, channels = shape
    if pixels.ndim == 2 and pixels.shape[1] == math.prod(shape):
        return pixels.reshape(len(pixels), *shape)

    images = pixels[..., None] if pixels.ndim == 3 else pixels
    if images.shape[1:] == shape:
        return images
    if images.shape[1:] == (channels, height, width):
        return np.moveaxis(images, 1, -1)
    raise InputError(
        f"invalid shape of the images: expected {shape} (height, width, channels), as in fit, "
        f"got {images.shape[1:]}.",
        "Pass images of that height and width, or rows of their pixels.",
    )


def range_of(pixels: NDArray[Any], pixel_range: Range | None) -> Range:
    """Return the values that mean black and white.

    For uint8 they are 0 and 255. For other numbers they follow from the training images: 0 and 1 if
    all values lie there; 0 and 255 if all lie there and the largest is above 127; otherwise the
    lowest and the highest value.

    Args:
        pixels: The training images.
        pixel_range: The estimator's `pixel_range`, which decides if it is given.

    Raises:
        InputError: `pixel_range` is not two finite numbers, the lower first.
    """
    if pixel_range is not None:
        is_range = len(pixel_range) == 2 and all(map(math.isfinite, pixel_range))
        if not is_range or pixel_range[0] >= pixel_range[1]:
            raise InputError(
                f"invalid pixel_range: expected two numbers, the lower first, got {pixel_range}.",
                "Example: (0, 255)",
            )
        return float(pixel_range[0]), float(pixel_range[1])

    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and _LEAST_MAXIMUM_OF_255 < high <= 255:
        return 0.0, 255.0
    return low, max(high, low + 1.0 if low == high else high)


def as_uint8(pixels: NDArray[Any], scale: Range, *, is_measured: bool) -> NDArray[np.uint8]:
    """Return numbers on a scale as uint8; values beyond the scale become black or white.

    uint8 images on the scale 0 to 255 or 0 to 1 are returned as they are.

    Args:
        pixels: Images of shape (N, ...).
        scale: The values that mean black and white.
        is_measured: Whether the scale is only the range of the training images. Then images may lie
            beyond it.

    Raises:
        InputError: The images are on another scale: most of their pixels that are not black lie
            beyond it, or they have fractions up to 1 where 255 is white.
    """
    low, high = scale
    if pixels.dtype == np.uint8 and scale in ((0.0, 255.0), (0.0, 1.0)):
        return pixels

    converted = np.empty(pixels.shape, np.uint8)
    lowest, highest = math.inf, -math.inf
    beyond = not_black = 0
    has_fractions = False
    rows = max(1, _BLOCK_VALUES // math.prod(pixels.shape[1:]))
    for start in range(0, len(pixels), rows):
        block = pixels[start : start + rows].astype(np.float64)
        lowest = min(lowest, float(block.min()))
        highest = max(highest, float(block.max()))
        beyond += int(np.count_nonzero((block < low) | (block > high)))
        not_black += int(np.count_nonzero(block != low))
        has_fractions = has_fractions or bool((block % 1).any())
        levels = (block.clip(low, high) - low) * (255 / (high - low))
        converted[start : start + len(block)] = np.rint(levels)

    if not is_measured and beyond > _LARGEST_FRACTION_BEYOND * not_black:
        raise InputError(
            f"X has values from {lowest:g} to {highest:g}, but this classifier was fitted on "
            f"{low:g} to {high:g}.",
            "Scale the images as those of fit, or set pixel_range before it.",
        )
    if scale == (0.0, 255.0) and highest <= 1 and has_fractions:
        raise InputError(
            f"X has values up to {highest:g}, but this classifier was fitted on images where 255 "
            "is white.",
            "Multiply them by 255 if 1 is white here.",
        )
    return converted
