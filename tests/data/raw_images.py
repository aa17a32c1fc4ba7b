"""Image files that Pillow does not write, byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_16_bits(values: NDArray[Any], *extra: bytes) -> bytes:
    """Return a 16-bit PNG of `values` (H, W, C). C = 1 grey, 2 with alpha, 3 RGB, 4 RGBA."""
    height, width, channels = values.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows))]
    return PNG_MAGIC + b"".join(chunks) + png_chunk(b"IEND", b"")


def png_with(image: Image.Image, *chunks: bytes, at_end: bool = False) -> bytes:
    """Return a PNG with further chunks, before its pixels or after them."""
    content = encoded(image, "PNG")
    place = content.index(b"IEND" if at_end else b"IDAT") - 4
    return content[:place] + b"".join(chunks) + content[place:]


def tiff(
    values: NDArray[Any],
    order: Literal["<", ">"] = "<",
    compressed: bool = False,
    planar: int = 1,
    **tags: int,
) -> bytes:
    """Return a TIFF of `values` (H, W, C).

    Args:
        values: The pixels.
        order: "<" for little endian, ">" for big endian.
        compressed: Whether the pixels are deflated.
        planar: 1 for interleaved channels, 2 for one plane per channel.
        **tags: `photometric`, `sample_format` and `extra_samples`.
    """
    height, width, channels = values.shape
    ordered = np.moveaxis(values, 2, 0) if planar == 2 else values
    data = ordered.astype(values.dtype.newbyteorder(order)).tobytes()
    size = len(data) // channels if planar == 2 else len(data)
    planes = [data[start : start + size] for start in range(0, len(data), size)]
    if compressed:
        planes = [zlib.compress(plane) for plane in planes]

    kinds = {"u": 1, "i": 2, "f": 3}
    directory: list[tuple[int, str, list[int]]] = [
        (256, "H", [width]),
        (257, "H", [height]),
        (258, "H", [values.dtype.itemsize * 8] * channels),
        (259, "H", [8 if compressed else 1]),
        (262, "H", [tags.get("photometric", 2 if channels >= 3 else 1)]),
        (273, "I", [0] * len(planes)),
        (277, "H", [channels]),
        (278, "H", [height]),
        (279, "I", [len(plane) for plane in planes]),
        (284, "H", [planar]),
        (339, "H", [tags.get("sample_format", kinds[values.dtype.kind])] * channels),
    ]
    if "extra_samples" in tags:
        directory.insert(-1, (338, "H", [tags["extra_samples"]]))

    blob_start = 8 + 2 + 12 * len(directory) + 4
    long_values = [struct.calcsize(f"{order}{len(v)}{code}") for _, code, v in directory]
    data_start = blob_start + sum(length for length in long_values if length > 4)
    starts = [data_start + sum(map(len, planes[:number])) for number in range(len(planes))]

    entries, blobs = b"", b""
    for tag, code, numbers in directory:
        packed = struct.pack(f"{order}{len(numbers)}{code}", *(starts if tag == 273 else numbers))
        if len(packed) > 4:
            field = struct.pack(f"{order}I", blob_start + len(blobs))
            blobs += packed
        else:
            field = packed.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[code], len(numbers)) + field
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(f"{order}IH", 8, len(directory))
    return head + entries + b"\0\0\0\0" + blobs + b"".join(planes)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """Return an image as a file of a format that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
