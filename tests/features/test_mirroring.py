"""Images are mirrored where that keeps what distinguishes the classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.features import decide_mirroring
from headstart.models.recipes import make_recipe
from headstart.results import read_metrics
from headstart.training import TrainingJob, train

Images = NDArray[np.uint8]


def drawn(kind: str, images: int = 120) -> SplitDataset:
    """Return triangles that point to one side by class, or by chance and are large by class."""
    rng = np.random.default_rng(0)
    labels = np.arange(images) % 2
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    pixels = np.empty((images, 16, 16, 1), np.uint8)
    for number, label in enumerate(labels.tolist()):
        side = (1 if label else -1) if kind == "arrows" else rng.choice([-1, 1])
        size = 0.6 if kind == "arrows" else (0.45, 0.8)[label]
        across, down = (value + rng.uniform(-0.15, 0.15) for value in (x, y))
        triangle = (side * across < size) & (side * across - size < -2 * np.abs(down))
        inside = triangle & (side * across > -size)
        noisy = 80 * inside + rng.normal(60, 15, inside.shape)
        pixels[number, :, :, 0] = np.clip(noisy, 0, 255)
    dataset = load((pixels, np.array(["first", "second"])[labels]))
    return SplitDataset(dataset, make_split(dataset))


@pytest.mark.parametrize(
    ("kind", "outcome", "reason"),
    [
        ("arrows", "off", "'first' and 'second' into each other"),
        ("sizes", "on", "it keeps what distinguishes the classes"),
    ],
)
def test_sided_classes_are_not_mirrored_and_others_are(
    kind: str, outcome: str, reason: str
) -> None:
    check = decide_mirroring(drawn(kind))
    assert (check.outcome, check.is_used) == (outcome, outcome == "on")
    assert reason in check.reason


def test_digits_are_recognised_by_their_images_not_by_the_names_of_their_classes(
    digits: Dataset,
) -> None:
    names = np.array([f"kind {label}" for label in digits.labels])
    renamed = load((np.asarray(digits.images), names))
    split = make_split(renamed, train_images=200)
    assert decide_mirroring(SplitDataset(renamed, split)).outcome == "off"


def test_few_images_cannot_tell_and_are_not_mirrored() -> None:
    check = decide_mirroring(drawn("sizes", 36))
    assert (check.outcome, check.is_used) == ("unknown", False)
    assert "15 images per class" in check.reason


def test_a_run_records_its_decision_and_an_explicit_value_wins(tmp_path: Path) -> None:
    values = {"epochs": 1.0, "nodes": 4, "layers": 1}
    data = drawn("sizes")
    train(TrainingJob(make_recipe("cnn", values), data, 0, tmp_path / "open"))
    given = make_recipe("cnn", {**values, "flip": False})
    train(TrainingJob(given, data, 0, tmp_path / "given"))

    decided, explicit = read_metrics(tmp_path / "open"), read_metrics(tmp_path / "given")
    assert decided.augmentation is not None and decided.augmentation.is_used
    assert (decided.recipe["flip"], explicit.recipe["flip"]) == (True, False)
    assert explicit.augmentation is None
    plan = json.loads((tmp_path / "open" / "plan.json").read_text())
    assert plan["augmentation"]["reason"] == decided.augmentation.reason
