"""Descriptions of the kinds of TIFF that Pillow cannot read, and of raw photos."""

from __future__ import annotations

import mmap
import struct
from typing import Any

Content = bytes | bytearray | memoryview | mmap.mmap

_WIDTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 258, 259, 262
_SAMPLES, _SAMPLE_FORMAT = 277, 339
_SUBFILE_TYPE, _MAKER, _SUB_DIRECTORIES, _DNG_VERSION = 254, 271, 330, 50706

_TYPE_SIZES = {1: ("B", 1), 2: ("c", 1), 3: ("H", 2), 4: ("I", 4)}
_NUMBER_NAMES = {1: "", 2: "signed ", 3: "floating-point "}
_COLOURS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
_COMPRESSIONS = {
    34712: "JPEG 2000", 34887: "LERC", 34892: "DNG JPEG", 34925: "LZMA", 50000: "Zstandard",
    50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip


def describe_tiff(content: Content) -> str:
    """Describe a TIFF that cannot be read, such as "is a TIFF with 5 channels of 8 bits, …"."""
    advice = "save it as PNG or TIFF with 1 or 3 channels of 8 or 16 bits"
    if bytes(content[2:4]) in (b"+\0", b"\0+"):
        return f"is a BigTIFF of {len(content):,} bytes that Pillow cannot read; {advice}"
    tags = _first_directory(content)
    if not {_WIDTH, _BITS, _COMPRESSION} <= tags.keys():
        return (
            f"is a damaged or incomplete TIFF of {len(content):,} bytes: its header cannot be "
            "read; fetch it again"
        )

    bits = _number(tags, _BITS, 1)
    channels = _number(tags, _SAMPLES, 1)
    number = _NUMBER_NAMES.get(_number(tags, _SAMPLE_FORMAT, 1), "complex ")
    colour = _COLOURS.get(_number(tags, _PHOTOMETRIC, 1), "unusual")
    compression = _COMPRESSIONS.get(_number(tags, _COMPRESSION, 1))
    packed = f", compressed with {compression}" if compression else ""
    noun = "channel" if channels == 1 else "channels"
    article = "an" if colour in {"RGB", "unusual"} else "a"
    return (
        f"is {article} {colour} TIFF with {channels} {noun} of {number}{bits} bits{packed}, "
        f"which Pillow cannot read; {advice}"
    )


def raw_kind(content: Content) -> str | None:
    """Return the kind of raw photo that a TIFF is, such as "DNG", or None if it is none.

    The first image of a raw photo is a thumbnail, which must not be taken for the photo.
    """
    if bytes(content[8:10]) == b"CR":
        return "CR2"
    tags = _first_directory(content)
    if _DNG_VERSION in tags:
        return "DNG"
    if _number(tags, _SUBFILE_TYPE, 0) == 1 and _SUB_DIRECTORIES in tags:
        maker = b"".join(tags.get(_MAKER, [])).decode("ascii", "replace").upper()
        makers = {"NIKON": "NEF", "SONY": "ARW", "PENTA": "PEF"}
        return makers.get(maker[:5].strip(), "as cameras write them")
    return None


def raw_photo(kind: str) -> str:
    """Return the reason why a raw photo cannot be read, with what to do."""
    return (
        f"is a raw photo ({kind}); develop it to JPEG or 16-bit TIFF, with darktable-cli for "
        "example"
    )


def _number(tags: dict[int, list[Any]], tag: int, default: int) -> int:
    values = tags.get(tag) or [default]
    return values[0] if isinstance(values[0], int) else default


def _first_directory(content: Content) -> dict[int, list[Any]]:
    """Read the tags of the first directory, as far as they are there."""
    order = "<" if bytes(content[:2]) == b"II" else ">"
    tags: dict[int, list[Any]] = {}
    try:
        (start,) = struct.unpack_from(f"{order}I", content, 4)
        (count,) = struct.unpack_from(f"{order}H", content, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from(f"{order}HHI", content, entry)
            code, width = _TYPE_SIZES.get(kind, ("B", 1))
            at = entry + 8
            if length * width > 4:
                (at,) = struct.unpack_from(f"{order}I", content, entry + 8)
            tags[tag] = list(struct.unpack_from(f"{order}{min(length, 32)}{code}", content, at))
    except struct.error:
        pass  # What follows is missing.
    return tags
