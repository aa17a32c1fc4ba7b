"""Datasets at the edge: read-only, tiny, changed between two starts, and with odd class names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart import api
from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.deploy import open_model
from headstart.errors import InputError
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, read_predicted, train

Command = Callable[..., tuple[int, str, str]]
NAMES = (
    *("..", "a/b", "<script>alert(1)</script>", "CON", "=1+1", "-rf", "two\nlines", "train", "0"),
    *("\U0001f600", "\u05d0\u202eabc", "e\u0301tage", "n" * 300, " ", "\x1b[31m"),
)


def folder_of(root: Path, per_class: int = 10) -> Path:
    for label, kind in enumerate(("cat", "dog")):
        (root / kind).mkdir(parents=True)
        for number in range(per_class):
            noise = np.random.default_rng(99 * label + number).integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(noise).save(root / kind / f"{number}.png")
    return root


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the time and size of each file and folder; a new file changes that of its folder."""
    paths = (folder, *folder.rglob("*"))
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_data_are_only_read_and_predict_writes_nothing(headstart: Command, tmp_path: Path) -> None:
    pets = folder_of(tmp_path / "pets")
    before = stamps(pets)
    words = ("--model", "mlp", "--nodes", 16, "--epochs", 1, "--out", tmp_path / "run")
    status, _, err = headstart("train", pets, *words)
    assert status == 0, err
    assert stamps(pets) == before

    before = stamps(tmp_path)
    status, _, err = headstart("predict", tmp_path / "run", pets / "cat")
    assert status == 0, err
    assert stamps(tmp_path) == before


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_fewer_images_than_a_batch_are_trained_on(model: str, tmp_path: Path) -> None:
    data = load(folder_of(tmp_path / "pets", per_class=3))
    split = SplitDataset(data, make_split(data, validation=0, test=0.34))
    recipe = make_recipe(model, {"batch": 128, "epochs": 2, "nodes": 8})
    assert len(split.split.train) < 6
    assert train(TrainingJob(recipe, split, 0, tmp_path / "run")).epochs == 2


def test_data_that_changed_between_two_starts_are_refused(tmp_path: Path) -> None:
    pets = folder_of(tmp_path / "pets")
    recipe = make_recipe("mlp", {"epochs": 1, "nodes": 8})

    def start() -> None:
        data = load(pets)
        train(TrainingJob(recipe, SplitDataset(data, make_split(data)), 0, tmp_path / "run"))

    start()
    Image.new("L", (8, 8)).save(pets / "cat" / "3.png")
    with pytest.raises(InputError, match="1 of the 20 images of its split is gone or changed"):
        start()


def test_odd_class_names_come_back_from_every_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(10 * len(NAMES)) % len(NAMES)
    images = rng.integers(0, 256, (len(labels), 8, 8, 1), np.uint8)
    path = tmp_path / "images.npz"
    np.savez(path, images=images, labels=labels, class_names=np.array(NAMES))
    data: Dataset = load(path)
    assert data.class_names == NAMES

    folder = tmp_path / "run"
    recipe = make_recipe("mlp", {"epochs": 1, "nodes": 16})
    train(TrainingJob(recipe, SplitDataset(data, make_split(data)), 0, folder))
    assert len(read_predicted(folder, "test")) > 0
    exported = tmp_path / "model.onnx"
    api.export(folder, out=exported)
    for model in (folder, exported):
        assert open_model(model).class_names == NAMES
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"images.npz", "run", "model.onnx", "model.sha256"}
