"""A run that meets other data is refused, and the message says what differs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import SplitDataset, describe_changes, load, make_split
from headstart.data._split_file import write_split
from headstart.data._summary import describe


def folder_of(root: Path) -> Path:
    for label, kind in enumerate(("cat", "dog")):
        (root / kind).mkdir(parents=True)
        for number in range(10):
            noise = np.random.default_rng(10 * label + number).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(noise).save(root / kind / f"{number}.png")
    return root


def opened(root: Path, seed: int = 0) -> SplitDataset:
    dataset = load(root)
    return SplitDataset(dataset, make_split(dataset, seed=seed))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a folder that records the data of `pets` as a run does."""
    folder = tmp_path / "run"
    folder.mkdir()
    data = opened(folder_of(tmp_path / "pets"))
    (folder / "data.json").write_text(json.dumps(describe(data)))
    write_split(data, folder)
    return folder


def test_equal_data_have_no_difference(run: Path, tmp_path: Path) -> None:
    assert describe_changes(run, opened(tmp_path / "pets")) == ""


def test_a_deleted_image_is_counted(run: Path, tmp_path: Path) -> None:
    (tmp_path / "pets/cat/3.png").unlink()
    text = describe_changes(run, opened(tmp_path / "pets"))
    assert "20 images there, 19 now" in text
    assert "1 of the 20 images of its split is gone or changed" in text


def test_an_edited_image_is_counted(run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "pets/cat/3.png")
    text = describe_changes(run, opened(tmp_path / "pets"))
    assert text == "1 of the 20 images of its split is gone or changed"


def test_added_images_and_classes_are_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "pets/owl").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"pets/owl/{number}.png")
    text = describe_changes(run, opened(tmp_path / "pets"))
    assert "20 images there, 23 now" in text
    assert "classes added: 'owl'" in text


def test_another_split_seed_is_named(run: Path, tmp_path: Path) -> None:
    assert "split seed 0 there, 1 now" in describe_changes(run, opened(tmp_path / "pets", seed=1))


def test_a_moved_label_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "pets/cat/3.png").rename(tmp_path / "pets/dog/33.png")
    assert "labels" in describe_changes(run, opened(tmp_path / "pets"))


def test_options_are_named_as_they_are_typed(run: Path, tmp_path: Path) -> None:
    dataset = load(tmp_path / "pets", image_size=16)
    text = describe_changes(run, SplitDataset(dataset, make_split(dataset)))
    assert "no --image-size there, --image-size 16 now" in text
