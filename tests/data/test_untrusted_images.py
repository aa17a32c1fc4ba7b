"""Untrusted images: the limits on their decoding."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import ImageLimits, UnreadableImage, _threads, read_untrusted_image
from headstart.data.formats.images import _open_image
from headstart.data.formats.images._decode import read_image


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
    with pytest.raises(
        UnreadableImage, match=f"is not an image of an accepted format: it is {kind}"
    ):
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


def test_scans_are_counted_before_they_are_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("L", (64, 64), 128).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    hostile = content[:end] + content[last:end] * 300 + b"\xff\xd9"
    assert read_image(content, (8, 8, 1), "pad").shape == (8, 8, 1)
    with pytest.raises(UnreadableImage, match=r"has 3\d\d scans, and the limit is 200"):
        read_image(hostile, (8, 8, 1), "pad")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("from_file", [False, True])
def test_images_of_the_user_have_a_limit_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, from_file: bool
) -> None:
    content: bytes | Path = _file(kind, GREY)
    if from_file:
        (tmp_path / "a.png").write_bytes(_file(kind, GREY))
        content = tmp_path / "a.png"
    monkeypatch.setattr(_open_image, "DECODING_SECONDS", -1.0)
    with pytest.raises(UnreadableImage, match="takes too long"):
        read_image(content, (8, 8, 1), "pad")


def test_decoding_stops_when_the_command_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "usable_cores", lambda: 2)
    has_started = threading.Event()
    endings: list[str] = []

    def decode(item: int) -> None:
        if item:
            assert has_started.wait(60)
            raise KeyboardInterrupt
        while not endings:  # as long as decoding succeeds
            try:
                read_image(_file("PNG", GREY), (8, 8, 1), "pad")
            except UnreadableImage as error:
                endings.append(str(error))
            has_started.set()

    with pytest.raises(KeyboardInterrupt):
        _threads.map_in_threads(decode, [0, 1], "decoding")
    assert endings == ["was not decoded, because the command was stopped"]


def test_decoding_ends_at_its_deadline() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3)).astype(np.uint8)
    with pytest.raises(UnreadableImage, match="takes too long"):
        read_untrusted_image(_file("JPEG", noise), (8, 8, 3), "pad", ImageLimits(seconds=-1.0))
