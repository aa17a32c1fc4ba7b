"""Predictions for image files: the same pixels as in training, for all kinds of sources."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from headstart.classifier import load_classifier
from headstart.data import Dataset, SplitDataset, list_images, load, make_split
from headstart.deploy import named_sources, open_images, open_model, predict
from headstart.errors import InputError
from headstart.evaluation import apply_temperature
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train

SIZES = ((40, 30), (30, 40), (64, 64), (300, 200))


def photographs(root: Path) -> Path:
    """Write stripes and checks of many sizes.

    They are JPEG and PNG, colour and greyscale, and some are rotated by EXIF.
    """
    random = np.random.default_rng(0)
    for number in range(80):
        kind, (width, height) = ("checks", "stripes")[number % 2], SIZES[number % 4]
        across, down = np.meshgrid(np.arange(width), np.arange(height))
        pattern = (across // 6 + (down // 6 if kind == "checks" else 0)) % 2
        pixels = np.clip(
            60 + 130 * pattern[..., None] + random.normal(0, 25, (height, width, 3)), 0, 255
        ).astype(np.uint8)
        image = Image.fromarray(pixels if number % 5 else pixels[..., 0])
        exif = Image.Exif()
        exif[0x0112] = (1, 3, 6)[number % 3]
        path = root / kind / f"{number}.{'jpg' if number % 3 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, exif=exif, quality=85)
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def dataset(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return load(photos, image_size=24, resize="crop")


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(
        TrainingJob(
            make_recipe("cnn", {"epochs": 3, "nodes": 8}),
            SplitDataset(dataset, make_split(dataset)),
            0,
            folder,
        )
    )
    return folder


def test_the_images_of_a_folder_are_opened_with_the_pixels_of_training(
    photos: Path, dataset: Dataset, run: Path
) -> None:
    model = open_model(run)
    names, sources = named_sources([photos])
    assert names == [str(photos / name) for name in dataset.image_names]
    assert np.array_equal(open_images(sources, names, model), dataset.images)


def test_predictions_of_files_are_those_of_the_run_after_calibration(
    photos: Path, run: Path
) -> None:
    with (run / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    paths = [photos / row["image"] for row in rows]
    result = predict(open_model(run), paths, [row["image"] for row in rows]).predictions
    expected = np.array([[float(row[name]) for name in result.class_names] for row in rows])
    temperature = load_classifier(run).metadata.temperature
    assert len(rows) == 24
    assert temperature != 1
    assert result.labels == [row["predicted"] for row in rows]
    assert np.abs(result.probabilities - apply_temperature(expected, temperature)).max() < 1e-4


def test_a_path_its_bytes_and_an_open_file_are_the_same_image(photos: Path, run: Path) -> None:
    path, model = list_images(photos)[7], open_model(run)
    with path.open("rb") as file:
        names, sources = named_sources(
            [path, path.read_bytes(), io.BytesIO(path.read_bytes()), file]
        )
        images = open_images(sources, names, model)
    assert names == [str(path), "image 2", "image 3", str(path)]
    assert all(np.array_equal(images[0], image) for image in images)


def test_images_that_cannot_be_read_are_all_named_and_none_is_predicted(
    photos: Path, run: Path, tmp_path: Path
) -> None:
    good = list_images(photos)[0]
    text, cut, empty = tmp_path / "text.jpg", tmp_path / "cut.jpg", tmp_path / "empty.png"
    text.write_text("not an image")
    cut.write_bytes(
        next(path for path in list_images(photos) if path.suffix == ".jpg").read_bytes()[:700]
    )
    empty.touch()
    sources = [good, text, cut, empty, tmp_path / "gone.png"]
    with pytest.raises(InputError) as caught:
        predict(open_model(run), sources, [path.name for path in sources])
    for message in (
        "4 of 5 images",
        "text.jpg is not an image",
        "cut.jpg ",
        "empty.png is empty",
        "gone.png cannot be read: No such",
    ):
        assert message in str(caught.value)


def test_a_file_extension_does_not_choose_the_decoder(run: Path) -> None:
    eps = io.BytesIO()
    Image.new("RGB", (20, 20)).save(eps, "EPS")
    with pytest.raises(InputError, match="image 1 is not an image"):
        open_images([eps.getvalue()], ["image 1"], open_model(run))


def test_a_decompression_bomb_is_refused_before_it_is_decoded(run: Path) -> None:
    bomb = io.BytesIO()
    Image.new("1", (14_000, 14_000)).save(bomb, "PNG")
    with pytest.raises(InputError, match="pixels"):
        open_images([bomb.getvalue()], ["image 1"], open_model(run))


@pytest.mark.parametrize("given", [np.zeros((24, 24, 3), np.uint8), Image.new("RGB", (24, 24))])
def test_the_error_for_arrays_and_pictures_names_another_way(given: Any) -> None:
    with pytest.raises(
        InputError, match=r"invalid image 2: expected a path, .*, got \w+\."
    ) as caught:
        named_sources([b"", given])
    assert "numpy" in caught.value.hint


def test_a_file_that_is_open_for_text_is_refused(photos: Path) -> None:
    path = next(photos.rglob("*.png"))
    for file in (path.open(), io.StringIO("text")):
        with file, pytest.raises(InputError, match="open for text") as caught:
            named_sources([cast("Any", file)])
        assert 'open(path, "rb")' in caught.value.hint


@pytest.mark.parametrize("given", [[], ["nowhere.png"]])
def test_a_missing_image_is_reported(given: list[str]) -> None:
    with pytest.raises(InputError, match=r"no images given|nowhere\.png does not exist"):
        named_sources(given)


def test_a_folder_without_images_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds no images: it has 1 \.txt file"):
        named_sources([tmp_path])
