"""Measure what each part of the `cnn` recipe contributes, by changing one part at a time.

    python benchmarks/ablation.py fashion-mnist --epochs 3 --seeds 3

All rows have the same split, seeds and steps, and are evaluated on validation images. No test image
is read. Prints a Markdown table: the mean validation accuracy, its standard deviation over seeds,
the mean paired difference from the recipe as shipped with its standard error, and seconds per run.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

import headstart
from headstart.data import SplitDataset
from headstart.models import Cnn
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train
from headstart.training._random import RngKey

Patch = Callable[[], contextlib.AbstractContextManager[Any]]


@contextlib.contextmanager
def learnt_stem() -> Iterator[None]:
    """Train the stem from random weights."""
    original = Cnn.__init__

    def init(self: Cnn, *args: Any) -> None:
        original(self, *args)
        self.whitening.weight.requires_grad_(True)

    with (
        mock.patch.object(Cnn, "__init__", init),
        mock.patch("headstart.models._cnn.Whitening.fit", lambda *_: None),
    ):
        yield


def random_flips(rows: Any, rng_key: RngKey) -> torch.Tensor:
    """Mirror each image with probability 1/2, with new random numbers in every epoch."""
    return torch.from_numpy(
        np.random.default_rng([rng_key.seed, rng_key.step]).random(len(rows)) < 0.5
    )


def patched(target: str, value: Any) -> Patch:
    """Return a patch that replaces `target` by `value`."""
    return lambda: mock.patch(target, value)


NOTHING: Patch = contextlib.nullcontext
# (name of the row, values that override the recipe, patch of the code)
ROWS: list[tuple[str, dict[str, Any], Patch]] = [
    ("as shipped", {}, NOTHING),
    ("without whitening: the stem is trained from random weights", {}, learnt_stem),
    (
        "without identity-like initialisation",
        {},
        patched("torch.nn.init.dirac_", lambda weight: weight),
    ),
    (
        "biases at one sixteenth of their learning rate",
        {},
        patched("headstart.training._optimizers.MUON_BIAS_RATE", 0.25 / 16),
    ),
    ("without Muon: SGD with momentum, learning rate 0.05", {"optimizer": "sgd"}, NOTHING),
    ("without Muon: AdamW, learning rate 0.003", {"optimizer": "adamw", "lr": 0.003}, NOTHING),
    ("without a schedule: constant learning rate", {"schedule": "constant", "lr": 0.05}, NOTHING),
    ("without label smoothing", {"label_smoothing": 0.0}, NOTHING),
    (
        "random instead of alternating flips",
        {},
        patched("headstart.training._augment._choose_flipped", random_flips),
    ),
    ("without flips, in training and prediction", {"flip": False}, NOTHING),
    (
        "batch-norm statistics at the usual momentum of 0.1",
        {},
        patched("headstart.models._cnn.BATCH_NORM_MOMENTUM", 0.1),
    ),
    ("float32", {"precision": "float32"}, NOTHING),
    ("strides instead of pooling", {"downsample": "stride"}, NOTHING),
    ("GELU instead of ReLU", {"activation": "gelu"}, NOTHING),
    ("with cutout of 0.3", {"cutout": 0.3}, NOTHING),
    ("with shifts of 0.04", {"shift": 0.04}, NOTHING),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument(
        "--only", nargs="*", help="train only the rows whose name contains one of these words"
    )
    args = parser.parse_args()

    dataset = headstart.load(args.dataset)
    split = headstart.split(dataset, test=0)
    shipped_scores: list[float] = []
    print(
        "| change | validation accuracy | standard deviation over seeds "
        "| difference, points | seconds |\n"
        "|---|---|---|---|---|"
    )
    for name, values, patch in ROWS:
        if shipped_scores and args.only and not any(word in name for word in args.only):
            continue

        scores, seconds = [], []
        for seed in range(args.seeds):
            recipe = make_recipe("cnn", {"epochs": args.epochs, **values}, args.preset)
            with tempfile.TemporaryDirectory() as folder, patch():
                metrics = train(
                    TrainingJob(recipe, SplitDataset(dataset, split), seed, Path(folder) / "run")
                )
            scores.append(metrics.validation.accuracy)
            seconds.append(metrics.seconds.train)

        shipped_scores = shipped_scores or scores
        differences = [
            score - shipped for score, shipped in zip(scores, shipped_scores, strict=True)
        ]
        deviation, error = 0.0, 0.0
        if len(scores) > 1:
            deviation = statistics.stdev(scores)
            error = statistics.stdev(differences) / len(differences) ** 0.5

        print(
            f"| {name} | {statistics.mean(scores):.2%} | {deviation:.2%} "
            f"| {100 * statistics.mean(differences):+.2f} ± {100 * error:.2f} "
            f"| {statistics.mean(seconds):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
