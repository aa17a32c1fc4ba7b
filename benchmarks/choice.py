"""How defaults were chosen: variants of a model's recipe, judged on validation images only (no test image is read).

    python benchmarks/choice.py fashion-mnist --model cnn --seeds 2 --variants "" "epochs=4" "nodes=16 epochs=6"

A variant is KEY=VALUE pairs over the model's defaults; "" is as shipped. Prints one line a variant: mean validation accuracy, its
spread over seeds, seconds of training.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import headstart
from headstart.cli._app import settings
from headstart.models.recipes import make_recipe
from headstart.training import train


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
        recipe, scores, seconds = (
            make_recipe(args.model, settings(variant.split(), ()), args.preset),
            [],
            [],
        )
        for seed in range(args.seeds):
            with tempfile.TemporaryDirectory() as folder:
                found = train(recipe, dataset, split, seed, Path(folder) / "run")
            scores.append(found["validation"]["accuracy"])
            seconds.append(found["seconds"]["train"])
        spread = f" +- {statistics.stdev(scores):.2%}" if len(scores) > 1 else ""
        print(
            f"{variant or 'as shipped':40} {statistics.mean(scores):.2%}{spread}  {statistics.mean(seconds):6.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
