"""Data frames of pandas: tables of paths or of pixels, and mappings of parts to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from table_helpers import write_images

from headstart.data import TEST, TRAIN, VALIDATION, Dataset, load
from headstart.errors import InputError

pandas = pytest.importorskip("pandas")
NAMES = [f"{number}.png" for number in range(6)]
LABELS = ["001", "7", "001", "7", "001", "7"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which has images of two sizes in `images/`."""
    (tmp_path / "images").mkdir()
    write_images(tmp_path / "images", NAMES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def labels_of(dataset: Dataset) -> list[str]:
    return [dataset.class_names[label] for label in dataset.labels]


@pytest.mark.parametrize("prefix", ["images/", ""])
def test_a_frame_of_paths_is_read_from_the_current_folder(folder: Path, prefix: str) -> None:
    frame = pandas.DataFrame({"path": [prefix + name for name in NAMES], "label": LABELS})
    dataset = load(frame)
    assert labels_of(dataset) == LABELS
    assert dataset.image_names[0] == str(folder / "images/0.png")

    indexed = load(frame.set_index("path"))
    assert indexed.fingerprint == dataset.fingerprint
    assert load(dataset.source).fingerprint == dataset.fingerprint  # as a worker opens it
    assert frame["path"].iloc[0] == prefix + NAMES[0]  # the frame is unchanged


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
def test_a_frame_of_pixels_is_read(dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 16))
    frame = pandas.DataFrame(pixels.astype(dtype))
    frame["label"] = pandas.Categorical(LABELS)
    dataset = load(frame)
    assert labels_of(dataset) == LABELS
    assert dataset.images.reshape(6, 16).tolist() == pixels.tolist()


def test_frames_of_parts_are_read() -> None:
    frame = pandas.DataFrame(np.arange(6 * 4).reshape(6, 4))
    frame["label"] = LABELS
    dataset = load({"train": frame[:4], "test": frame[4:]})
    assert dataset.parts.tolist() == [TRAIN] * 4 + [TEST] * 2
    parts = load({"train": frame, "eval": frame, "test": frame}).parts
    assert parts.tolist() == [TRAIN] * 6 + [VALIDATION] * 6 + [TEST] * 6
    with pytest.raises(InputError, match="invalid part 'cats' of the data"):
        load({"cats": frame})


@pytest.mark.parametrize("kind", ["array", "picture", "bytes"])
def test_a_frame_whose_cells_are_images_is_read(folder: Path, kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    pictures = [Image.fromarray(image) for image in pixels]
    for picture, name in zip(pictures, NAMES, strict=True):
        picture.save(folder / name)
    cells: dict[str, list[Any]] = {
        "array": list(pixels),
        "picture": pictures,
        "bytes": [(folder / name).read_bytes() for name in NAMES],
    }
    frame = pandas.DataFrame({"image": cells[kind], "label": LABELS})
    assert load(frame).images.tolist() == pixels.tolist()
    assert load({"train": frame, "test": frame}).parts.tolist() == [TRAIN] * 6 + [TEST] * 6


def test_a_pair_of_paths_and_labels_is_an_error_with_the_frame_to_give() -> None:
    with pytest.raises(InputError, match="pass a data frame: pandas"):
        load((NAMES, LABELS))


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"path": [NAMES[0], "9.png"], "label": ["a", "b"]}, "9.png does not exist"),
        ({"path": [NAMES[0], None], "label": ["a", "b"]}, "line 3 of frame.csv"),
        ({"path": NAMES[:2], "label": ["a", None]}, "the label (label) is empty"),
        ({"path": NAMES[:2], "x": ["a", "b"], "y1": [1, 2]}, "column"),
        ({"path": [], "label": []}, "no rows"),
        ({("path", "a"): NAMES[:1], ("label", "b"): ["a"]}, "one level of names, got 2"),
    ],
)
def test_errors_of_frames_say_where_the_table_is(
    folder: Path, columns: dict[Any, Any], text: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(pandas.DataFrame(columns))
    assert text in str(caught.value)
    assert "one level" in text or "The data frame is written as" in str(caught.value)
