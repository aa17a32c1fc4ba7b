"""What scikit-learn calls X as images: which shape, which scale, and how they become uint8."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

Shape = tuple[int, int, int]
Range = tuple[float, float]
_BLOCK_VALUES = 1 << 22  # scaled at once, in float64
_LEAST_OF_255 = 127  # numbers above 1 that never get here are on another scale: 0 to 16, say


def shape_of(columns: int, asked: tuple[int, ...] | None, model: str) -> Shape:
    """The (height, width, channels) of images given as rows of pixels.

    Args:
        columns: pixels of a row, channels included.
        asked: `image_shape` of the estimator; None guesses a grey square, then a square of three channels. For `mlp`, to which
            the arrangement of pixels means nothing, a row that fits neither is one line of pixels.

    Raises:
        InputError: `asked` has another number of values, or there is nothing to guess.
    """
    if asked is not None:
        shape = (*asked, 1) if len(asked) == 2 else tuple(asked)
        if len(shape) != 3 or math.prod(shape) != columns:
            raise InputError(
                f"image_shape is {tuple(asked)}, which is {math.prod(shape):,} values an image, but X has {columns:,} columns.",
                "Give (height, width) or (height, width, channels).",
            )
        return shape[0], shape[1], shape[2]
    for channels in (1, 3):
        side = math.isqrt(columns // channels)
        if side * side * channels == columns:
            return side, side, channels
    if model == "mlp":
        return 1, columns, 1
    raise InputError(
        f"X has {columns:,} columns, which fit no square image, grey or RGB.",
        "Give image_shape=(height, width[, channels]).",
    )


def range_of(pixels: NDArray[Any], asked: Range | None) -> Range:
    """Which values mean black and white.

    uint8 is 0 to 255. Other numbers, by what the training images hold: 0 to 1; 0 to 255, if the brightest is above 127; else
    from the lowest to the highest value that is there.

    Raises:
        InputError: `asked` is no range.
    """
    if asked is not None:
        if not (len(asked) == 2 and all(map(math.isfinite, asked)) and asked[0] < asked[1]):
            raise InputError(
                f"pixel_range is {asked}, but wanted are two numbers, the lower first.",
                "Example: (0, 255)",
            )
        return float(asked[0]), float(asked[1])
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and _LEAST_OF_255 < high <= 255:
        return 0.0, 255.0
    return low, max(high, low + 1.0 if low == high else high)


def as_uint8(pixels: NDArray[Any], scale: Range, *, is_measured: bool) -> NDArray[np.uint8]:
    """Numbers on a scale as uint8; uint8 on the scale 0 to 255, or 0 to 1, stays as it is.

    Args:
        is_measured: whether the scale is merely what the training images held: values beyond it then become black or white.

    Raises:
        InputError: values off the scale, which is fixed; or fractions up to 1 where 255 is white.
    """
    low, high = scale
    if pixels.dtype == np.uint8 and scale in ((0.0, 255.0), (0.0, 1.0)):
        return pixels
    out = np.empty(pixels.shape, np.uint8)
    brightest, has_fractions = 0.0, False
    rows = max(1, _BLOCK_VALUES // math.prod(pixels.shape[1:]))
    for start in range(0, len(pixels), rows):
        block = pixels[start : start + rows].astype(np.float64)
        if not is_measured and (block.min() < low or block.max() > high):
            raise InputError(
                f"X has values from {block.min():g} to {block.max():g}, but this classifier was fitted on {low:g} to {high:g}.",
                "Scale the images as those of fit, or set pixel_range before it.",
            )
        brightest, has_fractions = (
            max(brightest, float(block.max())),
            has_fractions or bool((block % 1).any()),
        )
        out[start : start + len(block)] = np.rint(
            (block.clip(low, high) - low) * (255 / (high - low))
        )
    if scale == (0.0, 255.0) and brightest <= 1 and has_fractions:
        raise InputError(
            f"X has values up to {brightest:g}, but this classifier was fitted on images where 255 is white.",
            "Multiply them by 255 if 1 is white here.",
        )
    return out
