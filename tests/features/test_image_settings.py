"""The size and the shape of photographs, chosen on training and validation images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart.api._fit_images import choose_images
from headstart.api._study_calls import StudyCall
from headstart.data import SplitDataset, image_files, load, make_split
from headstart.features import choose_image_settings
from headstart.features._image_settings import measure_image_settings

Painter = Callable[[NDArray[np.uint8], int], None]
WIDTH, HEIGHT = 480, 240


def at_the_centre(pixels: NDArray[np.uint8], label: int) -> None:
    """Draw stripes in the middle, too fine to survive if the whole width is kept."""
    columns = np.arange(160, 320)
    stripes = np.where(columns // 3 % 2, 255, 0) if label else np.full(160, 127)
    pixels[40:200, 160:320] = stripes[None, :, None]


def at_the_edges(pixels: NDArray[np.uint8], label: int) -> None:
    """Draw the class beside the square in the middle."""
    pixels[:, :100] = (250, 40, 40) if label else (40, 40, 250)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Painter], Path]:
    """Return a function that writes 40 wide noisy images of two classes, and 20 test images."""

    def write(paint: Painter) -> Path:
        folder = tmp_path_factory.mktemp(paint.__name__)
        rng = np.random.default_rng(0)
        for number in range(60):
            part = "train" if number < 40 else "test"
            place = folder / part / "ab"[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 200, (HEIGHT, WIDTH + number, 3)).astype(np.uint8)
            paint(pixels, number % 2)
            Image.fromarray(pixels).save(place / f"{number}.png")
        return folder

    return write


def opened(folder: Path) -> SplitDataset:
    dataset = load(folder)
    return SplitDataset(dataset, make_split(dataset))


def test_images_are_cropped_unless_the_edges_tell_the_classes_apart(
    photographs: Callable[[Painter], Path],
) -> None:
    data = opened(photographs(at_the_edges))
    settings = measure_image_settings(data, image_files(data.dataset))
    assert settings.resize != "crop"
    assert settings.accuracy["crop"] < 0.8 < max(settings.accuracy.values())
    assert "Its accuracies: pad " in settings.sentence
    assert (settings.image_size, settings.original_px, settings.images) == (256, 240, 40)

    data = opened(photographs(at_the_centre))
    settings = measure_image_settings(data, image_files(data.dataset))
    assert settings.resize == "crop"


def test_test_images_decide_nothing(
    photographs: Callable[[Painter], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = opened(photographs(at_the_centre))
    files = image_files(data.dataset)
    known = {data.dataset.image_names[row] for row in data.split.test}
    assert known
    without_test = {name: path for name, path in files.items() if name not in known}
    first = choose_image_settings(data, without_test)
    monkeypatch.setattr("headstart.features._image_settings.measure_image_settings", None)
    assert choose_image_settings(data, files) == first  # from the cache


def test_a_given_resize_stays_and_small_files_are_not_enlarged(tmp_path: Path) -> None:
    for number in range(12):
        place = tmp_path / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        Image.new("RGB", (150, 100 + number), (number, 9, 9)).save(place / f"{number}.jpg")
    data = opened(tmp_path)
    settings = measure_image_settings(data, image_files(data.dataset), "squish")
    assert (settings.image_size, settings.resize, settings.accuracy) == (128, "squish", {})
    assert "squares of 128 pixels" in settings.sentence


def call_of(data: object, out: Path | None = None, **keys: object) -> StudyCall:
    return StudyCall(data, keys, {}, out)  # type: ignore[arg-type]


def test_fit_asks_only_where_size_and_time_leave_it_open(
    photographs: Callable[[Painter], Path], tmp_path: Path
) -> None:
    folder = photographs(at_the_edges)
    chosen = choose_images(call_of(str(folder)), 600.0)
    assert chosen is not None
    assert chosen.image_size == 256
    assert choose_images(call_of(str(folder)), 30.0) is None
    assert choose_images(call_of(str(folder), image_size=96), 600.0) is None
    assert choose_images(call_of("digits"), 600.0) is None
    assert choose_images(call_of((np.zeros((4, 8, 8, 1), np.uint8), [0, 1, 0, 1])), 600.0) is None

    begun = tmp_path / "fit"
    begun.mkdir()
    fingerprint = load(folder).fingerprint
    (begun / "study.json").write_text(f'{{"dataset": "{fingerprint}"}}', encoding="utf-8")
    assert choose_images(call_of(str(folder), begun), 600.0) is None
