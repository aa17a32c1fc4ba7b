"""Identification of a file by its first bytes, whatever its suffix says."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import NamedTuple

from headstart.data.formats._file_signatures import (
    HEAD_BYTES,
    LFS_POINTER,
    PICTURES,
    Signature,
    signature_of,
)
from headstart.data.formats.images._decoders import PACKAGES, plugin_decoder
from headstart.data.formats.images._tiff_kind import Content, describe_tiff, raw_kind, raw_photo
from headstart.formatting import counted


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
    blank = _blank(head, tail, size)
    if blank is not None:
        return blank
    signature = signature_of(head)
    if signature is not None:
        return _of_signature(signature, file, head, size)
    unknown = FileKind("", f"is not an image: its first bytes are {head[:8].hex(' ')}")
    return _text(head, size) or unknown


def _of_signature(signature: Signature, file: Path | Content, head: bytes, size: int) -> FileKind:
    name = signature.name
    if name == "TIFF":
        return _tiff(file)
    if name == "ISO container":
        return _iso_container(head, size)
    if name == "JPEG XL":
        return _needs_plugin(name, "djxl IN.jxl OUT.png", size)
    if not signature.advice:
        return _damaged(name, size)
    a_name = f"{_article(name)} {name}"
    if signature in PICTURES:
        return FileKind(name, f"is {a_name}, which is not read; {signature.advice}")
    return FileKind(name, f"is not an image: it is {a_name}; {signature.advice}")


def _ends(file: Path | Content) -> tuple[bytes, bytes, int]:
    """Return the first and the last bytes of a file, and its size."""
    if not isinstance(file, Path):
        return bytes(file[:HEAD_BYTES]), bytes(file[-HEAD_BYTES:]), len(file)
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(max(0, size - HEAD_BYTES))
        return head, stream.read(HEAD_BYTES), size


def _blank(head: bytes, tail: bytes, size: int) -> FileKind | None:
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


# Brands of the ISO container that HEIC, AVIF, videos and others share.
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


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


_HTML = re.compile(r"<!doctype html|<html|<head|<body|<script", re.IGNORECASE)
_SVG = re.compile(r"<svg[\s>]", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,60})", re.IGNORECASE)
_ANNEX = re.compile(r"/annex/objects/|^\.\./.*\.git/annex")
_MOST_TEXT_SHOWN = 40


def _text(head: bytes, size: int) -> FileKind | None:
    text = _as_text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith(LFS_POINTER.decode()):
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
