"""One rule per kind of pixels, the same for datasets, predictions and the server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from raw_images import encoded, png_16_bits, png_chunk, png_with, tiff

from headstart.data import (
    ImageLimits,
    UnreadableImage,
    read_images,
    read_untrusted_image,
)
from headstart.data.formats.images._colour_profiles import srgb_transform
from headstart.data.formats.images._decode import read_header, read_image
from headstart.data.formats.images._reading_notes import ReadingNotes

SIZE = (8, 8)
RED = (204, 51, 51)
WHITE = (255, 255, 255)
Pixel = tuple[int, ...]


def flat(mode: str, value: object) -> Image.Image:
    return Image.new(mode, SIZE, value)  # type: ignore[arg-type]  # values differ by mode


def array(values: list[Any], dtype: type = np.uint16) -> NDArray[Any]:
    return np.broadcast_to(np.array(values, dtype), (8, 8, len(values))).copy()


def palette(transparency: object = None) -> bytes:
    image = flat("P", 1)
    image.putpalette([0, 0, 0, *RED, 9, 9, 9])
    image.paste(2, (0, 0, 8, 2))
    options = {} if transparency is None else {"transparency": transparency}
    return encoded(image, "PNG", **options)


def half_clear(mode: str, value: object) -> Image.Image:
    """Return an opaque image whose lower half is transparent."""
    image = flat(mode, value)
    alpha = Image.new("L", SIZE, 255)
    alpha.paste(0, (0, 4, 8, 8))
    image.putalpha(alpha)
    return image


# Each kind: the file, its suffix, its colour at the top and at the bottom.
KINDS: dict[str, tuple[bytes, str, Pixel, Pixel]] = {
    "1-bit": (encoded(flat("1", 1), "PNG"), ".png", (255,), (255,)),
    "1-bit PBM": (encoded(flat("1", 0), "PPM"), ".pbm", (0,), (0,)),
    "grey": (encoded(flat("L", 100), "PNG"), ".png", (100,), (100,)),
    "grey alpha": (encoded(half_clear("L", 100), "PNG"), ".png", (100,), (255,)),
    "grey, alpha 0 everywhere": (
        encoded(Image.merge("LA", [flat("L", 100), flat("L", 0)]), "PNG"), ".png", (100,), (100,),
    ),
    "palette": (palette(), ".png", (9, 9, 9), RED),
    "palette, one transparent": (palette(1), ".png", (9, 9, 9), WHITE),
    "palette, transparency in bytes": (palette(bytes([255, 0, 255])), ".png", (9, 9, 9), WHITE),
    "palette GIF": (encoded(flat("RGB", RED).quantize(4), "GIF"), ".gif", RED, RED),
    "RGB": (encoded(flat("RGB", RED), "PNG"), ".png", RED, RED),
    "RGB, one transparent": (
        encoded(flat("RGB", RED), "PNG", transparency=(1, 2, 3)), ".png", RED, RED,
    ),
    "RGBA": (encoded(half_clear("RGB", RED), "PNG"), ".png", RED, WHITE),
    "RGBA, alpha 0 everywhere": (encoded(flat("RGBA", (*RED, 0)), "PNG"), ".png", RED, RED),
    "RGBA half opaque": (
        encoded(flat("RGBA", (0, 0, 0, 128)), "PNG"), ".png", (127,) * 3, (127,) * 3,
    ),
    "RGBA WebP": (encoded(half_clear("RGB", RED), "WEBP", lossless=True), ".webp", RED, WHITE),
    "RGBA TIFF": (encoded(half_clear("RGB", RED), "TIFF"), ".tif", RED, WHITE),
    "CMYK": (
        encoded(flat("CMYK", (0, 204, 204, 51)), "TIFF"), ".tif", (204, 41, 41), (204, 41, 41),
    ),
    "CMYK JPEG, inverted as Adobe does": (
        encoded(flat("CMYK", (51, 204, 204, 0)), "JPEG", quality=95), ".jpg", RED, RED,
    ),
    "YCbCr": (
        encoded(flat("RGB", RED).convert("YCbCr"), "TIFF"), ".tif", (202, 50, 49), (202, 50, 49),
    ),
    "LAB": (
        encoded(flat("LAB", (255, 128, 128)), "TIFF"), ".tif", (254, 255, 254), (254, 255, 254),
    ),
    "16-bit grey PNG": (png_16_bits(array([25700])), ".png", (100,), (100,)),
    "16-bit grey alpha PNG": (png_16_bits(array([25700, 65535])), ".png", (100,), (100,)),
    "16-bit grey PNG, one transparent": (
        png_16_bits(array([25700]), png_chunk(b"tRNS", b"\x64\x65")), ".png", (100,), (100,),
    ),
    "16-bit RGB PNG": (png_16_bits(array([52428, 13107, 13107])), ".png", RED, RED),
    "16-bit RGBA PNG": (png_16_bits(array([52428, 13107, 13107, 65535])), ".png", RED, RED),
    "16-bit grey TIFF": (tiff(array([25700])), ".tif", (100,), (100,)),
    "16-bit grey TIFF, big endian": (tiff(array([25700]), ">"), ".tif", (100,), (100,)),
    "16-bit grey TIFF, deflated": (tiff(array([25700]), "<", True), ".tif", (100,), (100,)),
    "16-bit grey TIFF, big endian, deflated": (
        tiff(array([25700]), ">", True), ".tif", (100,), (100,),
    ),
    "16-bit grey TIFF, white is 0": (
        tiff(array([25700]), photometric=0), ".tif", (155,), (155,),
    ),
    "16-bit signed TIFF": (tiff(array([25700], np.int16)), ".tif", (100,), (100,)),
    "16-bit signed TIFF, big endian, deflated": (
        tiff(array([25700], np.int16), ">", True), ".tif", (100,), (100,),
    ),
    "16-bit RGB TIFF": (tiff(array([52428, 13107, 13107])), ".tif", RED, RED),
    "16-bit RGB TIFF, big endian, deflated": (
        tiff(array([52428, 13107, 13107]), ">", True), ".tif", RED, RED,
    ),
    "16-bit RGBA TIFF": (
        tiff(array([52428, 13107, 13107, 65535]), extra_samples=2), ".tif", RED, RED,
    ),
    "16-bit PGM": (encoded(flat("I;16", 25700), "PPM"), ".pgm", (100,), (100,)),
    "12-bit PGM states its scale": (
        b"P5\n8 8\n4095\n" + array([1606]).astype(">u2").tobytes(), ".pgm", (100,), (100,),
    ),
    "real numbers TIFF": (tiff(array([0.4], np.float32)), ".tif", (102,), (102,)),
    "real numbers TIFF, big endian, deflated": (
        tiff(array([0.4], np.float32), ">", True), ".tif", (102,), (102,),
    ),
    "AVIF": (encoded(flat("RGB", RED), "AVIF", quality=95), ".avif", RED, RED),
    "JPEG 2000": (encoded(flat("RGB", RED), "JPEG2000"), ".jp2", RED, RED),
    "BMP": (encoded(flat("RGB", RED), "BMP"), ".dib", RED, RED),
    "JFIF": (encoded(flat("RGB", RED), "JPEG", quality=95), ".jfif", RED, RED),
}  # fmt: skip
TOLERANCE = {".jpg": 4, ".jfif": 4, ".avif": 4, ".gif": 1}
UNTRUSTED = {".png", ".jpg", ".webp", ".jfif"}


def shape_of(content: bytes) -> tuple[int, int, int]:
    return (8, 8, 1 if read_header(content).is_grey else 3)


def is_close(pixels: NDArray[np.uint8], top: Pixel, bottom: Pixel, suffix: str) -> bool:
    """Compare with the colours at the top and at the bottom, grey ones with every channel."""
    actual = pixels[[0, 7], 4].astype(int)
    expected = np.broadcast_to(np.array([top, bottom], int), actual.shape)
    return bool(np.abs(actual - expected).max() <= TOLERANCE.get(suffix, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_value_in_every_reader(kind: str) -> None:
    content, suffix, top, bottom = KINDS[kind]
    shape = shape_of(content)
    (predicted,) = read_images([content], shape, "pad")
    assert isinstance(predicted, np.ndarray), predicted
    assert is_close(predicted, top, bottom, suffix), predicted[[0, 7], 4]
    assert np.array_equal(predicted, read_image(content, shape, "pad"))
    if suffix in UNTRUSTED:
        assert np.array_equal(predicted, read_untrusted_image(content, shape, "pad"))


def test_16_bits_are_scaled_and_never_crushed() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64, 1)
    colours = ramp.repeat(3, axis=2)
    for content, channels in (
        (png_16_bits(ramp), 1),
        (tiff(ramp, ">"), 1),
        (png_16_bits(colours), 3),
        (png_16_bits(np.concatenate([colours, np.full_like(ramp, 65535)], axis=2)), 3),
        (png_16_bits(np.concatenate([ramp, np.full_like(ramp, 65535)], axis=2)), 1),
        (tiff(colours), 3),
        (tiff(colours, ">", True), 3),
    ):
        pixels = read_image(content, (64, 64, channels), "pad", pixel_max=4095)
        assert len(np.unique(pixels)) == 256
        assert np.array_equal(pixels[..., 0], np.rint(ramp[..., 0] * (255 / 4095)))


def test_every_value_of_16_bits_is_rounded_to_the_nearest_level() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    pixels = read_image(png_16_bits(every), (256, 256, 1), "pad")
    assert np.array_equal(pixels.ravel(), (np.arange(65536) + 128) // 257)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff(array([-1024], np.int16)), "has negative pixels, down to -1,024"),
        (tiff(array([70000], np.int32)), "has integers up to 70,000 as pixels, of an unknown"),
        (tiff(array([180.5], np.float32)), "pass the value of full brightness: --pixel-max 255"),
        (tiff(array([np.nan], np.float32)), "has pixels that are not finite"),
        (tiff(array([1, 2, 3]), planar=2), "16-bit RGB TIFF with one plane per channel"),
        (tiff(array([1, 2, 3]), ">", True, planar=2), "16-bit RGB TIFF with one plane per channel"),
    ],
)  # fmt: skip
def test_pixels_without_a_known_scale_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(UnreadableImage, match=words):
        read_image(content, (8, 8, 1), "pad")


def test_a_scale_makes_32_bit_pixels_readable() -> None:
    content = tiff(array([70000], np.int32))
    assert read_image(content, (8, 8, 1), "pad", pixel_max=140000)[0, 0, 0] == 128
    content = tiff(array([180.0], np.float32))
    assert read_image(content, (8, 8, 1), "pad", pixel_max=360)[0, 0, 0] == 128


def profile(name: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()  # type: ignore[arg-type]


# A matrix profile whose primaries are those of sRGB in another order: red becomes green.
SWAPPED = profile("sRGB").replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ")
SWAPPED = SWAPPED.replace(b"tmpX", b"gXYZ")


def test_a_colour_profile_is_converted_to_srgb() -> None:
    notes = ReadingNotes()
    for file_format in ("PNG", "JPEG", "TIFF", "WEBP"):
        content = encoded(flat("RGB", (255, 0, 0)), file_format, icc_profile=SWAPPED)
        pixels = read_image(content, (8, 8, 3), "pad", notes=notes.of("a.png"))
        assert np.abs(pixels[4, 4].astype(int) - (0, 255, 0)).max() < 8, file_format


def test_the_profile_of_srgb_changes_no_pixel() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    content = encoded(Image.fromarray(noise), "PNG", icc_profile=profile("sRGB"))
    assert np.array_equal(read_image(content, (8, 8, 3), "pad"), noise)
    assert srgb_transform(profile("sRGB"), "RGB") is None
    assert srgb_transform(SWAPPED, "RGB") is not None


@pytest.mark.parametrize(
    "broken", [b"no profile", SWAPPED[:200], SWAPPED[:60] + b"\xff" * 300, profile("LAB")]
)
def test_a_broken_or_unfit_profile_is_ignored(broken: bytes) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    content = encoded(Image.fromarray(noise), "PNG", icc_profile=broken)
    assert np.array_equal(read_image(content, (8, 8, 3), "pad"), noise)
    grey = encoded(Image.fromarray(noise[..., 0]), "PNG", icc_profile=broken)
    assert np.array_equal(read_image(grey, (8, 8, 1), "pad")[..., 0], noise[..., 0])


def test_what_is_converted_is_noted_with_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("headstart.progress.say", lines.append)
    notes = ReadingNotes()
    moving = encoded(flat("RGB", RED), "GIF", save_all=True, append_images=[flat("RGB", (0, 0, 9))])
    for number in range(5):
        read_image(moving, (8, 8, 3), "pad", notes=notes.of(f"{number}.gif"))
    read_image(encoded(flat("RGB", RED), "AVIF"), (8, 8, 3), "pad", notes=notes.of("x.jpg"))
    clear = encoded(flat("RGBA", (*RED, 0)), "PNG")
    for name in ("b.png", "a.png"):
        read_image(clear, (8, 8, 3), "pad", notes=notes.of(name))
    read_image(encoded(flat("RGB", RED), "PNG"), (8, 8, 3), "pad", notes=notes.of("ordinary.png"))
    notes.say()
    assert sorted(lines) == [
        "0.gif and 4 more (1.gif, 2.gif, …) have several frames or pages; the first of each is "
        "read",
        "a.png and 1 more (b.png) are transparent everywhere; their transparency is ignored",
        "x.jpg holds AVIF, not what its suffix says; it is read as AVIF",
    ]


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_only_the_first_frame_is_read(file_format: str) -> None:
    others = [flat("RGB", (30, 30, 200))] * 2
    content = encoded(flat("RGB", RED), file_format, save_all=True, append_images=others)
    notes = ReadingNotes()
    for taker in (None, notes.of("a")):
        pixels = read_image(content, (8, 8, 3), "pad", notes=taker)
        assert np.abs(pixels[4, 4].astype(int) - RED).max() < 12
    assert any("frames" in kind.of_one for kind in notes._names)


def test_the_limits_of_untrusted_images_are_as_narrow_as_before() -> None:
    assert ImageLimits() == ImageLimits(("JPEG", "PNG", "WEBP", "BMP"), 50_000_000, 5.0)
    for file_format in ("AVIF", "JPEG2000", "TIFF", "GIF"):
        with pytest.raises(UnreadableImage, match="not an image of an accepted format"):
            read_untrusted_image(encoded(flat("RGB", RED), file_format), (8, 8, 3), "pad")


def test_oversized_png_texts_do_not_hide_the_pixels() -> None:
    import zlib

    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * (1 << 21)))
    many = [png_chunk(b"tEXt", b"k%d\0" % n + b"b" * (1 << 20)) for n in range(70)]
    broken = png_chunk(b"tEXt", b"Comment\0hello")[:-1] + b"!"
    profile_chunk = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"a" * (1 << 21)))
    for chunks in ([text], many, [broken], [profile_chunk]):
        for at_end in (False, True):
            content = png_with(flat("RGB", RED), *chunks, at_end=at_end)
            notes = ReadingNotes()
            assert read_header(content).width == 8
            pixels = read_image(content, (8, 8, 3), "pad", notes=notes.of("a.png"))
            assert pixels[4, 4].tolist() == list(RED)
