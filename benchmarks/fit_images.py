"""Measure what size and shape of stored photographs give a frozen backbone.

    python benchmarks/fit_images.py ants-bees/

Prints the accuracy of a linear probe on features of EfficientNet-Lite0, by 5-fold cross-validation
of training and validation images, for each stored size and each method to make images square. The
three numbers are those of three divisions into folds.
"""

from __future__ import annotations

import argparse

import numpy as np

import headstart
from headstart.data import SplitDataset
from headstart.features import compute_features, cross_validated_probe
from headstart.models.recipes import make_recipe

STORED = ((128, "pad"), (224, "pad"), (256, "pad"), (256, "squish"), (256, "crop"))
INPUT_PX = (128, 224)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="A folder of photographs, with its own validation images.")
    data = parser.parse_args().data
    print("| stored | resize | input | accuracy, mean | of three divisions |")
    print("|---|---|---|---|---|")
    for stored, resize in STORED:
        dataset = headstart.load(data, image_size=stored, resize=resize)
        split = headstart.split(dataset, evaluate_on="validation")
        opened, rows = SplitDataset(dataset, split), np.union1d(split.train, split.validation)
        for px in INPUT_PX:
            features = compute_features(make_recipe("efficientnet-lite0"), opened, 0, px)
            values, labels = features.select(rows), dataset.labels[rows]
            probes = [cross_validated_probe(values, labels, seed=seed) for seed in range(3)]
            scores = [100 * probe.correct.mean() for probe in probes]
            each = ", ".join(f"{score:.1f}" for score in scores)
            print(f"| {stored} | {resize} | {px} | {np.mean(scores):.1f}% | {each} |", flush=True)


if __name__ == "__main__":
    main()
