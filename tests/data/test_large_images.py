"""Images above the pixel limit: a JPEG is decoded at a reduced scale, others are refused."""

from __future__ import annotations

import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_images import encoded

from headstart.data import ImageLimits, UnreadableImage, load, read_untrusted_image
from headstart.data.formats.images import _decode
from headstart.data.formats.images._decode import read_header, read_image
from headstart.data.formats.images._reading_notes import ReadingNotes

HALVES = Image.new("RGB", (400, 200), (200, 30, 30))
HALVES.paste((30, 30, 200), (0, 0, 200, 200))


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lower the limit to 10,000 pixels: the picture has eight times as many."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    return 10_000


def test_a_large_jpeg_is_decoded_at_a_reduced_scale(limit: int) -> None:
    content = encoded(HALVES, "JPEG", quality=95)
    assert read_header(content)[:2] == (200, 400)
    notes = ReadingNotes()
    # The result is larger than the reduced picture, so only the limit makes the decoder reduce it.
    pixels = read_image(content, (300, 300, 3), "squish", notes=notes.of("wide.jpg")).astype(int)
    assert np.abs(pixels[150, 30] - (30, 30, 200)).max() < 12
    assert np.abs(pixels[150, 270] - (200, 30, 30)).max() < 12
    assert any("reduced scale" in kind.of_one for kind in notes._names)


def test_the_decoder_never_makes_more_pixels_than_the_limit(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []

    def record_size(image: Image.Image, _orientation: int) -> Image.Image:
        sizes.append(image.size)
        return image

    monkeypatch.setattr(_decode, "turn_upright", record_size)
    read_image(encoded(HALVES, "JPEG"), (300, 300, 3), "pad")
    assert sizes == [(100, 50)]


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "BMP", "TIFF"])
def test_another_large_image_is_refused_with_what_to_do(file_format: str, limit: int) -> None:
    with pytest.raises(UnreadableImage, match=r"pixels?; .*make it smaller: magick IN -resize"):
        read_image(encoded(HALVES, file_format), (8, 8, 3), "pad")


def test_a_large_progressive_jpeg_is_refused_since_it_needs_memory_for_all_pixels(
    limit: int,
) -> None:
    with pytest.raises(UnreadableImage, match="make it smaller"):
        read_image(encoded(HALVES, "JPEG", progressive=True), (8, 8, 3), "pad")


def test_more_pixels_than_eight_times_the_reduction_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableImage, match="the limit is"):
        read_image(encoded(HALVES, "JPEG"), (8, 8, 3), "pad")


def test_the_limit_of_untrusted_images_is_not_widened() -> None:
    with pytest.raises(UnreadableImage, match="the limit is"):
        read_untrusted_image(encoded(HALVES, "JPEG"), (8, 8, 3), "pad", ImageLimits(pixels=79_999))


def test_a_panorama_among_photos_is_read(tmp_path: Path, limit: int) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        HALVES.resize((40, 40)).save(tmp_path / name / "small.jpg")
    HALVES.save(tmp_path / "a/panorama.jpg", quality=95)
    assert len(load(tmp_path, image_size=16)) == 3


def declared(file_format: str, size: int) -> bytes:
    """Return a small file that declares size x size pixels."""
    content = bytearray(encoded(Image.new("RGB", (8, 8)), file_format))
    if file_format == "PNG":
        content[16:24] = struct.pack(">II", size, size)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif file_format == "GIF":
        content[6:10] = struct.pack("<HH", size, size)
    elif file_format == "BMP":
        content[18:26] = struct.pack("<ii", size, size)
    else:
        content = bytearray(b"P6\n%d %d\n255\n" % (size, size)) + b"\0" * 90
    return bytes(content)


@pytest.mark.parametrize("size", [10_000, 60_000])
@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "PPM"])
def test_a_small_file_of_huge_pixels_is_refused_before_memory_is_taken(
    file_format: str, size: int
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableImage, match=r"million pixels; the limit is 89 million"):
        read_image(declared(file_format, size), (8, 8, 3), "pad")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_the_frames_of_an_animation_are_not_decoded() -> None:
    one = encoded(Image.new("P", (8, 8)), "GIF")
    start = one.index(b"\x2c")  # an image of the GIF, up to its trailer
    content = one[:-1] + one[start:-1] * 100_000 + one[-1:]
    notes = ReadingNotes()
    started = time.perf_counter()
    read_image(content, (8, 8, 3), "pad", notes=notes.of("a.gif"))
    assert time.perf_counter() - started < 2
    assert any("frames" in kind.of_one for kind in notes._names)


def test_a_very_thin_jpeg_is_read() -> None:
    content = encoded(Image.new("RGB", (3000, 2), (200, 30, 30)), "JPEG")
    assert read_image(content, (16, 16, 3), "pad").any(axis=(1, 2)).sum() == 1
