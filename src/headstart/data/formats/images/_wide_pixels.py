"""Pixels of more than eight bits per channel: as Pillow reads them, and as it does not.

Pillow keeps 16-bit and 32-bit grey, and drops the low byte of 16-bit colour. It misreads some
kinds of TIFF without a word. Here they are read in full, so that a scale can be applied to them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data.formats.images._unreadable import UnreadableImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_TIFF_BITS = 258
_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_TIFF_PLANAR, _ONE_PLANE_PER_CHANNEL = 284, 2
# The unpacker that yields the low byte of each 16-bit value, by the end of the one for the high.
_LITTLE_ENDIAN = sys.byteorder == "little"
_LOW_BYTE = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if _LITTLE_ENDIAN else ";16L"}
_WIDE_COLOUR = ("RGB", "RGBX", "RGBA", "CMYK")
# libtiff has put these in the order of the machine already. Pillow would swap them once more.
_NATIVE_ORDER = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}

Reopen = Callable[[], AbstractContextManager["ImageFile"]]


class WidePixels(NamedTuple):
    """Pixels of more than eight bits per channel.

    Attributes:
        values: Array of shape (H, W), grey, or (H, W, C) with C = 3 (RGB) or 4 (CMYK). Integers or
            real numbers.
        alpha: Uint8 array of shape (H, W), or None if the image is opaque.
        white_is_zero: Whether the smallest value is white.
        has_scale: Whether the format states the scale, so that 65535 is full brightness.
    """

    values: NDArray[Any]
    alpha: NDArray[np.uint8] | None
    white_is_zero: bool
    has_scale: bool


def is_wide(image: ImageFile) -> bool:
    """Return whether an opened image has more than eight bits per channel."""
    return is_wide_grey(image) or _wide_colour(image) is not None


def is_wide_grey(image: ImageFile) -> bool:
    """Return whether an opened image is grey, with more than eight bits."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return True
    return bool(image.tile) and _raw_mode(image.tile[0]) == "LA;16B"


def read_wide(image: ImageFile, reopen: Reopen) -> WidePixels:
    """Decode an opened image whose pixels are wide.

    Args:
        image: The image. It is decoded here.
        reopen: Function that opens it once more, for the low bytes.

    Raises:
        UnreadableImage: Pillow would misread this kind of TIFF.
    """
    has_scale = _states_its_scale(image)
    white_is_zero = image.format == "TIFF" and _tag(image, _TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
    colour = _wide_colour(image)
    if colour == "LA;16B":
        # Four bytes per pixel, as in RGBA: both bytes of grey, and both of alpha.
        _set_raw_mode(image, lambda _: "RGBA")
        parts = np.asarray(image)
        grey = parts[..., 0].astype(np.uint16) << 8 | parts[..., 1]
        return WidePixels(grey, parts[..., 2], white_is_zero, has_scale)
    if colour is not None:
        values = _read_both_bytes(image, reopen)
        if image.mode == "RGBA":
            alpha = (values[..., 3] >> 8).astype(np.uint8)
            return WidePixels(values[..., :3], alpha, white_is_zero, has_scale)
    else:
        if image.tile and image.tile[0].codec_name == "libtiff":  # plug-ins may have no tiles
            _set_raw_mode(image, _without_second_swap)
        values = np.asarray(image)
    return WidePixels(values, _transparent_value(image, values), white_is_zero, has_scale)


def _wide_colour(image: ImageFile) -> str | None:
    """Return the raw mode of 16-bit colour or of 16-bit grey with alpha, or None."""
    if not image.tile or image.mode not in {"RGB", "RGBA", "CMYK"}:
        return None
    raw = _raw_mode(image.tile[0])
    if raw == "LA;16B":
        return raw
    has_planes = image.format == "TIFF" and _tag(image, _TIFF_PLANAR) == _ONE_PLANE_PER_CHANNEL
    if has_planes and 16 in (_tag(image, _TIFF_BITS) or ()):
        raise UnreadableImage(
            "is a 16-bit RGB TIFF with one plane per channel, which Pillow misreads; save it as a "
            "16-bit PNG, or with interleaved channels"
        )
    return raw if raw[:-4] in _WIDE_COLOUR and raw[-4:] in _LOW_BYTE else None


def _read_both_bytes(image: ImageFile, reopen: Reopen) -> NDArray[np.uint16]:
    with reopen() as again:
        _set_raw_mode(again, lambda raw: raw[:-4] + _LOW_BYTE[raw[-4:]])
        low = np.asarray(again)
    values: NDArray[np.uint16] = np.asarray(image).astype(np.uint16) << 8 | low
    return values


def _states_its_scale(image: ImageFile) -> bool:
    """Return whether Pillow has scaled the pixels to 16 bits, from a maximum in the file."""
    if image.format == "JPEG2000":
        return True
    is_scaled = bool(image.tile) and isinstance(image.tile[0].args, tuple)
    return image.format == "PPM" and image.mode == "I" and is_scaled


def _transparent_value(image: ImageFile, values: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the alpha channel of a PNG that declares one value or colour as transparent."""
    key = image.info.get("transparency")
    if image.format != "PNG" or not isinstance(key, int | tuple):
        return None
    matches = values == np.asarray(key)
    if values.ndim == 3:
        matches = matches.all(axis=2)
    return np.where(matches, 0, 255).astype(np.uint8)


def _without_second_swap(raw: str) -> str:
    return _NATIVE_ORDER.get(raw, raw) if _LITTLE_ENDIAN else raw


def _set_raw_mode(image: ImageFile, change: Callable[[str], str]) -> None:
    """Change how the decoder's bytes become pixels."""
    tiles = []
    for tile in image.tile:
        new = change(_raw_mode(tile))
        args = (new, *tile.args[1:]) if isinstance(tile.args, tuple) else new
        tiles.append(tile._replace(args=args))
    image.tile = tiles


def _raw_mode(tile: Any) -> str:
    args = tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args
    return args if isinstance(args, str) else ""


def _tag(image: ImageFile, tag: int) -> Any:
    return image.tag_v2.get(tag)  # type: ignore[attr-defined]  # only TIFF images have tags
