"""Measure that fine-tuning never ends below the fitted head that it starts from.

    python benchmarks/never_below.py --steps 2 5 15 60

Each run fine-tunes for so many steps. The table has the validation accuracy of the starting point
and of the trained weights, what the run kept, and the test accuracy beside that of the frozen head.
Steps are counted instead of seconds, so other work on the machine does not change the result. It
prints a Markdown table, and never_below.md holds the results.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart import progress
from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.models.recipes import make_recipe
from headstart.results import RunMetrics, read_metrics
from headstart.training import TrainingJob, train

MODEL, BATCH = "efficientnet-lite0", 32


def datasets() -> dict[str, tuple[str, int, int]]:
    """Return source, training images and image size of each dataset."""
    folder = Path(os.environ["HEADSTART_DATA"])
    return {
        "digits": ("digits", 400, 64),
        "ants and bees": (str(folder / "ants-bees"), 200, 96),
        "hand signs": (str(folder / "sign-digits"), 400, 64),
        "Fashion-MNIST": ("fashion-mnist", 1000, 64),
        "CIFAR-10": ("cifar10", 1000, 64),
    }


def few_images(dataset: Dataset, train_images: int, most: int) -> SplitDataset:
    """Return a split with at most so many validation and test images."""
    split = make_split(dataset, train_images=train_images)
    return SplitDataset(
        dataset, replace(split, validation=split.validation[:most], test=split.test[:most])
    )


def run(data: SplitDataset, folder: Path, seed: int, **values: Any) -> RunMetrics:
    """Train one run, and return its metrics."""
    train(TrainingJob(make_recipe(MODEL, values), data, seed, folder))
    return read_metrics(folder)


def test_accuracy(metrics: RunMetrics) -> float:
    assert metrics.test is not None
    return metrics.test.accuracy


def measure(name: str, steps: list[int], seeds: int, images: int, folder: Path) -> None:
    """Print one row per number of steps and seed."""
    source, train_images, input_px = datasets()[name]
    data = few_images(load(source), train_images, images)
    frozen = test_accuracy(run(data, folder / "frozen", 0, transfer="frozen", input_px=input_px))
    steps_per_epoch = max(1, train_images // BATCH)
    for count in steps:
        for seed in range(seeds):
            metrics = run(
                data,
                folder / f"steps{count}-seed{seed}",
                seed,
                transfer="finetune",
                input_px=input_px,
                batch=BATCH,
                epochs=count / steps_per_epoch,
            )
            start = metrics.start
            assert start is not None and start.accuracy is not None
            assert start.end_accuracy is not None
            test = test_accuracy(metrics)
            print(
                f"| {name} | {count} | {seed} | {start.accuracy:.1%} | {start.end_accuracy:.1%} | "
                f"{'start' if start.is_kept else 'end'} | {test:.1%} | {frozen:.1%} | "
                f"{100 * (test - frozen):+.1f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=list(datasets()))
    parser.add_argument("--steps", type=int, nargs="+", default=[2, 5, 15, 60])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--images", type=int, default=1000, help="most validation and test images")
    given = parser.parse_args()
    progress.show_progress(False)
    print("| images | steps | seed | start | end | kept | test | frozen head | points |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in given.datasets:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, given.steps, given.seeds, given.images, Path(folder))


if __name__ == "__main__":
    main()
