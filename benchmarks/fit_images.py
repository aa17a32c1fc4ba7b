"""Measure what size and shape of stored photographs give a frozen backbone.

    python benchmarks/fit_images.py ants-bees/

Prints the accuracy of a linear probe on features of EfficientNet-Lite0, by 5-fold cross-validation
of all images, for each stored size and each way to make images square. The three numbers are those
of three divisions into folds.
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
    parser.add_argument("data", help="A folder of photographs.")
    data = parser.parse_args().data
    print("| stored | resize | input | accuracy, mean | of three divisions |")
    print("|---|---|---|---|---|")
    for stored, resize in STORED:
        dataset = headstart.load(data, image_size=stored, resize=resize)
        opened = SplitDataset(dataset, headstart.split(dataset))
        for px in INPUT_PX:
            features = compute_features(make_recipe("efficientnet-lite0"), opened, 0, px)
            labels = dataset.labels[features.rows]
            values = features.select(features.rows)
            scores = [
                100 * cross_validated_probe(values, labels, seed=seed).correct.mean()
                for seed in range(3)
            ]
            each = ", ".join(f"{score:.1f}" for score in scores)
            print(f"| {stored} | {resize} | {px} | {np.mean(scores):.1f}% | {each} |", flush=True)


if __name__ == "__main__":
    main()
