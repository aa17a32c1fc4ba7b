"""The size and the shape of photographs, chosen on training and validation images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import headstart
from headstart.api import _fit_images
from headstart.api._fit_images import with_chosen_images
from headstart.api._keys import StudyKeys
from headstart.api._study_calls import StudyCall
from headstart.data import SplitDataset, image_files, load, make_split
from headstart.errors import InputError, ResourceError
from headstart.features import Probe, _image_settings, choose_image_settings
from headstart.results import ImageSettings

WIDTH, HEIGHT = 480, 240


def at_the_edges(pixels: NDArray[np.uint8], label: int) -> None:
    """Draw the class beside the square in the middle."""
    pixels[:, :100] = (250, 40, 40) if label else (40, 40, 250)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 40 wide noisy images of two classes, and 20 test images."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(60):
        place = folder / ("train" if number < 40 else "test") / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (HEIGHT, WIDTH + number, 3)).astype(np.uint8)
        at_the_edges(pixels, number % 2)
        Image.fromarray(pixels).save(place / f"{number}.png", compress_level=1)
    return folder


@pytest.fixture
def cropping_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the probe be right for 60% of the padded, 80% of the squished, 90% of the cropped."""
    accuracies = iter((0.6, 0.8, 0.9) * 4)

    def probe(features: NDArray[np.float16], *_: object) -> Probe:
        assert features.shape == (40, 1280)
        share = next(accuracies)
        return Probe(np.arange(40) < 40 * share, loss=1 - share, l2=0.1)

    monkeypatch.setattr(_image_settings, "cross_validated_probe", probe)


def opened(folder: Path) -> SplitDataset:
    dataset = load(folder)
    return SplitDataset(dataset, make_split(dataset))


def chosen(data: SplitDataset, **options: object) -> ImageSettings | None:
    files = image_files(data.dataset)
    return choose_image_settings(data, files, 600.0, **options)  # type: ignore[arg-type]


def test_images_are_not_cropped_if_the_edges_tell_the_classes_apart(photographs: Path) -> None:
    settings = chosen(opened(photographs))
    assert settings is not None
    assert settings.resize != "crop"
    assert settings.accuracy["crop"] < 0.8 < max(settings.accuracy.values())
    assert (settings.image_size, settings.original_px, settings.images) == (256, 240, 40)
    assert "training and validation images: pad " in settings.sentence


@pytest.mark.usefixtures("cropping_is_best")
def test_the_method_with_the_lowest_loss_is_chosen(photographs: Path) -> None:
    settings = chosen(opened(photographs), image_size=96)
    assert settings is not None
    assert (settings.image_size, settings.resize) == (96, "crop")
    assert settings.accuracy == {"pad": 0.6, "squish": 0.8, "crop": 0.9}


def test_a_method_replaces_padding_only_by_one_standard_error() -> None:
    padded = np.arange(100) < 80
    assert not _image_settings._is_better(padded, padded)
    slightly = padded.copy()
    slightly[[80, 0, 1, 81, 82]] ^= True  # three gained, two lost
    assert not _image_settings._is_better(slightly, padded)
    clearly = padded.copy()
    clearly[80:86] = True
    assert _image_settings._is_better(clearly, padded)


def test_test_images_decide_nothing(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(photographs)
    files = image_files(data.dataset)
    names = {data.dataset.image_names[row] for row in data.split.test}
    assert names
    without_test = {name: path for name, path in files.items() if name not in names}
    first = choose_image_settings(data, without_test, 600.0)
    monkeypatch.setattr(_image_settings, "_measure", None)
    assert choose_image_settings(data, files, 600.0) == first  # from the cache


def test_files_that_take_too_long_are_decoded_once(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_image_settings, "_seconds_per_file", lambda paths: 1.0)
    data = opened(photographs)
    assert chosen(data, resize="crop", image_size=90) is None
    monkeypatch.setattr(_image_settings, "_seconds_per_file", lambda paths: 0.0)
    assert chosen(data, resize="crop", image_size=90) is None  # as the same command before


def write_small_files(folder: Path, count: int, classes: int) -> SplitDataset:
    for number in range(count):
        place = folder / f"class{number % classes}"
        place.mkdir(exist_ok=True)
        Image.new("RGB", (150, 100 + number), (number, 9, 9)).save(place / f"{number}.jpg")
    return opened(folder)


def test_a_given_resize_stays_and_small_files_are_not_enlarged(tmp_path: Path) -> None:
    settings = chosen(write_small_files(tmp_path, 12, 2), resize="squish")
    assert settings is not None
    assert (settings.image_size, settings.resize, settings.accuracy) == (128, "squish", {})
    assert "squares of 128 pixels" in settings.sentence


def test_a_kept_padding_is_not_said_to_have_the_lowest_loss() -> None:
    accuracy = {"pad": 0.8, "squish": 0.81, "crop": 0.82}
    settings = ImageSettings(
        image_size=256, resize="pad", original_px=300, images=50, accuracy=accuracy
    )
    assert "because no other method is more accurate by one standard error" in settings.sentence


def test_few_images_per_class_decide_nothing(tmp_path: Path) -> None:
    settings = chosen(write_small_files(tmp_path, 80, 16))
    assert settings is not None
    assert (settings.resize, settings.accuracy) == ("pad", {})


def settings_of(data: object, limit: float, out: Path | None = None, **keys: object) -> object:
    call = StudyCall(data, keys, {}, out)  # type: ignore[arg-type]
    after, settings = with_chosen_images(call, limit)
    assert after.opened is not None
    if settings is not None:
        assert after.opened.image_shape[:2] == (settings.image_size, settings.image_size)
    return settings


@pytest.mark.usefixtures("cropping_is_best")
def test_fit_asks_only_where_size_and_time_leave_it_open(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(photographs)
    settings = settings_of(folder, 600.0)
    assert isinstance(settings, ImageSettings)
    assert (settings.image_size, settings.resize) == (256, "crop")
    assert settings_of(folder, 30.0) is None
    assert settings_of(folder, 600.0, image_size=96, resize="pad") is None
    inferred: StudyKeys = {"group_by": "inferred"}  # its groups change with the pixels
    assert not _fit_images._is_open(StudyCall(folder, inferred, {}, None), 600.0)
    assert settings_of("digits", 600.0) is None
    arrays = np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1])
    assert not _fit_images._is_open(StudyCall(arrays, {}, {}, None), 600.0)

    study = tmp_path / "fit" / "study.json"
    study.parent.mkdir()
    study.write_text(json.dumps({"dataset": load(folder).fingerprint}), encoding="utf-8")
    assert settings_of(folder, 600.0, study.parent) is None  # begun with the default size
    recorded = settings.model_copy(update={"resize": "squish", "image_size": 200})
    study.write_text(json.dumps({"images": recorded.model_dump()}), encoding="utf-8")
    for limit, given in ((600.0, {}), (600.0, {"image_size": 200, "resize": "squish"}), (30.0, {})):
        assert settings_of(folder, limit, study.parent, **given) == recorded
    with pytest.raises(InputError, match="holds a fit with --image-size 200, not 96"):
        settings_of(folder, 600.0, study.parent, image_size=96)

    def no_space(data: object, keys: dict[str, object]) -> SplitDataset:
        if keys.get("image_size") == 256:
            raise ResourceError("the disk is full.", "Delete something.")
        return opened(Path(str(data)))

    monkeypatch.setattr(_fit_images, "open_data", no_space)
    assert settings_of(folder, 600.0) is None


@pytest.mark.usefixtures("cropping_is_best")
def test_a_fit_records_its_images_and_later_commands_use_them(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One short fit; then predict, a longer fit, and a comparison with the classifier."""
    monkeypatch.setattr(_fit_images, "_LEAST_SECONDS", 1.0)
    monkeypatch.setattr(_image_settings, "_DECODING_SHARE", 10.0)
    folder, out = photographs, tmp_path / "result"
    result = headstart.fit(folder, time_limit=10, epochs=1, out=out)
    settings = result["image_settings"]
    assert (settings["image_size"], settings["resize"]) == (256, "crop")
    assert any("--resize crop" in sentence for sentence in result["sentences"])
    recorded = json.loads((out / "classifier" / "data.json").read_text(encoding="utf-8"))
    assert recorded["options"]["image_size"] == 256

    predicted = headstart.predict(out, folder / "test" / "a")
    assert len(predicted["predictions"]) == 10
    monkeypatch.setattr(_image_settings, "choose_image_settings", None)  # they are in study.json
    again = headstart.fit(folder, time_limit=10, epochs=1, out=out)
    assert again["image_settings"] == settings

    with pytest.raises(InputError, match="different images: --image-size 256 --resize crop and"):
        other = tmp_path / "other"
        headstart.train(folder, model="cnn", nodes=4, epochs=1, out=other)
        headstart.compare(folder, models=[str(out / "classifier"), str(other)], time_limit=None)
    compared = headstart.compare(
        folder,
        models=[str(out / "classifier"), "cnn"],
        seeds=1,
        epochs=1,
        time_limit=None,
        out=tmp_path / "compared",
    )
    assert len(compared["contenders"]) == 2
