"""Untrusted images: the limits on their decoding."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from headstart.data import ImageLimits, UnreadableImage, read_untrusted_image


def _file(kind: str, pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "WEBP"])
def test_the_usual_formats_are_read(kind: str) -> None:
    assert read_untrusted_image(_file(kind, GREY), (8, 8, 1), "pad").shape == (8, 8, 1)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PPM"])
def test_unusual_formats_are_not_opened_for_untrusted_images(kind: str) -> None:
    with pytest.raises(UnreadableImage, match="is not an image"):
        read_untrusted_image(_file(kind, GREY), (8, 8, 1), "pad")


def test_an_image_keeps_its_own_size_if_no_shape_is_given() -> None:
    pixels = read_untrusted_image(_file("PNG", np.zeros((20, 30, 3), np.uint8)), None, "pad")
    assert pixels.shape == (20, 30, 1)


def test_more_pixels_than_allowed_are_not_decoded() -> None:
    with pytest.raises(UnreadableImage, match="the limit is"):
        read_untrusted_image(
            _file("PNG", np.zeros((100, 101), np.uint8)),
            (8, 8, 1),
            "pad",
            ImageLimits(pixels=10_000),
        )


def test_decoding_ends_at_its_deadline() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3)).astype(np.uint8)
    with pytest.raises(UnreadableImage, match="takes too long"):
        read_untrusted_image(_file("JPEG", noise), (8, 8, 3), "pad", ImageLimits(seconds=-1.0))
