"""Why an image cannot be read, in words that fit after the name of its file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.formats.images._costly_images import too_many_pixels
from headstart.data.formats.images._identify_file import identify_file
from headstart.data.formats.images._suffixes import DECODERS, format_name
from headstart.data.formats.images._unreadable import (
    FileNotReadable,
    UnreadableImage,
    UnreadableMetadata,
)

if TYPE_CHECKING:
    from PIL.Image import Image

# Words in the errors of Pillow's PNG decoder about texts and profiles, and about the rest.
_METADATA_WORDS = ("MAX_TEXT_CHUNK", "MAX_TEXT_MEMORY", "Unknown compression method")
_INCOMPLETE_WORDS = ("truncated", "unexpected end", "premature end", "not enough image data")
# The formats that Pillow reads, by the name that `identify_file` gives them.
_DECODER_OF_NAME = {format_name(decoder): decoder for decoder in DECODERS}


def explain_failure(
    error: Exception,
    file: Path | bytes,
    image: Image | None,
    accepted: tuple[str, ...],
    limit: int | None,
) -> UnreadableImage:
    """Return the error about an image, from what Pillow raised.

    Damaged files make Pillow's decoders raise SyntaxError, struct.error, IndexError and more.

    Args:
        error: What was raised.
        file: The path or the content of the image.
        image: The opened image, or None if it could not be opened.
        accepted: The decoders that the file could choose.
        limit: The most pixels that it may have, or None.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        pixels = re.search(r"(\d+) pixels", str(error))
        return too_many_pixels(int(pixels[1]) if pixels else 0, limit or 0)
    if isinstance(error, OSError) and error.errno is not None:
        return FileNotReadable(f"cannot be read: {error.strerror or error}")
    if any(word in str(error) for word in _METADATA_WORDS):
        return UnreadableMetadata(f"has metadata that cannot be read: {error}")
    if image is None:
        kind = identify_file(file)
        is_refused = kind.name in _DECODER_OF_NAME and _DECODER_OF_NAME[kind.name] not in accepted
        if is_refused:
            return UnreadableImage(f"is not an image of an accepted format: it is {kind.name}")
        if isinstance(error, UnidentifiedImageError) and kind.name == "PNG":
            return UnreadableMetadata(kind.reason)
        return UnreadableImage(kind.reason)
    if isinstance(error, EOFError) or any(w in str(error).lower() for w in _INCOMPLETE_WORDS):
        return UnreadableImage(_incomplete(file, image))
    if image.format == "PNG":
        return UnreadableMetadata(f"is a damaged PNG: {error}")
    return UnreadableImage(f"is a damaged {format_name(image.format)}: {error}")


def _incomplete(file: Path | bytes, image: Image) -> str:
    size = file.stat().st_size if isinstance(file, Path) else len(file)
    reason = f"is a truncated {format_name(image.format)}: {size:,} bytes are there"
    share = _share_decoded(image)
    if share:
        reason += f", with {share:.0%} of the picture"
    return f"{reason}; download or copy it again"


def _share_decoded(image: Image) -> float:
    """Return the share of the rows that were decoded before the file ended."""
    try:
        box = image.im.getbbox()
    except (AttributeError, AssertionError, ValueError):
        return 0.0  # Nothing was decoded. Pillow asserts it for AVIF.
    return box[3] / image.height if box else 0.0
