"""The shapes of arrays of images: grey or colour, channels first or last, rows of pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._memory_maps import is_large_map
from headstart.errors import InputError

_FEWEST_SLICES = 8  # A last dimension of fewer is a number of channels, not the depth of a volume.
_EXPECTED = "(N, height, width) or (N, height, width, 1 or 3)"


def channels_last(images: NDArray[Any], source: str) -> NDArray[Any]:
    """Return images as an array of shape (N, height, width, channels).

    Args:
        images: Array of shape (N, H, W), (N, H, W, C) or (N, C, H, W), with C = 1 or 3. Or (N, P),
            where P is the number of pixels of a square grey image.
        source: Where the images come from, for messages.

    Raises:
        InputError: The shape is another one, such as that of volumes.
    """
    if 0 in images.shape:
        hint = "Give at least one image." if images.shape[0] == 0 else "Reshape them first."
        raise _invalid_shape(images, source, hint)
    if images.ndim == 2:
        return _squares(images, source)
    if images.ndim == 3:
        return images[..., None]
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return images
    if images.ndim == 4 and images.shape[1] in (1, 3):
        progress.say(
            f"{source}: shape {images.shape} has the channels first; they are moved to the end"
        )
        moved = np.moveaxis(images, 1, -1)
        return moved if is_large_map(images) else np.ascontiguousarray(moved)
    raise _invalid_shape(images, source, _hint(images))


def _squares(images: NDArray[Any], source: str) -> NDArray[Any]:
    """Return rows of pixels as square grey images."""
    pixels = images.shape[1]
    size = math.isqrt(pixels)
    if size * size != pixels or size < 2:
        hint = "Reshape them first."
        colour_size = math.isqrt(pixels // 3)
        if colour_size * colour_size * 3 == pixels:
            hint = (
                "Reshape them first: rows do not show the order of the channels. "
                f"As in CIFAR-10: images.reshape(-1, 3, {colour_size}, {colour_size}). "
                f"With the channels last: images.reshape(-1, {colour_size}, {colour_size}, 3)."
            )
        raise _invalid_shape(images, source, hint)
    progress.say(f"{source}: rows of {pixels:,} pixels are read as {size}x{size} grey images")
    return images.reshape(-1, size, size, 1)


def _hint(images: NDArray[Any]) -> str:
    if images.ndim == 1 and images.dtype.kind == "O":
        return "Make all images the same size, then stack them with numpy.stack."
    if images.ndim > 4 or (images.ndim == 4 and min(images.shape[1:]) >= _FEWEST_SLICES):
        return "These look like volumes, which are not supported: give one slice of each."
    if images.ndim == 4 and images.shape[3] in (2, 4):
        return f"Drop the alpha channel: images[..., :{images.shape[3] - 1}]."
    if images.ndim == 4 and images.shape[2] in (1, 3):
        return "If the last dimension numbers the images: numpy.moveaxis(images, -1, 0)."
    if images.ndim == 4:
        return "Choose one or three of the channels."
    return "Reshape them first."


def _invalid_shape(images: NDArray[Any], source: str, hint: str) -> InputError:
    return InputError(f"invalid shape of {source}: expected {_EXPECTED}, got {images.shape}.", hint)
