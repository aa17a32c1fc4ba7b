"""What each part of the `cnn` recipe gives: one taken out, or one added, at a time; judged on validation images over seeds.

    python benchmarks/ablation.py fashion-mnist --epochs 3 --seeds 3

The same split, seeds and steps for every row; no test image is read. Prints a table: mean validation accuracy, its spread over
seeds, the mean paired difference to the recipe as shipped with the standard error of that mean, and seconds.
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
from headstart.models import Cnn
from headstart.models.recipes import make_recipe
from headstart.training import _augment, train

Patch = Callable[[], contextlib.AbstractContextManager[Any]]


@contextlib.contextmanager
def learnt_stem() -> Iterator[None]:
    """A stem that learns from random weights."""
    original = Cnn.__init__

    def init(self: Cnn, *args: Any) -> None:
        original(self, *args)
        self.whitening.weight.requires_grad_(True)

    with (
        mock.patch.object(Cnn, "__init__", init),
        mock.patch("headstart.models._cnn.Whitening.fit", lambda *_: None),
    ):
        yield


def random_flips(rows: Any, draws: _augment.Draws) -> torch.Tensor:
    """Each image is mirrored by a coin of its own, every epoch anew."""
    return torch.from_numpy(np.random.default_rng([draws.seed, draws.step]).random(len(rows)) < 0.5)


def patched(target: str, value: Any) -> Patch:
    return lambda: mock.patch(target, value)


NOTHING: Patch = contextlib.nullcontext
# (what, values over the recipe, what is patched)
ROWS: list[tuple[str, dict[str, Any], Patch]] = [
    ("as shipped", {}, NOTHING),
    ("without whitening: the stem learns from random weights", {}, learnt_stem),
    (
        "without identity-like initialisation",
        {},
        patched("torch.nn.init.dirac_", lambda weight: weight),
    ),
    (
        "biases at a sixteenth of their rate",
        {},
        patched("headstart.training._optimizers.MUON_BIAS_RATE", 0.25 / 16),
    ),
    ("without Muon: SGD with momentum, rate 0.05", {"optimizer": "sgd"}, NOTHING),
    ("without Muon: AdamW, rate 0.003", {"optimizer": "adamw", "lr": 0.003}, NOTHING),
    ("without a schedule: constant rate", {"schedule": "constant", "lr": 0.05}, NOTHING),
    ("without label smoothing", {"label_smoothing": 0.0}, NOTHING),
    (
        "random instead of alternating flips",
        {},
        patched("headstart.training._augment._is_mirrored", random_flips),
    ),
    ("without flips, in training and prediction", {"flip": False}, NOTHING),
    (
        "batch norm's moments at the usual 0.1",
        {},
        patched("headstart.models._cnn.STATISTICS_RATE", 0.1),
    ),
    ("float32", {"precision": "float32"}, NOTHING),
    ("strides instead of pooling", {"downsample": "stride"}, NOTHING),
    ("GELU instead of ReLU", {"activation": "gelu"}, NOTHING),
    ("with cut-out of 0.3", {"cutout": 0.3}, NOTHING),
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
    parser.add_argument("--only", nargs="*", help="words that a row must contain")
    args = parser.parse_args()
    dataset = headstart.load(args.dataset)
    split = headstart.split(dataset, test=0)
    base: list[float] = []
    print("| change | validation accuracy | spread | difference | seconds |\n|---|---|---|---|---|")
    for name, values, patch in ROWS:
        if base and args.only and not any(word in name for word in args.only):
            continue
        scores, seconds = [], []
        for seed in range(args.seeds):
            recipe = make_recipe("cnn", {"epochs": args.epochs, **values}, args.preset)
            with tempfile.TemporaryDirectory() as folder, patch():
                found = train(recipe, dataset, split, seed, Path(folder) / "run")
            scores.append(found["validation"]["accuracy"])
            seconds.append(found["seconds"]["train"])
        base = base or scores
        gaps = [score - other for score, other in zip(scores, base, strict=True)]
        error = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        print(
            f"| {name} | {statistics.mean(scores):.2%} | {spread:.2%} | {100 * statistics.mean(gaps):+.2f} ± {100 * error:.2f} | "
            f"{statistics.mean(seconds):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
