"""The scale that all images of a dataset with more than eight bits per channel share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._memory_maps import blocks
from headstart.data._threads import map_in_threads
from headstart.data.formats.images._decode import measure_image, read_header
from headstart.data.formats.images._open_image import (
    ImageSource,
    UnreadableImage,
    ignore_decoder_warnings,
)
from headstart.data.formats.images._pixel_scales import (
    DARK_BELOW,
    WideRange,
    choose_scale,
    smallest_scale,
)
from headstart.errors import InputError

_OUTLIER_RATIO = 16  # Images that use less of the scale keep fewer than 16 of 256 levels.

SourceOf = Callable[[int], ImageSource]


def find_scale(source_of: SourceOf, rows: Sequence[int], title: str) -> float | None:
    """Find the value of full brightness of images, from the largest value of all of them.

    Args:
        source_of: Function that returns the path or the content of the image of a row.
        rows: The images with more than eight bits per channel.
        title: Name of the data, for messages.

    Returns:
        The scale. None if the files state it, or if the pixels do not determine it.
    """

    def measure(row: int) -> WideRange | None:
        try:
            return measure_image(source_of(row))
        except UnreadableImage:
            return None  # The error is reported when the image is decoded.

    with ignore_decoder_warnings():
        results = map_in_threads(measure, rows, f"measuring the brightness of {title}")
    ranges = [result for result in results if result is not None]
    scale = choose_scale(ranges)
    if scale is not None:
        _say_if_crushed(ranges, scale, title)
    return scale


def _say_if_crushed(ranges: Sequence[WideRange], scale: float, title: str) -> None:
    """Say so if a few bright pixels decide the scale, and the others become nearly black."""
    usual = float(np.median([item.usual for item in ranges]))
    if usual <= 0 or usual * _OUTLIER_RATIO > scale:
        return
    progress.say(
        f"{title}: in half of the images with more than 8 bits per channel, 99.9% of the pixels "
        f"are at most {usual:,g} of {scale:,g}, so they are nearly black. If the brighter pixels "
        f"are marks or faults: --pixel-max {smallest_scale(usual) or scale:g}"
    )


def require_wide(source_of: SourceOf, count: int, title: str) -> None:
    """Raise an error if no image has more than eight bits per channel, so no scale applies.

    Args:
        source_of: Function that returns the path or the content of the image of a row.
        count: Number of images.
        title: Name of the data, for messages.

    Raises:
        InputError: All images have eight bits per channel.
    """
    with ignore_decoder_warnings():
        for row in range(count):
            try:
                if read_header(source_of(row)).is_wide:
                    return
            except UnreadableImage:
                continue  # The error is reported when the image is decoded.
    raise InputError(
        f"pixel_max does not apply to {title}: none of its images has more than 8 bits per "
        "channel.",
        "Leave the option out.",
    )


def describe_scale(scale: float) -> str:
    """Return a sentence about a scale that was found, for the dataset that it belongs to."""
    return (
        f"pixels of more than 8 bits are read on the scale 0 to {scale:,g}, the smallest usual one "
        "that holds their largest value; --pixel-max sets another"
    )


def question_dark_images(title: str, images: NDArray[np.uint8]) -> None:
    """Print a question about the scale if even the brightest pixel of all images is almost black.

    Args:
        title: Name of the data.
        images: Uint8 array of shape (N, H, W, C).
    """
    brightest = 0
    for _, block in blocks(images, "looking for the brightest pixel"):
        brightest = max(brightest, int(block.max()))
        if brightest >= DARK_BELOW:
            return
    if brightest:
        progress.say(
            f"{title}: the brightest pixel is {brightest}, where 255 is full brightness. "
            f"If the scale ends there, multiply the pixels of image files by {255 // brightest}. "
            f"Arrays need an option: --pixel-max {brightest}"
        )
