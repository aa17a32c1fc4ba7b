"""Properties of an image that say nothing about what it shows, as numbers for a classifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.audit._pixel_statistics import PixelStatistics
from headstart.data import FileFacts

FloatArray = NDArray[np.float64]
_MOST_KINDS = 30  # Rarer modes, formats and cameras count as one kind.
_OF_FILES = ("size", "shape", "mode", "file format", "JPEG quality", "camera", "bytes per pixel")


class Property(NamedTuple):
    """A property of every image.

    Attributes:
        name: Its name, such as "size".
        values: Float64 array of shape (N, D).
        is_of_file: Whether the property comes from the file alone. Others come from pixels, and
            so may belong to what is shown.
        texts: The value of each image for people, or None.
    """

    name: str
    values: FloatArray
    is_of_file: bool
    texts: Sequence[str] | None


def list_properties(
    facts: FileFacts | None, statistics: PixelStatistics
) -> tuple[list[Property], tuple[str, ...]]:
    """List the properties that differ between images, and the names of those that are unknown.

    Args:
        facts: Headers of the files, or None.
        statistics: Statistics of the pixels.
    """
    brightness = [f"{100 * value:.0f}%" for value in statistics.brightness]
    border = [_colour_text(colour) for colour in statistics.border]
    properties = [
        Property("mean brightness", statistics.brightness[:, None], False, brightness),
        Property("border colour", statistics.border, False, border),
    ]
    if facts is not None:
        properties += _file_properties(facts)
    varied = [prop for prop in properties if np.ptp(prop.values, axis=0).any()]
    return varied, _OF_FILES if facts is None else ()


def _file_properties(facts: FileFacts) -> list[Property]:
    width, height = facts.width.astype(np.float64), facts.height.astype(np.float64)
    pixels = np.maximum(width * height, 1)
    ratio = width / np.maximum(height, 1)
    # -1 where there is no JPEG: trees need no other scale.
    quality = np.nan_to_num(facts.jpeg_quantization, nan=-1.0)
    bytes_per_pixel = facts.size_bytes / pixels
    sizes = [f"{w:.0f}x{h:.0f}" for w, h in zip(width, height, strict=True)]
    return [
        Property("size", np.stack([width, height], axis=1), True, sizes),
        Property("shape", ratio[:, None], True, [f"{value:.2f}" for value in ratio]),
        Property("mode", _one_hot(facts.mode), True, facts.mode),
        Property("file format", _one_hot(facts.file_format), True, facts.file_format),
        Property("JPEG quality", quality[:, None], True, [f"{value:.0f}" for value in quality]),
        Property("camera", _one_hot(facts.camera), True, facts.camera),
        # How well a picture compresses depends on what it shows.
        Property(
            "bytes per pixel",
            bytes_per_pixel[:, None],
            False,
            [f"{value:.2f}" for value in bytes_per_pixel],
        ),
    ]


def _one_hot(words: Sequence[str]) -> FloatArray:
    """Return one column of zeros and ones for each frequent word."""
    frequent = [word for word, _ in Counter(words).most_common(_MOST_KINDS)]
    number = {word: column for column, word in enumerate(frequent)}
    columns = np.zeros((len(words), len(frequent)))
    for row, word in enumerate(words):
        if word in number:
            columns[row, number[word]] = 1
    return columns


def _colour_text(colour: FloatArray) -> str:
    levels = np.rint(255 * colour).astype(int).tolist()
    return f"{levels[0]}" if len(levels) == 1 else "({}, {}, {})".format(*levels)
