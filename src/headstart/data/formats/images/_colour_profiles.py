"""Conversion of colours to sRGB, where an image has an ICC profile of another colour space."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

LARGEST_PROFILE_BYTES = 1 << 22
# Largest difference, in levels of 255, of two profiles that count as the same. Cameras and editors
# write sRGB in several ways that differ by rounding. Their pixels are left as they are.
SAME_PROFILE_LEVELS = 2
_CACHED_PROFILES = 64


def convert_to_srgb(image: Image, transform: ImageCmsTransform) -> Image:
    """Convert an image to sRGB. A grey image stays grey."""
    from PIL.ImageCms import applyTransform

    converted = applyTransform(image, transform) or image
    return converted.convert("L") if image.mode == "L" else converted


def srgb_transform(profile: object, mode: str) -> ImageCmsTransform | None:
    """Return the transform from a colour profile to sRGB.

    Args:
        profile: The ICC profile, as Pillow found it in the file.
        mode: Mode of the image: L, RGB or CMYK.

    Returns:
        The transform. None if the profile is that of sRGB, does not fit the mode, or cannot be
        read.
    """
    if not isinstance(profile, bytes) or not 0 < len(profile) <= LARGEST_PROFILE_BYTES:
        return None
    return _cached_transform(profile, mode)


@lru_cache(_CACHED_PROFILES)
def _cached_transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    from PIL import ImageCms

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if _changes_nothing(transform, mode) else transform
    except Exception:
        # Pillow and LittleCMS raise many kinds of errors for broken profiles, or for those of
        # another mode. Viewers ignore such profiles.
        return None


def _changes_nothing(transform: ImageCmsTransform, mode: str) -> bool:
    """Try a transform on colours from the whole range."""
    from PIL import Image, ImageCms

    if mode == "CMYK":
        return False
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    if mode == "L":
        colours = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    else:
        grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
        colours = Image.fromarray(grid.reshape(len(levels), -1, 3))
    converted = ImageCms.applyTransform(colours, transform)
    if converted is None:
        return False
    before = np.asarray(colours.convert("RGB")).astype(int)
    difference = np.abs(before - np.asarray(converted).astype(int))
    return int(difference.max()) <= SAME_PROFILE_LEVELS
