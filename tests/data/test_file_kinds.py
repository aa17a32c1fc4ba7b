"""A file that cannot be read is named for what it is, whatever its suffix says."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_images import encoded, tiff

from headstart.data import UnreadableImage
from headstart.data.formats.images._decode import read_header, read_image
from headstart.data.formats.images._identify_file import identify_file
from headstart.data.formats.images._open_image import ignore_decoder_warnings
from headstart.data.formats.images._suffixes import IMAGE_SUFFIXES

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 64, 3)).astype(np.uint8))


def iso_container(brand: bytes, *others: bytes) -> bytes:
    brands = brand + b"\0\0\0\0" + b"".join(others)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + b"\0" * 400


def zip_archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    return buffer.getvalue()


def raw_photo(*tags: tuple[int, int]) -> bytes:
    """Return a TIFF whose first picture is a thumbnail, with one or two more tags."""
    content = bytearray(tiff(np.zeros((8, 8, 3), np.uint8)))
    for place, (tag, value) in zip((9, 10), tags, strict=False):
        start = 10 + 12 * place
        content[start : start + 12] = struct.pack("<HHII", tag, 4, 1, value)
    return bytes(content)


FILES = {
    "HEIC": (iso_container(b"heic", b"mif1"), "is a HEIC photo"),
    "HEIC of another maker": (iso_container(b"mif1", b"heic"), "pip install pillow-heif"),
    "AVIF, damaged": (iso_container(b"avif", b"mif1"), "is an AVIF image"),
    "JPEG XL": (b"\xff\x0a" + b"\1" * 90, "is a JPEG XL image; convert it: djxl"),
    "JPEG XL container": (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 90, "pip install pillow-jxl-"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "is an SVG drawing; convert it: rsvg"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "it is a PDF; take images from it: pdftoppm"),
    "web page": (
        b"<!DOCTYPE html><html><head><title>403 Forbidden</title></head></html>",
        'it is a web page (HTML) ("403 Forbidden")',
    ),
    "web page after spaces": (b"\xef\xbb\xbf\n\n  <HTML><BODY>x", "it is a web page (HTML)"),
    "JSON error": (b'{"error": "rate limit"}', "it is JSON, perhaps the answer of a server"),
    "XML error": (b"<Error><Code>AccessDenied</Code></Error>", "it is XML: '<Error><Code>Acc"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "it is a Git LFS pointer; run: git lfs pull",
    ),
    "git-annex": (b"../.git/annex/objects/aa/bb/SHA256E-s1--c.jpg", "git annex get"),
    "zip": (zip_archive(), "it is a zip archive; unpack it"),
    "gzip": (b"\x1f\x8b\x08" + b"\0" * 20, "it is a compressed file; unpack it"),
    "DICOM": (b"\0" * 128 + b"DICM" + b"\2\0" * 40, "is a DICOM file, which is not read; convert"),
    "PSD": (b"8BPS\0\1" + b"\0" * 40, "is a Photoshop file (PSD), which is not read; convert it"),
    "CR2": (b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 80, "is a raw photo (CR2)"),
    "CR3": (iso_container(b"crx "), "is a raw photo (CR3)"),
    "NEF or the like": (raw_photo((254, 1), (330, 99)), "is a raw photo"),
    "DNG": (raw_photo((50706, 0x00000401)), "is a raw photo (DNG)"),
    "RAF": (b"FUJIFILMCCD-RAW 0201" + b"\0" * 80, "is a raw photo (RAF)"),
    "video": (iso_container(b"isom", b"mp42"), "it is an MP4 video; take images from it: ffmpeg"),
    "text": (b"not found\n", "it is a text file of 10 bytes: 'not found'"),
    "UTF-16 text": ("nicht gefunden".encode("utf-16"), "it is a text file of 30 bytes"),
    "base64": (b"/9j/4AAQSkZJRgABAQ==", "decode it: base64 -d"),
    "empty": (b"", "is empty (0 bytes)"),
    "zeros": (b"\0" * 5000, "holds 5,000 zero bytes, from a failed download or copy"),
    "FF": (b"\xff" * 600, "holds 600 bytes of FF"),
    "NumPy": (b"\x93NUMPY\1\0" + b"x" * 20, "it is a NumPy array"),
    "pickle": (b"\x80\x04\x95\0\0", "it is a Python pickle; it is never opened"),
    "macOS attributes": (b"\0\5\x16\7\0\2\0\0", "it is a macOS attribute file; leave it out"),
    "unknown": (bytes(range(128, 228)), "its first bytes are 80 81 82"),
    "header of a JPEG only": (encoded(NOISE, "JPEG")[:12], "is a damaged or incomplete JPEG of 12"),
    "header of a PNG only": (encoded(NOISE, "PNG")[:20], "is a damaged or incomplete PNG of 20"),
    "5 channels": (
        tiff(np.zeros((8, 8, 5), np.uint8)), "TIFF with 5 channels of 8 bits, which Pillow cannot",
    ),
    "2 channels": (tiff(np.zeros((8, 8, 2), np.uint8)), "is a grey TIFF with 2 channels of 8 bits"),
    "real numbers in colour": (
        tiff(np.zeros((8, 8, 3), np.float32)),
        "is an RGB TIFF with 3 channels of floating-point 32 bits",
    ),
    "doubles": (tiff(np.zeros((8, 8, 1))), "is a grey TIFF with 1 channel of floating-point 64"),
    "half a TIFF": (tiff(np.zeros((8, 8, 3), np.uint8))[:20], "is a damaged or incomplete TIFF"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_named_for_what_it_is(kind: str, tmp_path: Path) -> None:
    content, words = FILES[kind]
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    for source in (path, content, io.BytesIO(content)):
        with pytest.raises(UnreadableImage) as caught:
            read_image(source, (8, 8, 3), "pad")
        assert words in str(caught.value)


def test_the_suffixes_of_images() -> None:
    suffixes = ".jfif .jpe .jif .pjpeg .pjp .mpo .apng .avif .jp2 .heic .heif .jxl .dib .pbm .tiff"
    assert set(suffixes.split()) <= IMAGE_SUFFIXES
    assert not {".psd", ".svg", ".pdf", ".txt", ".nef", ".mp4"} & IMAGE_SUFFIXES


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_truncated_file_is_never_an_image(file_format: str, share: float) -> None:
    content = encoded(NOISE, file_format)
    cut = content[: int(len(content) * share)]
    with ignore_decoder_warnings(), pytest.raises(UnreadableImage) as caught:
        read_image(cut, (8, 8, 3), "pad")
    text = str(caught.value)
    assert any(word in text for word in ("truncated", "incomplete", "damaged")), text
    if file_format == "JPEG" and 0.2 < share < 0.95:
        assert f"truncated JPEG: {len(cut):,} bytes are there, with " in text
        assert abs(int(text.split(" with ")[1].split("%")[0]) / 100 - share) < 0.2


def test_a_jpeg_that_ends_in_zeros_is_incomplete() -> None:
    content = encoded(NOISE, "JPEG")
    for share in (0.4, 0.7, 0.95):
        length = int(len(content) * share)
        with pytest.raises(UnreadableImage, match=r"incomplete JPEG: of [\d,]+ bytes, the last"):
            read_header(content[:length] + b"\0" * (len(content) - length))
    # Zeros behind a whole picture do no harm.
    padded = read_image(content + b"\0" * 500, (512, 64, 3), "pad")
    assert np.array_equal(padded, read_image(content, (512, 64, 3), "pad"))


PLUGIN = """
from PIL import Image, ImageFile

class Fake(ImageFile.ImageFile):
    format = "{decoder}"
    def _open(self):
        if len(self.fp.read()) < 50:
            raise SyntaxError("too short")
        self._size, self._mode = (8, 8), "{mode}"
    def load(self):
        self.im = Image.new("{mode}", (8, 8), {colour}).im
        return super(ImageFile.ImageFile, self).load()

def register_heif_opener():
    Image.register_open("{decoder}", Fake)

{call}
"""


@pytest.mark.parametrize(
    ("mode", "colour", "pixel"),
    [("RGB", (204, 51, 51), [204, 51, 51]), ("I;16", 0xCCCC, [204, 204, 204])],
)
@pytest.mark.parametrize(
    ("module", "decoder", "call", "kind"),
    [
        ("pillow_heif", "HEIF", "", "HEIC"),
        ("pillow_jxl", "JXL", "register_heif_opener()", "JPEG XL"),
    ],
)
def test_a_plugin_of_the_user_is_used(
    module: str,
    decoder: str,
    call: str,
    kind: str,
    mode: str,
    colour: tuple[int, int, int] | int,
    pixel: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = PLUGIN.format(decoder=decoder, call=call, mode=mode, colour=colour)
    (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    content = FILES[kind][0] + b"\1" * 50
    try:
        assert read_image(content, (8, 8, 3), "pad")[4, 4].tolist() == pixel
        with pytest.raises(UnreadableImage, match=f"is a damaged or incomplete {kind} of 40 bytes"):
            read_image(content[:40], (8, 8, 3), "pad")
    finally:
        sys.modules.pop(module, None)
        Image.OPEN.pop(decoder, None)


def test_a_file_of_another_kind_never_loads_a_plugin(tmp_path: Path) -> None:
    assert identify_file(b"RIFF\0\0\0\0WEBPVP8 ").name == "WebP"
    with pytest.raises(UnreadableImage):
        read_image(b"RIFF\0\0\0\0WEBPVP8 ", (8, 8, 3), "pad")
    assert "pillow_heif" not in sys.modules
