"""A study folder as `compare` leaves it, with made-up but consistent numbers: nothing is trained."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Layer = tuple[str, str, list[int], int, int, bool]
LAYER_KEYS = ("name", "kind", "output_shape", "parameters", "multiply_adds", "trainable")
DIGITS = tuple(str(digit) for digit in range(10))
CNN_LAYERS: list[Layer] = [
    ("whitening", "Conv2d", [8, 7, 7], 40, 1568, False),
    ("act", "ReLU", [8, 7, 7], 0, 0, True),
    ("blocks.0.conv1", "Conv2d", [32, 7, 7], 2304, 112896, True),
    ("blocks.0.pool", "MaxPool2d", [32, 3, 3], 0, 0, True),
    ("blocks.0.norm1", "BatchNorm2d", [32, 3, 3], 64, 0, True),
    ("blocks.0.act1", "ReLU", [32, 3, 3], 0, 0, True),
    ("blocks.0.conv2", "Conv2d", [32, 3, 3], 9216, 82944, True),
    ("dropout", "Dropout", [64], 0, 0, True),
    ("head", "Linear", [10], 640, 640, True),
]


@dataclass(frozen=True)
class Fake:
    """One contender of a fake study: its true accuracy decides its predictions."""

    name: str
    accuracy: float
    role: str = "contender"
    frozen: bool = False


TWO_AND_A_CONTROL = (
    Fake("cnn", 0.962),
    Fake("efficientnet-lite0", 0.921, frozen=True),
    Fake("efficientnet-lite0 (random weights)", 0.71, "control", frozen=True),
)


@cache
def _digit_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images * 15.9).astype(np.uint8)[..., None], digits.target.astype(np.int64)


def make_study(
    folder: Path,
    fakes: Sequence[Fake] = TWO_AND_A_CONTROL,
    *,
    class_names: Sequence[str] = DIGITS,
    seeds: int = 3,
    test: bool = True,
    images: int = 600,
    image_shape: tuple[int, int, int] = (8, 8, 1),
    gallery: bool = True,
    winner: str | None = "cnn",
    dataset: str = "digits",
    pairs: bool = True,
) -> Path:
    """Write `folder/finding.json` and `folder/runs/*`; returns `folder`."""
    contenders = []
    for place, fake in enumerate(fakes):
        runs = [f"runs/{_slug(fake.name)}-seed{seed}" for seed in range(seeds)]
        metrics = [
            make_run(
                folder / run,
                fake,
                class_names,
                seed,
                10 * place + seed,
                test=test,
                images=images,
                gallery=gallery,
                image_shape=image_shape,
                dataset=dataset,
            )
            for seed, run in enumerate(runs)
        ]
        contenders.append(_contender(fake, runs, metrics, test))
    folder.mkdir(parents=True, exist_ok=True)
    budget = {
        "time_limit": 300.0,
        "seconds_per_contender": 100.0,
        "seeds": list(range(seeds)),
        "seconds_spent": 294.1,
    }
    part = "test" if test else "validation"
    verdict = _verdict(contenders, winner, images, part) if pairs else _no_verdict()
    finding = {
        "study": "compare",
        "headstart": "0.1.0",
        "created": "2026-11-21T08:00:00+00:00",
        "command": f"headstart compare {dataset} --time-limit 5m --out demo",
        "dataset": dataset_facts(dataset, class_names, image_shape, test),
        "budget": budget,
        "contenders": contenders,
        "floors": _floors(images),
        "verdict": verdict,
        "judged_on": part,
        "test_reads": 1 if test else 0,
        "report": str(folder / "report.html"),
    }
    (folder / "finding.json").write_text(json.dumps(finding), encoding="utf-8")
    return folder


def make_run(
    folder: Path,
    fake: Fake,
    class_names: Sequence[str],
    seed: int,
    noise: int,
    *,
    test: bool = True,
    images: int = 600,
    image_shape: tuple[int, int, int] = (8, 8, 1),
    gallery: bool = True,
    dataset: str = "digits",
) -> dict[str, Any]:
    """Write one run folder; returns its metrics."""
    rng = np.random.default_rng(noise)
    classes = len(class_names)
    pixels, labels = _digit_images()
    if image_shape != (8, 8, 1) or classes != 10:
        labels = np.arange(images) % classes
        pixels = np.asarray(
            np.random.default_rng(1).integers(0, 256, (images, *image_shape)), np.uint8
        )
    rows = np.arange(images) % len(labels)
    probabilities = _probabilities(labels[rows], classes, fake.accuracy, rng)
    part = "test" if test else "validation"
    scores = _scores(labels[rows], probabilities, class_names)
    layers = CNN_LAYERS if not fake.frozen else _backbone_layers()
    metrics = {
        "model": fake.name.split(" ")[0],
        "seed": seed,
        "epochs": 6,
        "parameters": 13_264,
        "trainable_parameters": 13_224,
        "multiply_adds": 198_048,
        "seconds": {"train": 80.1 + seed, "total": 85.2 + seed, "prepare": 3.0},
        "validation": scores,
        "test": scores if test else None,
        "architecture": [dict(zip(LAYER_KEYS, layer, strict=True)) for layer in layers],
        "warnings": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "python": "3.11.2",
        "torch": "2.15.0",
        "timm": "1.0.31",
        "numpy": "2.4.6",
        "cpu": "a CPU",
        "threads": 2,
        "platform": "Linux-6.1-x86_64",
    }
    data = dataset_facts(dataset, class_names, image_shape, test)
    for name, content in (
        ("recipe", _recipe(fake)),
        ("environment", environment),
        ("data", data),
        ("metrics", metrics),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "curves.csv").write_text(_curves(fake, rng), encoding="utf-8")
    (folder / "predictions.csv").write_text(
        _predictions(rows, labels, probabilities, class_names, part), encoding="utf-8"
    )
    if gallery:
        correct = probabilities.argmax(1) == labels[rows]
        right, wrong = (rng.permutation(np.flatnonzero(flag))[:9] for flag in (correct, ~correct))
        np.savez(
            folder / "gallery.npz",
            right=right,
            wrong=wrong,
            images=pixels[rows[np.concatenate([right, wrong])]],
        )
    return metrics


def _recipe(fake: Fake) -> dict[str, Any]:
    return {
        "model": {"name": fake.name, "layers": 2, "nodes": 32, "dropout": 0.0},
        "optimizer": "adamw" if fake.frozen else "sgd",
        "lr": 0.001 if fake.frozen else 0.05,
        "batch": 128,
        "augmentation": {"flip": False, "shift": 0.1},
    }


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def dataset_facts(
    name: str, class_names: Sequence[str], image_shape: tuple[int, int, int], test: bool
) -> dict[str, Any]:
    """The `dataset` of a finding."""
    return {
        "name": name,
        "source": name,
        "fingerprint": "ab12" * 16,
        "image_shape": list(image_shape),
        "classes": len(class_names),
        "class_names": list(class_names),
        "counts": {"train": 51_000, "validation": 9_000, "test": 10_000 if test else 0},
        "duplicates_removed": 12,
        "split_fingerprint": "cd34" * 16,
        "split_seed": 0,
    }


def _probabilities(
    labels: NDArray[np.int64], classes: int, accuracy: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Rows that sum to one and are right in about `accuracy` of the cases; neighbouring classes are confused most."""
    near = (labels + rng.choice([1, -1, 3, 5], len(labels), p=[0.5, 0.25, 0.15, 0.1])) % classes
    guess = np.where(rng.random(len(labels)) < accuracy, labels, near)
    out = rng.dirichlet(np.full(classes, 0.15), len(labels)) * 0.35
    sure = rng.uniform(0.6, 3.0, len(labels))
    out[np.arange(len(labels)), guess] += sure
    out[np.arange(len(labels)), labels] += 0.2
    return np.asarray(out / out.sum(1, keepdims=True))


def _scores(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], class_names: Sequence[str]
) -> dict[str, Any]:
    classes, guess = len(class_names), probabilities.argmax(1)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, guess), 1)
    hits, support, claimed = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    precision, recall = hits / np.maximum(claimed, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + claimed, 1)
    accuracy = float(hits.sum() / support.sum())
    picked = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": accuracy,
        "interval": _interval(accuracy, len(labels)),
        "n": len(labels),
        "loss": float(-np.log(picked).mean()),
        "macro_f1": float(f1.mean()),
        "confusion": confusion.tolist(),
        "per_class": [
            {
                "class": name,
                "precision": float(precision[row]),
                "recall": float(recall[row]),
                "f1": float(f1[row]),
                "support": int(support[row]),
            }
            for row, name in enumerate(class_names)
        ],
    }


def _interval(accuracy: float, n: int) -> list[float]:
    half = 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5
    return [max(0.0, accuracy - half), min(1.0, accuracy + half)]


def _curves(fake: Fake, rng: np.random.Generator) -> str:
    lines = [
        "epoch,seconds,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy"
    ]
    for epoch in range(1, 7):
        gone = float(np.exp(-epoch / 1.7))
        accuracy = fake.accuracy - 0.5 * gone + rng.normal(0, 0.006)
        loss = 0.2 + 1.8 * gone + rng.normal(0, 0.02)
        lines.append(
            f"{epoch},{13 * epoch},0.001,{loss * 1.15:.4f},{accuracy - 0.02:.4f},{loss:.4f},{accuracy:.4f}"
        )
    return "\n".join(lines) + "\n"


def _predictions(
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    class_names: Sequence[str],
    part: str,
) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["index", "image", "part", "label", "predicted", "correct", *class_names])
    for place, (row, chances) in enumerate(zip(rows, probabilities.round(5).tolist(), strict=True)):
        label, guess = class_names[int(labels[row])], class_names[int(np.argmax(chances))]
        writer.writerow(
            [place, f"{part}-{place:05d}", part, label, guess, int(label == guess), *chances]
        )
    return out.getvalue()


def _backbone_layers() -> list[Layer]:
    """Something like EfficientNet-Lite0: a stem, seven stages of blocks, a head."""
    layers: list[Layer] = [("backbone.conv_stem", "Conv2d", [32, 48, 48], 864, 1_990_656, False)]
    side = 48
    for stage, (blocks, channels, stride) in enumerate(
        [(1, 16, 1), (2, 24, 2), (2, 40, 2), (3, 80, 2), (3, 112, 1), (4, 192, 2), (1, 320, 1)]
    ):
        side //= stride
        for block in range(blocks):
            for layer in ("conv_pw", "conv_dw", "conv_pwl"):
                layers.append(
                    (
                        f"backbone.blocks.{stage}.{block}.{layer}",
                        "Conv2d",
                        [channels, side, side],
                        channels * 110,
                        channels * 110 * side * side,
                        False,
                    )
                )
    return [
        *layers,
        ("backbone.conv_head", "Conv2d", [1280, side, side], 409_600, 3_686_400, False),
        ("backbone.pool", "AdaptiveAvgPool2d", [1280], 0, 0, False),
        ("head", "Linear", [10], 12_810, 12_800, True),
    ]


def _contender(
    fake: Fake, runs: list[str], metrics: list[dict[str, Any]], test: bool
) -> dict[str, Any]:
    first, part = metrics[0], "test" if test else "validation"
    per_seed = [run[part]["accuracy"] for run in metrics]
    mean = float(np.mean(per_seed))
    scores = {
        "accuracy": mean,
        "interval": _interval(mean, first[part]["n"]),
        "n": first[part]["n"],
        "macro_f1": first[part]["macro_f1"],
        "per_seed": per_seed,
    }
    return {
        "name": fake.name,
        "role": fake.role,
        "model": first["model"],
        "recipe": _recipe(fake),
        "recipe_hash": "9f" * 16,
        "parameters": first["parameters"] * (250 if fake.frozen else 1),
        "trainable_parameters": first["trainable_parameters"],
        "multiply_adds": first["multiply_adds"] * (300 if fake.frozen else 1),
        "seconds": {"train": 80.1, "total": 85.2, "prepare": 3.0},
        "epochs": [6] * len(runs),
        "predict_ms_per_image": 0.21,
        "test": scores if test else None,
        "validation": {"accuracy": mean, "loss": 0.25} if test else scores,
        "runs": runs,
        "representative_run": runs[0],
        "warnings": [],
    }


def _floors(images: int) -> list[dict[str, Any]]:
    return [
        {
            "name": "majority class",
            "accuracy": 0.1,
            "interval": _interval(0.1, images),
            "n": images,
            "note": "",
        },
        {
            "name": "nearest neighbour on pixels",
            "accuracy": 0.84,
            "interval": _interval(0.84, images),
            "n": images,
            "note": "against 10,000 training images drawn at random",
        },
    ]


def _verdict(
    contenders: list[dict[str, Any]], winner: str | None, n: int, part: str
) -> dict[str, Any]:
    order = sorted(
        (one for one in contenders if one["role"] == "contender"),
        key=lambda one: -one[part]["accuracy"],
    )
    pairs = [
        _pair(a, b, part, is_shown=winner is not None)
        for place, a in enumerate(order)
        for b in order[place + 1 :]
    ]
    first = pairs[0]
    sentence = (
        f"{winner} is better than {first['b']} by {100 * first['difference']:.1f} points of {part} accuracy (95% interval "
        f"{100 * first['interval'][0]:.1f} to {100 * first['interval'][1]:.1f}); over 3 seeds and {n:,} {part} images, so "
        "this is about the recipes."
        if winner
        else "No difference shown; this test would show 1.8 points or more."
    )
    return {
        "winner": winner,
        "difference": first["difference"],
        "interval": first["interval"],
        "p_value": first["p_adjusted"],
        "smallest_detectable": 0.018,
        "sentence": sentence,
        "about": "recipes",
        "pairs": pairs,
        "notes": [],
    }


def _pair(a: dict[str, Any], b: dict[str, Any], part: str, is_shown: bool) -> dict[str, Any]:
    difference = a[part]["accuracy"] - b[part]["accuracy"]
    half = 0.6 * difference if is_shown else difference + 0.01
    interval = [difference - half, difference + half]
    return {
        "a": a["name"],
        "b": b["name"],
        "difference": difference,
        "interval": interval,
        "p_value": 1e-5 if is_shown else 0.4,
        "p_adjusted": 3e-5 if is_shown else 0.8,
        "smallest_detectable": 0.018,
        "bootstrap": interval,
        "mcnemar": [{"only_a": 31, "only_b": 9, "p_value": 7e-4}],
    }


def _no_verdict() -> dict[str, Any]:
    return {
        "winner": None,
        "difference": None,
        "interval": None,
        "p_value": None,
        "smallest_detectable": None,
        "about": "recipes",
        "sentence": "No verdict: --test 0 left no test images to judge on.",
        "pairs": [],
        "notes": [],
    }
