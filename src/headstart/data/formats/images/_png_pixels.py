"""A PNG without its metadata, for files whose texts or profile are oversized or damaged."""

from __future__ import annotations

import struct
import zlib

_MAGIC_BYTES = 8
_HEADER_BYTES, _CRC_BYTES = 8, 4  # of a chunk: its length and its kind before it, its sum after it
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_KEPT_IF_SOUND = (b"eXIf", b"iCCP")
_LARGEST_PROFILE = 1 << 20  # bytes, decompressed: Pillow's limit


def without_metadata(content: bytes) -> bytes:
    """Return a PNG with its pixels, palette, transparency, and sound EXIF and profile only."""
    kept = [content[:_MAGIC_BYTES]]
    at = _MAGIC_BYTES
    while at + _HEADER_BYTES <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        end = at + _HEADER_BYTES + length + _CRC_BYTES
        chunk = content[at:end]
        if kind in _NEEDED or (kind in _KEPT_IF_SOUND and _is_sound(kind, chunk)):
            kept.append(chunk)
        at = end
    return b"".join(kept)


def _is_sound(kind: bytes, chunk: bytes) -> bool:
    body, checksum = chunk[_HEADER_BYTES:-_CRC_BYTES], chunk[-_CRC_BYTES:]
    if struct.pack(">I", zlib.crc32(kind + body)) != checksum:
        return False
    if kind != b"iCCP":
        return True
    _name, _, packed = body.partition(b"\0")
    decompressor = zlib.decompressobj()
    try:
        decompressor.decompress(packed[1:], _LARGEST_PROFILE)
    except zlib.error:
        return False
    return not decompressor.unconsumed_tail
