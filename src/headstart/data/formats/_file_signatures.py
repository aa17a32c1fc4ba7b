"""Signatures: file types by their first bytes."""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD_BYTES = 4096  # of a file that are looked at
HTML = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
LFS_POINTER = b"version https://git-lfs.github.com/spec/"

_AS_PNG = "convert it: magick IN OUT.png"
_DEVELOP = "develop it to JPEG or 16-bit TIFF"
_TAKE_IMAGES = "take images from it with ffmpeg"


class Signature(NamedTuple):
    """First bytes of a kind of file.

    Attributes:
        name: The kind, such as "JPEG" or "zip archive".
        pattern: Its first bytes.
        advice: What to do with such a file where an image is expected. Empty for pictures that
            Pillow or a plug-in reads, and for containers of several kinds.
        suffix: Its usual suffix, for kinds of archives and of data that have one.
    """

    name: str
    pattern: re.Pattern[bytes]
    advice: str = ""
    suffix: str = ""


def _signature(name: str, pattern: bytes, advice: str = "", suffix: str = "") -> Signature:
    return Signature(name, re.compile(pattern, re.DOTALL), advice, suffix)


# The first one that matches counts.
PICTURES = (
    _signature("JPEG", rb"\xff\xd8\xff"),
    _signature("PNG", rb"\x89PNG\r\n\x1a\n"),
    _signature("GIF", rb"GIF8"),
    _signature("BMP", rb"BM"),
    _signature("JPEG 2000", rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    _signature("PPM", rb"P[1-6f]"),
    _signature("WebP", rb"RIFF.{4}WEBP"),
    _signature("TIFF", rb"II[*+]\x00|MM\x00[*+]"),
    _signature("JPEG XL", rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n"),
    _signature("ISO container", rb".{4}ftyp"),  # of HEIC, AVIF, CR3 and videos
    _signature("Photoshop file (PSD)", rb"8BPS", _AS_PNG),
    _signature("DICOM file", rb".{128}DICM", "convert it: dcm2pnm +on2 IN OUT.png"),
    _signature("raw photo (ORF, RW2)", rb"IIRO|IIRS|IIU\x00", _DEVELOP),
    _signature("raw photo (RAF)", rb"FUJIFILMCCD-RAW", _DEVELOP),
    _signature("GIMP file (XCF)", rb"gimp xcf", _AS_PNG),
    _signature("Windows icon", rb"\x00\x00[\x01\x02]\x00[\x01-\x40]\x00", _AS_PNG),
    _signature("OpenEXR image", rb"v/1\x01", _AS_PNG),
    _signature("Radiance HDR image", rb"#\?RADIANCE", _AS_PNG),
    _signature("FITS image", rb"SIMPLE  =", "convert it to 16-bit PNG or TIFF"),
    _signature("BPG image", rb"BPG\xfb", "convert it: bpgdec -o OUT.png IN"),
    _signature("QOI image", rb"qoif", _AS_PNG),
)
OTHER_FILES = (
    _signature("PostScript file", rb"%!PS|\xc5\xd0\xd3\xc6", _AS_PNG),
    _signature("zip archive", rb"PK(\x03\x04|\x05\x06|\x07\x08)", "unpack it", ".zip"),
    _signature("compressed file", rb"\x1f\x8b", "unpack it", ".gz"),
    _signature("compressed file", rb"BZh", "unpack it", ".bz2"),
    _signature("compressed file", rb"\xfd7zXZ\x00", "unpack it", ".xz"),
    _signature("compressed file", rb"\x28\xb5\x2f\xfd", "unpack it", ".zst"),
    _signature("RAR archive", rb"Rar!\x1a\x07", "unpack it", ".rar"),
    _signature("7z archive", rb"7z\xbc\xaf\x27\x1c", "unpack it", ".7z"),
    _signature("tar archive", rb".{257}ustar", "unpack it"),
    _signature("PDF", rb"%PDF", "take images from it: pdftoppm -png IN OUT", ".pdf"),
    _signature("video (MKV, WebM)", rb"\x1a\x45\xdf\xa3", _TAKE_IMAGES),
    _signature("video (AVI)", rb"RIFF.{4}AVI ", _TAKE_IMAGES),
    _signature("video", rb"\x00\x00\x01[\xba\xb3]|FLV\x01", _TAKE_IMAGES),
    _signature("sound file", rb"RIFF.{4}WAVE|ID3|OggS|fLaC", "leave it out"),
    _signature(
        "NumPy array", rb"\x93NUMPY", "pass it as .npz with labels, or save it as PNG", ".npy"
    ),
    _signature("HDF5 file", rb"\x89HDF", "save its images as PNG", ".h5"),
    _signature("MATLAB file", rb"MATLAB 5\.0", "save its images as PNG", ".mat"),
    _signature("Parquet file", rb"PAR1", "give it its own suffix, .parquet"),
    _signature(
        "Python pickle", rb"\x80[\x02-\x05]", "it is never opened; save images as PNG", ".pkl"
    ),
    _signature("SQLite database", rb"SQLite format 3", "leave it out", ".sqlite"),
    _signature("program", rb"MZ|\x7fELF|\xcf\xfa\xed\xfe", "leave it out"),
    _signature("macOS attribute file", rb"\x00\x05\x16[\x07\x00]", "leave it out"),
    _signature("Office document or Thumbs.db", rb"\xd0\xcf\x11\xe0", "leave it out"),
    _signature("encrypted file", rb"Salted__", "decrypt it first"),
)


def signature_of(head: bytes) -> Signature | None:
    """Return the signature that the first bytes of a file have, or None.

    Args:
        head: The first `HEAD_BYTES` of the file, or fewer.
    """
    for signature in (*PICTURES, *OTHER_FILES):
        if signature.pattern.match(head):
            return signature
    return None
