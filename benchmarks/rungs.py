"""Compare ways for `tune` to share its budget: full runs, one short rung, successive halving.

    python benchmarks/rungs.py [--data digits fashion-mnist cifar10] [--train-images 4000]
                               [--seeds 3]

Every scheme gets the same total number of epochs, those of eight full runs, so longer short runs
mean fewer of them. The results are the validation loss of the winning recipe, and its test accuracy
after it was retrained with one new seed. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import headstart
from headstart.data import SplitDataset
from headstart.studies import TuningConfig, TuningStudy, run_study

SCHEMES: dict[str, tuple[tuple[float, ...], int]] = {
    "full runs only": ((1.0,), 8),
    "a third, then full runs of the best 4": ((1 / 3, 1.0), 12),
    "a sixth, then full runs of the best 4": ((1 / 6, 1.0), 24),
    "a twelfth, then full runs of the best 4": ((1 / 12, 1.0), 48),
    "halving: a ninth, a third, full length": ((1 / 9, 1 / 3, 1.0), 15),
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
        "| data | scheme | recipes | validation loss of the winner, each seed | mean "
        "| its test accuracy, mean |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for name in args.data:
        dataset = headstart.load(name)
        train_images = args.train_images if len(dataset) > 2 * args.train_images else None
        split = headstart.split(dataset, train_images=train_images)
        for scheme, (rungs, trials) in SCHEMES.items():
            losses, accuracies = [], []
            for seed in range(args.seeds):
                config = TuningConfig(
                    args.model,
                    trials=trials,
                    values={"epochs": args.epochs},
                    seed=10 * seed,
                    seeds=1,
                    rungs=rungs,
                )
                with tempfile.TemporaryDirectory() as folder:
                    data = SplitDataset(dataset, split)
                    finding = run_study(TuningStudy(config), data, Path(folder) / "study")
                best = next(trial for trial in finding.trials if trial.is_best)
                losses.append(best.rungs[-1].loss)
                assert finding.test is not None, "the datasets have test images"
                accuracies.append(finding.test.accuracy)
            each = ", ".join(f"{loss:.4f}" for loss in losses)
            means = f"{statistics.mean(losses):.4f} | {statistics.mean(accuracies):.2%}"
            print(f"| {name} | {scheme} | {trials} | {each} | {means} |", flush=True)


if __name__ == "__main__":
    main()
