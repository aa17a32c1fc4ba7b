"""Identification of a file by its first bytes, whatever its suffix says."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import NamedTuple

from headstart.data.formats.images._plugins import PACKAGES, plugin_decoder
from headstart.data.formats.images._tiff_kind import Content, describe_tiff, raw_kind, raw_photo
from headstart.formatting import counted

HEAD_BYTES = 4096  # of a file that are looked at


class FileKind(NamedTuple):
    """The kind of a file.

    Attributes:
        name: The kind, such as "JPEG", "HEIC" or "HTML". Empty if it is unknown.
        reason: Why it cannot be read. It fits after the name of the file.
    """

    name: str
    reason: str


def identify_file(file: Path | Content) -> FileKind:
    """Say what a file that cannot be read as an image is, and what to do about it.

    Args:
        file: Its path or its content.
    """
    head, tail, size = _ends(file)
    if head.startswith(_TIFF):
        return _tiff(file)
    for identify in (_empty, _picture, _other_binary, _text):
        kind = identify(head, tail, size)
        if kind is not None:
            return kind
    return FileKind("", f"is not an image: its first bytes are {head[:8].hex(' ')}")


def _ends(file: Path | Content) -> tuple[bytes, bytes, int]:
    """Return the first and the last bytes of a file, and its size."""
    if not isinstance(file, Path):
        return bytes(file[:HEAD_BYTES]), bytes(file[-HEAD_BYTES:]), len(file)
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(max(0, size - HEAD_BYTES))
        return head, stream.read(HEAD_BYTES), size


def _empty(head: bytes, tail: bytes, size: int) -> FileKind | None:
    if not size:
        return FileKind("nothing", "is empty (0 bytes)")
    if not head.strip(b"\0") and not tail.strip(b"\0"):
        return FileKind(
            "zeros", f"holds {size:,} zero bytes, from a failed download or copy; fetch it again"
        )
    if not head.strip(b"\xff") and not tail.strip(b"\xff"):
        return FileKind(
            "blank",
            f"holds {size:,} bytes of FF, from a failed copy or card; fetch it again",
        )
    return None


# Formats that Pillow reads. A file that begins like one, and is refused all the same, is damaged.
_READ_BY_PILLOW = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    **{b"P%d" % number: "PPM" for number in range(1, 7)},
    b"Pf": "PPM",
}
_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Brands of the ISO container that HEIC, AVIF, videos and others share.
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def _picture(head: bytes, _tail: bytes, size: int) -> FileKind | None:
    for magic, name in _READ_BY_PILLOW.items():
        if head.startswith(magic):
            return _damaged(name, size)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _damaged("WebP", size)
    if head.startswith(_JPEG_XL):
        return _needs_plugin("JPEG XL", "djxl IN.jxl OUT.png", size)
    if head[4:8] == b"ftyp":
        return _iso_container(head, size)
    for test, name, advice in _OTHER_PICTURES:
        if test.match(head):
            return FileKind(name, f"is {_article(name)} {name}, which is not read; {advice}")
    return None


def _damaged(name: str, size: int) -> FileKind:
    return FileKind(
        name,
        f"is a damaged or incomplete {name} of {size:,} bytes: its header cannot be read; "
        "fetch it again",
    )


def _needs_plugin(name: str, convert: str, size: int) -> FileKind:
    if plugin_decoder(name) is not None:
        return _damaged(name, size)
    what = "HEIC photo, as phones write them" if name == "HEIC" else f"{name} image"
    return FileKind(
        name,
        f"is a {what}; convert it: {convert}; or: pip install {PACKAGES[name]}",
    )


def _iso_container(head: bytes, size: int) -> FileKind:
    length = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length, 4))]
    if brands[0] in _AVIF_BRANDS or any(brand in _AVIF_BRANDS for brand in brands):
        return FileKind(
            "AVIF",
            f"is an AVIF image of {size:,} bytes that cannot be read: it is damaged, or this "
            "Pillow was built without AVIF; convert it: avifdec IN.avif OUT.png",
        )
    if any(brand in _HEIC_BRANDS for brand in brands):
        return _needs_plugin("HEIC", "heif-convert IN.heic OUT.jpg", size)
    if brands[0] == b"crx ":
        return FileKind("raw photo", raw_photo("CR3"))
    name = "MOV video" if brands[0] == b"qt  " else "MP4 video"
    advice = "take images from it: ffmpeg -i IN -r 1 %04d.jpg"
    return FileKind(name, f"is not an image: it is {_article(name)} {name}; {advice}")


def _tiff(file: Path | Content) -> FileKind:
    if not isinstance(file, Path):
        return _describe_tiff(file)
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return _describe_tiff(view)


def _describe_tiff(content: Content) -> FileKind:
    raw = raw_kind(content)
    if raw is not None:
        return FileKind("raw photo", raw_photo(raw))
    return FileKind("TIFF", describe_tiff(content))


_AS_PNG = "convert it: magick IN OUT.png"
_OTHER_PICTURES = (
    (re.compile(rb"8BPS"), "Photoshop file (PSD)", _AS_PNG),
    (re.compile(rb"(?s).{128}DICM"), "DICOM file", "convert it: dcm2pnm +on2 IN OUT.png"),
    (re.compile(rb"IIRO|IIRS|IIU\0"), "raw photo (ORF, RW2)", "develop it to JPEG or 16-bit TIFF"),
    (re.compile(rb"FUJIFILMCCD-RAW"), "raw photo (RAF)", "develop it to JPEG or 16-bit TIFF"),
    (re.compile(rb"gimp xcf"), "GIMP file (XCF)", _AS_PNG),
    (re.compile(rb"\x00\x00[\x01\x02]\x00[\x01-\x40]\x00"), "Windows icon", _AS_PNG),
    (re.compile(rb"v/1\x01"), "OpenEXR image", _AS_PNG),
    (re.compile(rb"#\?RADIANCE"), "Radiance HDR image", _AS_PNG),
    (re.compile(rb"SIMPLE  ="), "FITS image", "convert it to 16-bit PNG or TIFF"),
    (re.compile(rb"BPG\xfb"), "BPG image", "convert it: bpgdec -o OUT.png IN"),
    (re.compile(rb"(?s)qoif"), "QOI image", _AS_PNG),
)

_OTHER_FILES = (
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "PostScript file", _AS_PNG),
    (re.compile(rb"PK[\x03\x05\x07][\x04\x06\x08]"), "zip archive", "unpack it"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"), "compressed file", "unpack it"),
    (re.compile(rb"Rar!|7z\xbc\xaf"), "RAR or 7z archive", "unpack it"),
    (re.compile(rb"(?s).{257}ustar"), "tar archive", "unpack it"),
    (re.compile(rb"%PDF"), "PDF", "take images from it: pdftoppm -png IN OUT"),
    (re.compile(rb"\x1a\x45\xdf\xa3"), "video (MKV, WebM)", "take images from it with ffmpeg"),
    (re.compile(rb"(?s)RIFF.{4}AVI "), "video (AVI)", "take images from it with ffmpeg"),
    (re.compile(rb"\x00\x00\x01[\xba\xb3]|FLV\x01"), "video", "take images from it with ffmpeg"),
    (re.compile(rb"(?s)RIFF.{4}WAVE|ID3|OggS|fLaC"), "sound file", "leave it out"),
    (re.compile(rb"\x93NUMPY"), "NumPy array", "give it as .npz with labels, or save it as PNG"),
    (re.compile(rb"\x89HDF"), "HDF5 file", "save its images as PNG"),
    (re.compile(rb"\x80[\x02-\x05]"), "Python pickle", "it is never opened; save images as PNG"),
    (re.compile(rb"SQLite format 3"), "SQLite database", "leave it out"),
    (re.compile(rb"MZ|\x7fELF|\xcf\xfa\xed\xfe"), "program", "leave it out"),
    (re.compile(rb"\x00\x05\x16[\x07\x00]"), "macOS attribute file", "leave it out"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "Office document or Thumbs.db", "leave it out"),
    (re.compile(rb"Salted__"), "encrypted file", "decrypt it first"),
)


def _other_binary(head: bytes, _tail: bytes, _size: int) -> FileKind | None:
    for test, name, advice in _OTHER_FILES:
        if test.match(head):
            return FileKind(name, f"is not an image: it is {_article(name)} {name}; {advice}")
    return None


_HTML = re.compile(r"<!doctype html|<html|<head|<body|<script", re.IGNORECASE)
_SVG = re.compile(r"<svg[\s>]", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,60})", re.IGNORECASE)
_GIT_LFS = "version https://git-lfs.github.com/spec"
_ANNEX = re.compile(r"/annex/objects/|^\.\./.*\.git/annex")
_MOST_TEXT_SHOWN = 40


def _text(head: bytes, _tail: bytes, size: int) -> FileKind | None:
    text = _as_text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith(_GIT_LFS):
        return FileKind(
            "Git LFS pointer", "is not an image: it is a Git LFS pointer; run: git lfs pull"
        )
    if _ANNEX.search(start[:300]):
        return FileKind(
            "git-annex pointer", "is not an image: it is a git-annex pointer; run: git annex get ."
        )
    if _SVG.search(start) and not _HTML.match(start):
        return FileKind("SVG", "is an SVG drawing; convert it: rsvg-convert IN.svg -o OUT.png")
    if _HTML.search(start[:1024]):
        title = _TITLE.search(start)
        shown = f' ("{" ".join(title[1].split())}")' if title else ""
        return FileKind(
            "HTML",
            f"is not an image: it is a web page (HTML){shown}, from a failed download; fetch it "
            "again",
        )
    if start.startswith(("{", "[")):
        return FileKind(
            "JSON",
            f"is not an image: it is JSON, perhaps the answer of a server: {_shorten(start)}",
        )
    if start.startswith("<"):
        return FileKind("XML", f"is not an image: it is XML: {_shorten(start)}")
    if re.match(r"data:image/|iVBORw0KGgo|/9j/", start):
        return FileKind("base64", "is text, an image in base64; decode it: base64 -d IN > OUT")
    return FileKind(
        "text", f"is not an image: it is a text file of {counted(size, 'byte')}: {_shorten(start)}"
    )


def _as_text(head: bytes) -> str | None:
    """Return the beginning of a text file, or None if the bytes are not text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
    else:
        text = head.decode("utf-8", "replace")
    unusual = sum(character == "\ufffd" or not _is_usual(character) for character in text)
    return text if unusual <= len(text) // 20 else None


def _is_usual(character: str) -> bool:
    return character.isprintable() or character in "\ufeff\t\r\n\f"


def _shorten(text: str) -> str:
    line = " ".join(text[:200].split())
    if len(line) > _MOST_TEXT_SHOWN:
        line = line[: _MOST_TEXT_SHOWN - 1] + "…"
    return f"'{line}'"


def _article(noun: str) -> str:
    return "an" if noun.startswith(("A", "E", "I", "O", "e", "HDF", "MOV", "MP4")) else "a"
