"""The scale of images of more than eight bits: one for the whole dataset, found or given."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from raw_images import png_16_bits, tiff
from test_kinds_of_pixels import KINDS, is_close

import headstart
from headstart import progress
from headstart.data import UnreadableImage, load, read_images, read_untrusted_image
from headstart.data.formats.images import _decode_rows
from headstart.errors import InputError


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    return lines


def slices(folder: Path, largest: int, count: int = 4, suffix: str = ".png") -> Path:
    """Write 16-bit images with values from 0 to `largest`, in two classes."""
    for number in range(2 * count):
        values = np.linspace(0, largest - number, 400).astype(np.uint16).reshape(20, 20, 1)
        values[-1, -1] = largest
        path = folder / "ab"[number % 2] / f"{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_16_bits(values) if suffix == ".png" else tiff(values))
    return folder


def levels(images: NDArray[np.uint8]) -> int:
    return len(np.unique(np.asarray(images[0])))


@pytest.mark.parametrize(
    ("largest", "scale"),
    [(200, 255), (900, 1023), (4095, 4095), (3000, 4095), (16000, 16383), (17000, 65535)],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_scale_is_found_from_the_largest_value_of_all_images(
    tmp_path: Path, said: list[str], largest: int, scale: int, suffix: str
) -> None:
    data = load(slices(tmp_path / "ct", largest, suffix=suffix))
    assert data.options["pixel_max"] == scale
    assert levels(data.images) > 60
    assert f"ct: pixels of more than 8 bits are read on the scale 0 to {scale:,}" in "\n".join(said)

    said.clear()
    again = load(tmp_path / "ct")  # from the cache
    assert again.fingerprint == data.fingerprint
    assert again.options == data.options
    assert any("read on the scale" in line for line in said)


def test_one_bright_image_decides_for_all(tmp_path: Path) -> None:
    slices(tmp_path, 1000)
    (tmp_path / "b/bright.png").write_bytes(png_16_bits(np.full((20, 20, 1), 4000, np.uint16)))
    data = load(tmp_path)
    assert data.options["pixel_max"] == 4095
    assert data.images[data.image_names.index("a/0.png")].max() == round(1000 * 255 / 4095)


def test_a_few_bright_pixels_do_not_crush_the_others_silently(
    tmp_path: Path, said: list[str]
) -> None:
    for number in range(6):
        values = np.linspace(0, 900, 10_000).astype(np.uint16).reshape(100, 100, 1)
        values[0, 0] = 65535  # a mark, or a faulty pixel
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png_16_bits(values))
    load(tmp_path)
    assert any("99.9% of the pixels" in line and "--pixel-max 1023" in line for line in said)

    said.clear()
    data = load(tmp_path, pixel_max=1023)
    assert levels(data.images) > 200
    assert any("and 5 more" in line and "above pixel_max; these became white" in line
               for line in said)  # fmt: skip


def test_a_given_scale_is_used_for_folders_and_for_tables(tmp_path: Path) -> None:
    slices(tmp_path, 4095)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in tmp_path.rglob("*.png")]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *sorted(rows)]))
    for source in (tmp_path, tmp_path / "labels.csv"):
        data = load(source, pixel_max=8190)
        assert data.options["pixel_max"] == 8190
        assert int(np.asarray(data.images).max()) == 128
    table = load(tmp_path / "labels.csv")
    assert table.options["pixel_max"] == 4095


def test_images_of_8_bits_have_no_scale(tmp_path: Path, said: list[str]) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), 99).save(tmp_path / name / "1.png")
    data = load(tmp_path)
    assert data.options["pixel_max"] is None
    assert not said
    with pytest.raises(InputError, match="none of its images has more than 8 bits"):
        load(tmp_path, pixel_max=4095)


def test_images_of_8_bits_among_others_keep_their_values(tmp_path: Path) -> None:
    slices(tmp_path, 4095)
    Image.new("L", (20, 20), 77).save(tmp_path / "a/eight.png")
    data = load(tmp_path)
    assert set(np.unique(data.images[data.image_names.index("a/eight.png")])) == {77}
    assert data.options["pixel_max"] == 4095


def test_real_numbers_are_read_up_to_1_and_need_a_scale_beyond(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1)
        (tmp_path / name / "1.tif").write_bytes(tiff(values))
    assert load(tmp_path).options["pixel_max"] == 1
    (tmp_path / "a/1.tif").write_bytes(tiff(np.full((8, 8, 1), 180, np.float32)))
    with pytest.raises(InputError, match=r"a/1.tif has real numbers .*--pixel-max 255"):
        load(tmp_path)
    assert load(tmp_path, pixel_max=255).images[0, 0, 0, 0] == 180


def test_the_scale_that_was_found_opens_the_same_entry_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices(tmp_path, 4095)
    time.sleep(0.2)  # The cache relies on files that were written a moment ago.
    data = load(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(_decode_rows.RowDecoder, "decode", refuse)
    again = load(tmp_path, pixel_max=4095.0)
    assert again.fingerprint == data.fingerprint


def test_a_dataset_of_all_kinds_of_pixels_has_their_values(tmp_path: Path) -> None:
    """Grey files become RGB with equal channels, since some files are in colour."""
    names = {}
    for number, (kind, (content, suffix, _, _)) in enumerate(KINDS.items()):
        if "real numbers" in kind:  # They have a scale of their own, so they need their own data.
            continue
        name = f"{'ab'[number % 2]}/{number}{suffix}"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
        names[name] = kind
    data = load(tmp_path)
    assert data.options["pixel_max"] == 65535
    assert set(data.image_names) == set(names)
    for name, pixels in zip(data.image_names, data.images, strict=True):
        _, suffix, top, bottom = KINDS[names[name]]
        assert is_close(pixels, top, bottom, suffix), names[name]


def test_a_classifier_keeps_the_scale_for_predictions_and_the_server(
    tmp_path: Path, said: list[str]
) -> None:
    folder = slices(tmp_path / "ct", 4095, count=10)
    run = headstart.train(folder, model="mlp", epochs=1, out=tmp_path / "run")
    about = json.loads((run.folder / "classifier.json").read_text())
    assert about["preprocessing"]["pixel_max"] == 4095
    assert json.loads((run.folder / "data.json").read_text())["options"]["pixel_max"] == 4095

    data = load(folder)
    name = data.image_names[0]
    content = (folder / name).read_bytes()
    (predicted,) = read_images([content], data.image_shape, "pad", 4095)
    assert not isinstance(predicted, UnreadableImage)
    assert np.array_equal(predicted, data.images[0])
    sent = read_untrusted_image(content, data.image_shape, "pad", None, 4095)
    assert np.array_equal(sent, data.images[0])

    (by_path,) = headstart.predict(run.folder, [folder / name])["predictions"]
    classifier = headstart.load_classifier(run.folder)
    expected = classifier.predict(np.asarray(data.images[:1])).probabilities[0]
    by_name = dict(zip(data.class_names, expected.tolist(), strict=True))
    assert by_path["probabilities"] == pytest.approx(by_name, abs=1e-6)
