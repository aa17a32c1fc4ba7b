"""Odd images, quality and shortcuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from headstart.audit import (
    PropertyBaseline,
    Shortcuts,
    _shortcuts,
    find_duplicates,
    find_odd_images,
    find_quality_issues,
    find_shortcuts,
)
from headstart.audit._file_properties import Property
from headstart.data import Dataset, load, read_file_facts

Images = NDArray[np.uint8]


def _photographs(count: int, seed: int = 0) -> Images:
    noise = np.random.default_rng(seed).normal(size=(count, 32, 32, 3))
    smooth = gaussian_filter(noise, (0, 1.5, 1.5, 0))
    smooth /= smooth.std(axis=(1, 2, 3), keepdims=True)
    pixels: Images = np.clip(120 + 40 * smooth, 0, 255).astype(np.uint8)
    return pixels


def _reported(shortcuts: Shortcuts) -> list[PropertyBaseline]:
    return [baseline for baseline in shortcuts.properties if baseline.is_shortcut]


def _dataset(images: Images) -> Dataset:
    return load((images, np.arange(len(images)) % 3))


def test_blank_placeholder_and_text_images_are_listed_with_their_reason() -> None:
    images = _photographs(300)
    images[7] = 200
    images[[20, 40, 60, 90, 121]] = images[20]
    card = Image.new("RGB", (32, 32), "white")
    ImageDraw.Draw(card).text((1, 10), "no pic", fill="black")
    images[33] = np.asarray(card)
    dataset = _dataset(images)

    odd = find_odd_images(dataset, find_duplicates(dataset))

    reasons = dict(zip(odd.indices.tolist(), odd.reason, strict=True))
    assert reasons[7] == "blank"
    assert reasons[33] == "text"
    placeholders = {row for row, reason in reasons.items() if reason == "placeholder"}
    assert placeholders == {20, 40, 60, 90, 121}
    assert len(odd) == 7
    assert (np.diff(odd.score) <= 0).all()


def _with_series(picture: Images, *, every_image_is_drawn: bool = False) -> Dataset:
    """Return a dataset of two classes, in one of which a picture occurs six times."""
    images = _photographs(200)
    if every_image_is_drawn:
        images[:, :, :20] = 255
    images[:12:2] = picture
    return load((images, np.arange(200) % 2))


def test_a_series_in_one_class_is_a_placeholder_only_if_it_is_drawn() -> None:
    card = Image.new("RGB", (32, 32), "white")
    ImageDraw.Draw(card).text((1, 10), "no pic", fill="black")
    drawn, photograph = np.asarray(card), _photographs(1, seed=1)[0]
    for picture, is_placeholder in ((drawn, True), (photograph, False)):
        dataset = _with_series(picture)
        odd = find_odd_images(dataset, find_duplicates(dataset))
        assert ("placeholder" in odd.reason) == is_placeholder


def test_a_series_of_drawings_is_no_placeholder_where_all_images_look_drawn() -> None:
    shape = _photographs(1, seed=1)[0]
    shape[:, :20] = 255
    dataset = _with_series(shape, every_image_is_drawn=True)
    assert "placeholder" not in find_odd_images(dataset, find_duplicates(dataset)).reason


def test_drawings_are_not_odd_where_every_image_is_a_drawing() -> None:
    images = np.full((60, 32, 32, 3), 255, np.uint8)
    for row in range(60):
        images[row, row % 20 : row % 20 + 8, 4 + row // 20 : 20] = 0

    assert "text" not in find_odd_images(_dataset(images)).reason


def test_dark_bright_and_blurred_images_are_listed() -> None:
    images = _photographs(200)
    images[3] = images[3] // 16
    images[4] = 255 - images[4] // 24
    images[5] = gaussian_filter(images[5], (6, 6, 0))

    issues = find_quality_issues(_dataset(images))

    listed = dict(zip(issues.problem, issues.indices.tolist(), strict=True))
    assert listed["dark"] == 3
    assert listed["bright"] == 4
    assert listed["blurred"] == 5 or 5 in issues.indices


def _save_folder(folder: Path, shortcut: str) -> None:
    images = _photographs(120)
    for row, pixels in enumerate(images):
        label = row % 2
        image = Image.fromarray(pixels)
        suffix = ".png"
        if shortcut == "size" and label:
            image = image.resize((40, 40))
        if shortcut == "mode" and label:
            image = image.convert("L")
        if shortcut == "file format" and label:
            suffix = ".jpg"
        path = folder / "ab"[label] / f"{row}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)


@pytest.mark.parametrize("shortcut", ["size", "mode", "file format"])
def test_a_property_that_predicts_the_class_is_reported(tmp_path: Path, shortcut: str) -> None:
    _save_folder(tmp_path, shortcut)
    dataset = load(tmp_path)

    shortcuts = find_shortcuts(dataset, read_file_facts(dataset))

    reported = {baseline.name: baseline for baseline in _reported(shortcuts)}
    assert reported[shortcut].accuracy == 1.0
    assert shortcuts.guessing == 0.5


def test_border_colour_is_reported_where_it_decides() -> None:
    images = _photographs(120)
    images[1::2, 0] = images[1::2, -1] = images[1::2, :, 0] = images[1::2, :, -1] = 255

    shortcuts = find_shortcuts(load((images, np.arange(120) % 2)))

    assert "border colour" in {baseline.name for baseline in _reported(shortcuts)}
    assert "size" in shortcuts.skipped


def test_no_shortcut_is_reported_in_95_percent_of_datasets_without_one() -> None:
    rng = np.random.default_rng(0)
    images = _photographs(150)
    silent = 0
    for _ in range(40):
        dataset = load((images, rng.permutation(np.arange(150) % 3)))
        silent += not _reported(find_shortcuts(dataset))

    assert silent >= 38


def test_random_properties_are_reported_in_at_most_5_percent_of_datasets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With the binomial noise of a fixed rule alone, 5 of 30 such datasets had a shortcut.
    rng = np.random.default_rng(0)
    dataset = load((_photographs(60), np.arange(60) % 2))
    reported = 0
    for _ in range(30):
        values = rng.random((6, 60, 1))
        properties = [Property(f"p{i}", column, True, None) for i, column in enumerate(values)]
        monkeypatch.setattr(_shortcuts, "list_properties", lambda *_, p=properties: (p, ()))
        reported += bool(_reported(find_shortcuts(dataset)))

    assert reported <= 1
