"""The scales of pixel values in files and arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data.formats.images._unreadable import UnreadableImage

if TYPE_CHECKING:
    from headstart.data.formats.images._wide_pixels import WidePixels

# A fraction, and the largest values of 8, 10, 12, 14 and 16 bits.
USUAL_SCALES = (1, 255, 1023, 4095, 16383, 65535)
FULL_SCALE = 65535.0  # of 16 bits
DARK_BELOW = 64  # A photograph whose brightest pixel is below this would be almost black.
USUAL_SHARE = 0.999  # of the pixels of an image, which the brightest ones do not decide


def smallest_scale(largest: float) -> int | None:
    """Return the smallest usual value of full brightness for pixels up to `largest`.

    None stands for pixels beyond 16 bits.
    """
    return next((scale for scale in USUAL_SCALES if largest <= scale), None)


class WideRange(NamedTuple):
    """The range of one image with more than eight bits per channel.

    Attributes:
        is_real: Whether the pixels are real numbers. Otherwise they are integers.
        largest: The largest value.
        usual: The value that a thousandth of the pixels exceed.
        is_stated: Whether the file states its scale.
    """

    is_real: bool
    largest: float
    usual: float
    is_stated: bool


def measure(wide: WidePixels) -> WideRange:
    """Return the range of an image. A value that is not finite counts as 0."""
    values = np.nan_to_num(wide.values, nan=0.0, posinf=0.0, neginf=0.0)
    usual = float(np.quantile(values, USUAL_SHARE))
    return WideRange(values.dtype.kind == "f", float(values.max()), usual, wide.has_scale)


def choose_scale(ranges: Sequence[WideRange]) -> float | None:
    """Choose the value of full brightness that all images of a dataset share.

    Integers get the smallest usual scale that no image exceeds, such as 4095. Real numbers up to 1
    get 1, as arrays do.

    Returns:
        The scale. None if no image needs one, or if the pixels do not determine it.
    """
    open_ranges = [item for item in ranges if not item.is_stated]
    if not open_ranges:
        return None
    largest = max(item.largest for item in open_ranges)
    if any(item.is_real for item in open_ranges):
        return 1.0 if largest <= 1 else None
    if largest <= 0:
        return FULL_SCALE
    scale = smallest_scale(largest)
    return None if scale is None else float(scale)


def to_eight_bits(wide: WidePixels, pixel_max: float | None) -> tuple[NDArray[np.uint8], bool]:
    """Scale wide pixels to 0 to 255.

    Args:
        wide: The pixels.
        pixel_max: Value of full brightness. None for 65535, and for 1 if the pixels are real
            numbers. A scale that the file states takes precedence.

    Returns:
        Uint8 array of the shape of the values, and whether some exceeded the scale.

    Raises:
        UnreadableImage: The pixels are negative or not finite, or their scale is unknown.
    """
    values = wide.values
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnreadableImage(
            "has pixels that are not finite (NaN or infinity); replace them in the file"
        )
    if low < 0:
        raise UnreadableImage(
            f"has negative pixels, down to {low:,g}, such as Hounsfield units; add an offset and "
            "save it with 16 bits"
        )
    if pixel_max is None and not wide.has_scale:
        _require_known_scale(values, float(high))

    scale = FULL_SCALE
    if pixel_max is not None and not wide.has_scale:
        scale = pixel_max
    elif values.dtype.kind == "f":
        scale = 1.0
    if values.dtype.kind == "f" or scale > FULL_SCALE:
        levels = np.rint(np.minimum(values, scale) * (255 / scale)).astype(np.uint8)
    else:
        levels = _levels(scale)[np.minimum(values, 65535)]
    return (255 - levels if wide.white_is_zero else levels), bool(high > scale)


def is_nearly_black(wide: WidePixels) -> bool:
    """Return whether integers use less than a sixteenth of 16 bits, as those of 12 bits do."""
    is_real = wide.values.dtype.kind == "f"
    return not (is_real or wide.has_scale) and bool(wide.values.max() < FULL_SCALE / 16)


def _require_known_scale(values: NDArray[Any], high: float) -> None:
    """Raise an error unless the pixels have 16 bits, or are real numbers up to 1."""
    limit, kind = (1.0, "real numbers") if values.dtype.kind == "f" else (FULL_SCALE, "integers")
    if high > limit:
        raise UnreadableImage(
            f"has {kind} up to {high:,g} as pixels, of an unknown scale; pass the value of full "
            f"brightness: --pixel-max {smallest_scale(high) or math.ceil(high)}"
        )


@lru_cache(maxsize=8)
def _levels(scale: float) -> NDArray[np.uint8]:
    """Return the level from 0 to 255 of each integer of 16 bits."""
    values = np.minimum(np.arange(65536), scale)
    levels = np.rint(values * (255 / scale)).astype(np.uint8)
    levels.setflags(write=False)
    return levels
