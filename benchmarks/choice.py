"""Evaluate variants of a model's recipe on validation images, to choose its defaults.

        python benchmarks/choice.py fashion-mnist --seeds 2 \\
            --variants "" "epochs=4" "nodes=16 epochs=6"

A variant is a list of KEY=VALUE pairs that override the model's defaults; "" is the recipe as
shipped. No test image is read. Prints one line per variant: the mean validation accuracy, its
standard deviation over seeds, and the seconds of training.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import headstart
from headstart.cli._app import with_settings
from headstart.data import SplitDataset
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--train-images", type=int)
    parser.add_argument("--variants", nargs="+", default=[""])
    args = parser.parse_args()
    dataset = headstart.load(args.dataset)
    split = headstart.split(dataset, test=0, train_images=args.train_images)
    for variant in args.variants:
        recipe = make_recipe(args.model, with_settings({}, variant.split()), args.preset)
        scores, seconds = [], []
        for seed in range(args.seeds):
            with tempfile.TemporaryDirectory() as folder:
                metrics = train(
                    TrainingJob(recipe, SplitDataset(dataset, split), seed, Path(folder) / "run")
                )
            scores.append(metrics.validation.accuracy)
            seconds.append(metrics.seconds.train)

        accuracy = f"{statistics.mean(scores):.2%}"
        if len(scores) > 1:
            accuracy += f" +- {statistics.stdev(scores):.2%}"
        name = variant or "as shipped"
        print(f"{name:40} {accuracy}  {statistics.mean(seconds):6.1f} s", flush=True)


if __name__ == "__main__":
    main()
