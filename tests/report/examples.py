"""Runs and studies for the tests of reports: real ones of version 0.1, and built ones.

The scores of the built runs come from `headstart.evaluation`. Nothing is trained. Each study has a
module of its own, such as `compare_example`.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from headstart.data import pack_sheet
from headstart.evaluation import choose_worst, compute_metrics
from headstart.results import (
    Budget,
    DatasetSummary,
    Difference,
    Finding,
    LayerSummary,
    PartMetrics,
    PartSummary,
    ResultModel,
    RunMetrics,
    RunSeconds,
    SeedSpread,
    SplitParts,
    read_finding,
)

REAL_STUDIES = Path(__file__).parents[1] / "assets" / "version-0.1"
DIGITS = tuple(str(digit) for digit in range(10))
Model = TypeVar("Model", bound=ResultModel)


def copy_real(name: str, folder: Path) -> Path:
    """Copy a real study or run of version 0.1 into `folder`, and return its path."""
    return Path(shutil.copytree(REAL_STUDIES / name, folder / name))


def write_finding(folder: Path, finding: Finding) -> Path:
    """Write a finding into a study folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "finding.json").write_text(json.dumps(finding.as_json()), encoding="utf-8")
    return folder


def changed(model: Model, **changes: object) -> Model:
    """Return a validated copy of a model with other values in some fields."""
    return type(model).model_validate({**dict(model), **changes})


def rewrite(folder: Path, **changes: object) -> Path:
    """Change some fields of the finding in a study folder, and return the folder."""
    return write_finding(folder, changed(read_finding(folder), **changes))


@dataclass(frozen=True)
class Data:
    """The dataset of a built study."""

    name: str = "digits"
    class_names: Sequence[str] = DIGITS
    image_shape: tuple[int, int, int] = (8, 8, 1)
    images: int = 600
    has_test: bool = True
    warnings: tuple[str, ...] = ()

    def summary(self) -> DatasetSummary:
        classes = len(self.class_names)
        return DatasetSummary(
            name=self.name,
            source=self.name,
            options={"image_size": None},
            fingerprint="ab12" * 16,
            images=70_000,
            image_shape=self.image_shape,
            classes=classes,
            class_names=tuple(self.class_names),
            parts=SplitParts(
                train=_part(51_000, classes),
                validation=_part(9_000, classes),
                test=_part(10_000 if self.has_test else 0, classes),
            ),
            duplicates_removed=12,
            split_seed=0,
            split_fingerprint="cd34" * 16,
            warnings=self.warnings,
        )

    @property
    def part(self) -> str:
        return "test" if self.has_test else "validation"


def _part(images: int, classes: int) -> PartSummary:
    return PartSummary(images=images, per_class=(images // classes,) * classes)


@dataclass(frozen=True)
class Example:
    """A contender of a built comparison. Its accuracy decides its predictions."""

    name: str
    accuracy: float
    is_control: bool = False
    is_frozen: bool = False


def common_fields(study: str, data: Data, seeds: int) -> dict[str, object]:
    """Return the fields that the findings of all studies share."""
    return {
        "headstart": "0.2.0",
        "created": "2026-11-21T08:00:00+00:00",
        "command": f"headstart {study} {data.name} --time-limit 5m --out demo",
        "dataset": data.summary(),
        "report": "demo/report.html",
        "evaluated_on": data.part,
        "test_reads": 1 if data.has_test else 0,
        "budget": Budget(
            time_limit=300.0,
            seeds=tuple(range(seeds)),
            seconds_per_contender=100.0,
            seconds_spent=294.1,
        ),
    }


def write_run(
    folder: Path, example: Example, data: Data | None = None, *, seed: int = 0, noise: int = 0
) -> RunMetrics:
    """Write a run folder, and return its metrics.

    Args:
        folder: The run folder.
        example: The name and the accuracy.
        data: The dataset.
        seed: The seed of the run.
        noise: The seed of the predictions.
    """
    data = data or Data()
    rng = np.random.default_rng(noise)
    pixels, labels = _images(data)
    probabilities = _probabilities(labels, len(data.class_names), example.accuracy, rng)
    scores = _part_metrics(labels, probabilities, data)
    metrics = RunMetrics(
        model=example.name.split(" ")[0],
        command=f"headstart train {data.name}",
        seed=seed,
        epochs=6,
        steps=2400,
        recipe=_recipe(example),
        parameters=13_264,
        trainable_parameters=13_224,
        multiply_adds=198_048,
        seconds=RunSeconds(train=80.1 + seed, prepare=3.0, total=85.2 + seed),
        predict_ms_per_image=0.21,
        backbone=None,
        stop_reason="schedule done",
        validation=scores,
        test=scores if data.has_test else None,
        architecture=tuple(_backbone_layers() if example.is_frozen else _cnn_layers()),
    )

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("metrics", metrics.as_json()),
        ("data", data.summary().as_json()),
        ("environment", {"headstart": "0.2.0", "torch": "2.15.0", "threads": 2}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    write_curves(folder, _curves(example.accuracy, rng))
    _write_predictions(folder, labels, probabilities, data)
    _write_gallery(folder, pixels, labels, probabilities, rng)
    return metrics


def write_curves(folder: Path, rows: Sequence[Sequence[float]]) -> None:
    """Write `curves.csv`: epoch, seconds, learning rate, then loss and accuracy of both parts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "curves.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
        writer.writerow(["epoch", "seconds", "learning_rate", *names])
        writer.writerows(rows)


def _images(data: Data) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = np.arange(data.images) % len(data.class_names)
    shape = (data.images, *data.image_shape)
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8), labels


def _probabilities(
    labels: NDArray[np.int64], classes: int, accuracy: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return probabilities that are correct in about `accuracy` of the cases.

    Neighbouring classes are confused most.
    """
    steps = rng.choice([1, -1, 3, 5], len(labels), p=[0.5, 0.25, 0.15, 0.1])
    is_correct = rng.random(len(labels)) < accuracy
    predicted = np.where(is_correct, labels, (labels + steps) % classes)
    weights = rng.dirichlet(np.full(classes, 0.15), len(labels)) * 0.35
    weights[np.arange(len(labels)), predicted] += rng.uniform(0.6, 3.0, len(labels))
    weights[np.arange(len(labels)), labels] += 0.2
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _part_metrics(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], data: Data
) -> PartMetrics:
    metrics = compute_metrics(labels, probabilities).as_json()
    return PartMetrics.model_validate({**metrics, "class_names": tuple(data.class_names)})


def _recipe(example: Example) -> dict[str, object]:
    return {
        "model": example.name,
        "optimizer": "adamw" if example.is_frozen else "sgd",
        "lr": 0.001 if example.is_frozen else 0.05,
        "batch": 128,
        "augmentation": {"flip": False, "shift": 0.1},
    }


def _curves(accuracy: float, rng: np.random.Generator) -> list[list[float]]:
    rows: list[list[float]] = []
    for epoch in range(1, 7):
        remaining = float(np.exp(-epoch / 1.7))
        now = accuracy - 0.5 * remaining + rng.normal(0, 0.006)
        loss = 0.2 + 1.8 * remaining + rng.normal(0, 0.02)
        rows.append([epoch, 13 * epoch, 0.001, 1.15 * loss, now - 0.02, loss, now])
    return rows


def _write_predictions(
    folder: Path, labels: NDArray[np.int64], probabilities: NDArray[np.float64], data: Data
) -> None:
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["index", "image", "part", "label", "predicted", "correct", *data.class_names]
        )
        for index, row in enumerate(probabilities.round(5).tolist()):
            label = data.class_names[int(labels[index])]
            predicted = data.class_names[int(np.argmax(row))]
            name = f"{data.part}-{index:05d}"
            correct = int(label == predicted)
            writer.writerow([index, name, data.part, label, predicted, correct, *row])


def _write_gallery(
    folder: Path,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    correct = probabilities.argmax(1) == labels
    right, wrong = (rng.permutation(np.flatnonzero(flags))[:9] for flags in (correct, ~correct))
    images = pixels[np.concatenate([right, wrong])]
    worst = choose_worst(labels, probabilities, 800)
    sheet, shape = pack_sheet(pixels[worst], 56, 90)
    np.savez(
        folder / "gallery.npz",
        right=right,
        wrong=wrong,
        images=images,
        worst=worst,
        sheet=np.frombuffer(sheet, np.uint8),
        tile_shape=np.array(shape),
    )


def _layer(
    name: str, kind: str, shape: tuple[int, ...], parameters: int, **more: object
) -> LayerSummary:
    values = {"trainable": True, "multiply_adds": 100 * parameters, **more}
    return LayerSummary.model_validate(
        {"name": name, "kind": kind, "output_shape": shape, "parameters": parameters, **values}
    )


def _cnn_layers() -> list[LayerSummary]:
    return [
        _layer("whitening", "Conv2d", (8, 7, 7), 40, trainable=False),
        _layer("act", "ReLU", (8, 7, 7), 0),
        _layer("blocks.0.conv1", "Conv2d", (32, 7, 7), 2304),
        _layer("blocks.0.norm1", "BatchNorm2d", (32, 3, 3), 64),
        _layer("head", "Linear", (10,), 640),
    ]


def _backbone_layers() -> list[LayerSummary]:
    """Return something like EfficientNet-Lite0: a stem, seven stages of blocks, and a head."""
    layers = [_layer("backbone.conv_stem", "Conv2d", (32, 48, 48), 864, trainable=False)]
    for stage, channels in enumerate((16, 24, 40, 80, 112, 192, 320)):
        for part in ("conv_pw", "conv_dw", "conv_pwl"):
            name = f"backbone.blocks.{stage}.0.{part}"
            shape = (channels, 48 >> stage, 48 >> stage)
            layers.append(_layer(name, "Conv2d", shape, 110 * channels, trainable=False))
    return [*layers, _layer("head", "Linear", (10,), 12_810)]


def seed_spread(mean: float, half_width: float = 0.006, seeds: int = 3) -> SeedSpread:
    offsets = np.linspace(-0.6, 0.6, seeds) if seeds > 1 else np.zeros(1)
    per_seed = tuple((mean + half_width * offsets).tolist())
    return SeedSpread(mean=mean, low=mean - half_width, high=mean + half_width, per_seed=per_seed)


def measured_difference(difference: float) -> Difference:
    return Difference(
        difference=difference,
        interval=(difference - 0.005, difference + 0.005),
        p_adjusted=0.002 if abs(difference) > 0.005 else 0.6,
    )
