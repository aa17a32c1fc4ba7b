"""How `tune` should share its budget: whole runs only, one short rung before them, or successive halving.

    python benchmarks/rungs.py [--data digits fashion-mnist cifar10] [--train-images 4000] [--seeds 3]

Every way gets the same number of epochs in all, eight whole runs' worth: of longer short runs there are fewer. Judged by the
validation loss of the recipe that won, and by the test accuracy of that recipe retrained with one new seed. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import headstart
from headstart.studies import Tuning, tune

WAYS: dict[str, tuple[tuple[float, ...], int]] = {
    "whole runs only": ((1.0,), 8),
    "a third, then the best 4 whole": ((1 / 3, 1.0), 12),
    "a sixth, then the best 4 whole": ((1 / 6, 1.0), 24),
    "a twelfth, then the best 4 whole": ((1 / 12, 1.0), 48),
    "halving: a ninth, a third, whole": ((1 / 9, 1 / 3, 1.0), 15),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=["digits", "fashion-mnist", "cifar10"])
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--epochs", type=float, default=12)
    parser.add_argument("--train-images", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print(
        "| data | way | recipes | validation loss of the winner, each seed | mean | test accuracy of it, mean |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for name in args.data:
        dataset = headstart.load(name)
        train_images = args.train_images if len(dataset) > 2 * args.train_images else None
        split = headstart.split(dataset, train_images=train_images)
        for way, (rungs, trials) in WAYS.items():
            losses, accuracies = [], []
            for seed in range(args.seeds):
                asked = Tuning(
                    args.model,
                    trials=trials,
                    values={"epochs": args.epochs},
                    seed=10 * seed,
                    seeds=1,
                    rungs=rungs,
                )
                with tempfile.TemporaryDirectory() as folder:
                    found = tune(asked, dataset, split, Path(folder) / "study")
                best = next(trial for trial in found["trials"] if trial["is_best"])
                losses.append(best["rungs"][-1]["loss"])
                accuracies.append(found["test"]["accuracy"])
            each = ", ".join(f"{loss:.4f}" for loss in losses)
            means = f"{statistics.mean(losses):.4f} | {statistics.mean(accuracies):.2%}"
            print(f"| {name} | {way} | {trials} | {each} | {means} |", flush=True)


if __name__ == "__main__":
    main()
