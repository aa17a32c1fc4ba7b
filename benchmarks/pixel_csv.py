"""Train `mlp` and `cnn` on 42,000 MNIST images as a pixel CSV, and evaluate on MNIST's test images.

    python benchmarks/pixel_csv.py [--seeds 3]

This reproduces the data of a digit workshop: MNIST's first 42,000 images. The CSV is split into
training and validation images only. The 10,000 test images are read once per run, at the end.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import headstart
from headstart import progress
from headstart.data import TEST, TRAIN


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    progress.show_progress(False)
    mnist = headstart.load("mnist")
    first = np.flatnonzero(mnist.parts == TRAIN)[:42_000]
    test_rows = np.flatnonzero(mnist.parts == TEST)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "train.csv"
        header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
        rows = np.column_stack([mnist.labels[first], mnist.images[first].reshape(len(first), -1)])
        np.savetxt(table, rows, "%d", ",", header=header, comments="")
        start = time.perf_counter()
        headstart.load(table)
        print(f"42,000 rows opened in {time.perf_counter() - start:.1f} s")
        for model in ("mlp", "cnn"):
            scores, seconds = [], []
            for seed in range(args.seeds):
                run = Path(folder) / f"{model}-{seed}"
                metrics = headstart.train(table, model=model, seed=seed, test=0.0, out=run)
                classifier = headstart.load_classifier(run)
                predicted = classifier.probabilities(mnist.images, test_rows).argmax(1)
                scores.append(float((predicted == mnist.labels[test_rows]).mean()))
                seconds.append(metrics["seconds"]["train"])

            each = ", ".join(f"{score:.2%}" for score in scores)
            print(
                f"{model}: mean {statistics.mean(scores):.2%} over seeds ({each}); "
                f"{statistics.mean(seconds):.0f} s of training each",
                flush=True,
            )


if __name__ == "__main__":
    main()
