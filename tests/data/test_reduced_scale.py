"""The scale at which a JPEG is decoded: the result is nearly that of the whole image."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from raw_images import encoded

from headstart.data import Resize
from headstart.data.formats.images import _decode
from headstart.data.formats.images._decode import read_image
from headstart.data.formats.images._orientation import turn_upright
from headstart.data.formats.images._resize import fit

SIZE = (45, 45, 3)


def make_photo(width: int, height: int) -> Image.Image:
    """Return waves and edges: one pixel to the side changes them."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = 127 + 60 * np.sin(x / 7) + 60 * np.cos(y / 9)
    edges = 255.0 * ((x // 40 + y // 40) % 2)
    pixels = np.stack([waves, edges, 255 - waves], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def jpeg(photo: Image.Image, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(photo, "JPEG", quality=95, subsampling=0, exif=exif.tobytes())


def read(content: bytes, resize: Resize = "pad") -> NDArray[np.int64]:
    return read_image(content, SIZE, resize).astype(np.int64)


def read_whole(content: bytes, resize: Resize = "pad") -> NDArray[np.int64]:
    """Decode all pixels of an image, and resize them."""
    with Image.open(io.BytesIO(content)) as image:
        whole = ImageOps.exif_transpose(image)
        return np.asarray(fit(whole, *SIZE[:2], resize)).astype(np.int64)


@pytest.fixture
def decoded_sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Record the sizes of the images that the decoder returns."""
    sizes: list[tuple[int, int]] = []

    def record_size(image: Image.Image, orientation: int) -> Image.Image:
        sizes.append(image.size)
        return turn_upright(image, orientation)

    monkeypatch.setattr(_decode, "turn_upright", record_size)
    return sizes


@pytest.mark.parametrize(
    ("width", "decoded_width"),
    [(45, 45), (134, 134), (136, 68), (268, 134), (276, 69), (545, 69), (2000, 250)],
)
def test_a_jpeg_is_decoded_at_the_least_scale_of_one_and_a_half_times_the_size(
    width: int, decoded_width: int, decoded_sizes: list[tuple[int, int]]
) -> None:
    read(jpeg(make_photo(width, width // 2)))
    assert [size[0] for size in decoded_sizes] == [decoded_width]


@pytest.mark.parametrize("resize", get_args(Resize))
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rounding_of_the_scale_does_not_shift_the_picture(
    resize: Resize, orientation: int, decoded_sizes: list[tuple[int, int]]
) -> None:
    # An eighth of 561 and 593 pixels is 70.1 and 74.1. The decoder returns 71 and 75 pixels.
    content = jpeg(make_photo(593, 561), orientation)
    difference = np.abs(read(content, resize) - read_whole(content, resize))
    assert decoded_sizes == [(75, 71)]
    # 2.4 at most. It is 25 if the partly covered pixels count as whole ones.
    assert difference.mean() < 4


def test_a_part_of_a_pixel_in_the_last_column_is_no_border() -> None:
    content = jpeg(Image.new("RGB", (721, 721), "white"))
    assert read(content, "squish").min() > 250


def test_images_of_other_formats_are_decoded_whole(decoded_sizes: list[tuple[int, int]]) -> None:
    content = encoded(make_photo(500, 333), "PNG")
    assert np.array_equal(read(content), read_whole(content))
    assert decoded_sizes == [(500, 333)]
