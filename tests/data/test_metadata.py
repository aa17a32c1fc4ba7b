"""Orientation and broken metadata: every viewer shows these photographs upright."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from raw_images import encoded, png_chunk, png_with

from headstart.data.formats.images._decode import read_header, read_image
from headstart.data.formats.images._open_image import ignore_decoder_warnings

LEFT, RIGHT = (30, 30, 200), (200, 30, 30)
PHOTO = Image.new("RGB", (40, 20), RIGHT)
PHOTO.paste(LEFT, (0, 0, 20, 20))
ROTATED = 6  # a quarter turn clockwise: what is left comes to the top


def entry(tag: int, kind: int, count: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HHI", tag, kind, count) + value


def exif(*entries: bytes, tail: bytes = b"", order: str = "<") -> bytes:
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(f"{order}IH", 8, len(entries))
    return head + b"".join(entries) + b"\0\0\0\0" + tail


TURN = entry(0x0112, 3, 1, struct.pack("<HH", ROTATED, 0))
FAR = struct.pack("<I", 38)  # behind two entries
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
READABLE = {
    "sound": exif(TURN),
    "twice the header": b"Exif\0\0" + exif(TURN),
    "big endian": exif(entry(0x0112, 3, 1, b"\0\6\0\0", ">"), order=">"),
    "as a long": exif(entry(0x0112, 4, 1, struct.pack("<I", ROTATED))),
    "as a byte": exif(entry(0x0112, 1, 1, b"\6\0\0\0")),
    "division by zero": exif(TURN, entry(0x011A, 5, 1, FAR), tail=struct.pack("<II", 1, 0)),
    "wrong type": exif(TURN, entry(0x011A, 2, 4, b"72\0\0")),
    "wrong count": exif(TURN, entry(0x9C9B, 7, 9, FAR), tail=b"123456789"),
    "far pointer": exif(TURN, entry(0x8769, 4, 1, struct.pack("<I", 99999))),
    "pointer to itself": exif(TURN, entry(0x8769, 4, 1, struct.pack("<I", 8))),
    "more entries promised": exif(TURN).replace(b"\x08\0\0\0\1\0", b"\x08\0\0\0\xff\xff"),
}
UNREADABLE = {
    "empty": b"",
    "an address": b"http://ns.adobe.com/xap/1.0/",
    "cut": exif(TURN)[:14],
    "directory outside": exif(TURN).replace(b"\x08\0\0\0", b"\xff\xff\xff\x7f"),
    "orientation 0": exif(entry(0x0112, 3, 1, b"\0\0\0\0")),
    "orientation 9": exif(entry(0x0112, 3, 1, b"\x09\0\0\0")),
    "orientation as text": exif(entry(0x0112, 2, 2, b"6\0\0\0")),
    "garbage": bytes(range(256)),
}


def jpeg_with(marker: int, body: bytes) -> bytes:
    content = encoded(PHOTO, "JPEG", quality=92)
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
    return content[:2] + segment + content[2:]


@pytest.fixture(autouse=True)
def decoder_warnings_are_ignored() -> Iterator[None]:
    with ignore_decoder_warnings():
        yield


def is_upright(content: bytes) -> bool:
    header = read_header(content)
    assert (header.height, header.width) == (40, 20), header
    pixels = read_image(content, (40, 20, 3), "pad").astype(int)
    return bool(
        np.abs(pixels[3, 10] - LEFT).max() < 30 and np.abs(pixels[-4, 10] - RIGHT).max() < 30
    )


@pytest.mark.parametrize("name", READABLE)
def test_a_readable_orientation_among_broken_tags_is_heeded(name: str) -> None:
    assert is_upright(jpeg_with(0xE1, b"Exif\0\0" + READABLE[name]))


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_orientation_is_ignored(name: str) -> None:
    content = jpeg_with(0xE1, b"Exif\0\0" + UNREADABLE[name])
    assert read_header(content)[:2] == (20, 40)
    pixels = read_image(content, (20, 40, 3), "pad").astype(int)
    assert np.abs(pixels[10, 3] - LEFT).max() < 30


def test_every_format_that_holds_exif_is_turned() -> None:
    block = exif(TURN)
    for file_format, options in (
        ("WEBP", {"lossless": True}), ("PNG", {}), ("AVIF", {"quality": 95}), ("TIFF", {}),
    ):  # fmt: skip
        metadata: Any = Image.Exif()
        metadata[0x0112] = ROTATED
        assert is_upright(encoded(PHOTO, file_format, exif=metadata, **options)), file_format
    assert is_upright(png_with(PHOTO, png_chunk(b"eXIf", block)))
    lines = "\n".join(("", "exif", f"{len(block):8}", block.hex(), ""))
    assert is_upright(
        png_with(PHOTO, png_chunk(b"tEXt", b"Raw profile type exif\0" + lines.encode()))
    )


def test_exif_behind_the_pixels_of_a_png_is_heeded() -> None:
    content = png_with(PHOTO, png_chunk(b"eXIf", exif(TURN)), at_end=True)
    pixels = read_image(content, (40, 20, 3), "pad").astype(int)
    assert np.abs(pixels[3, 10] - LEFT).max() < 30


@pytest.mark.parametrize(
    "xmp",
    [
        XMP,
        XMP.replace(b'"', b"'"),
        b"<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>",
    ],
)
def test_the_orientation_in_xmp_is_heeded_where_exif_states_none(xmp: bytes) -> None:
    assert is_upright(jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    itxt = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    assert is_upright(png_with(PHOTO, itxt))


def test_exif_takes_precedence_over_xmp() -> None:
    content = jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.replace(b"6", b"3"))
    segment = b"Exif\0\0" + exif(TURN)
    content = (
        content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
    )
    assert is_upright(content)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_of_exif_are_applied(orientation: int) -> None:
    from PIL import ImageOps

    block = exif(entry(0x0112, 3, 1, struct.pack("<HH", orientation, 0)))
    corner = Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7) * 7)
    content = png_with(corner, png_chunk(b"eXIf", block))
    marked = corner.copy()
    marked.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(marked))
    pixels = read_image(content, (*expected.shape[:2], 1), "pad")
    assert np.array_equal(pixels[..., 0], expected)
