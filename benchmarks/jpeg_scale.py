"""Measure what decoding a JPEG at a reduced scale changes: pixels, and accuracy.

        python benchmarks/jpeg_scale.py pixels FOLDER [--images 100]
        python benchmarks/jpeg_scale.py accuracy FOLDER [--seeds 10] [--size 128]

FOLDER holds class folders of JPEG files. Rules for the scale are compared with decoding all pixels:

- `1.5`: at least 1.5 times the needed size. This is Headstart's rule.
- `2, rounded`: at least twice the needed size, and a row or column that the picture covers in part
  counts as a whole one, so the picture is shifted. This was the rule before.

The first command compares pixels. The second one classifies features of a frozen EfficientNet-Lite0
by a cross-validated linear probe. The folds of a seed are the same for all rules.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.data import Dataset, Split, SplitDataset, load
from headstart.data.formats.folders import _file_tree
from headstart.data.formats.images import _decode, _reduced_scale
from headstart.features import compute_features, cross_validated_probe
from headstart.models.recipes import make_recipe

WHOLE, RULES = "whole", ("1.5", "2, rounded")
SIZES_PX = (64, 96, 112, 128, 160)
MODEL = "efficientnet-lite0"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["pixels", "accuracy"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--size", type=int, default=128, help="image size in pixels")
    args = parser.parse_args()
    if args.what == "pixels":
        compare_pixels(args.folder, args.images)
    else:
        compare_accuracies(args.folder, args.size, args.seeds)


@contextmanager
def decoding_by(rule: str) -> Iterator[None]:
    """Decode by another rule for the scale in this block."""
    if rule == WHOLE:
        with mock.patch.object(_reduced_scale, "SCALE_MARGIN", 1e6):
            yield
    elif rule == "2, rounded":
        original = _decode.reduce_scale
        with (
            mock.patch.object(_reduced_scale, "SCALE_MARGIN", 2),
            mock.patch.object(_decode, "reduce_scale", lambda *args: original(*args) and None),
        ):
            yield
    else:
        yield


def compare_pixels(folder: Path, count: int) -> None:
    """Print the differences from whole images, over the images that a rule decodes reduced."""
    files = _file_tree.list_images(folder)
    files = files[:: max(1, len(files) // count)]
    print("size   rule         reduced    mean   99%   largest   bilinear: mean   99%")
    for size in SIZES_PX:
        for rule in RULES:
            differences, of_filter = [], []
            for file in files:
                whole, reduced = (read(file, size, how) for how in (WHOLE, rule))
                if np.array_equal(whole, reduced):
                    continue
                rows, columns = whole.any(axis=(1, 2)), whole.any(axis=(0, 2))  # no padding
                inner = whole[rows][:, columns]
                differences.append(np.abs(inner - reduced[rows][:, columns]).ravel())
                of_filter.append(np.abs(inner - read_bilinear(file, inner.shape)).ravel())

            values, others = np.concatenate(differences), np.concatenate(of_filter)
            print(
                f"{size:4}   {rule:12} {len(differences):3} of {len(files)}   {values.mean():5.2f}"
                f"   {np.quantile(values, 0.99):3.0f}   {values.max():7}"
                f"   {others.mean():14.2f}   {np.quantile(others, 0.99):3.0f}"
            )


def read(file: Path, size: int, rule: str) -> NDArray[np.int64]:
    """Decode an image by a rule for the scale."""
    with decoding_by(rule):
        return _decode.read_image(file, (size, size, 3), "pad").astype(np.int64)


def read_bilinear(file: Path, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Decode all pixels, and resize them with another filter."""
    header = _decode.read_header(file)
    pixels = _decode.read_image(file, (header.height, header.width, 3), "squish")
    resized = Image.fromarray(pixels).resize(shape[1::-1], Image.Resampling.BILINEAR)
    return np.asarray(resized).astype(np.int64)


def compare_accuracies(folder: Path, size: int, seeds: int) -> None:
    """Print the cross-validated accuracy of a linear probe for each rule."""
    for rule in (WHOLE, *RULES):
        with tempfile.TemporaryDirectory() as cache, decoding_by(rule):
            os.environ["XDG_CACHE_HOME"] = cache
            data = load(folder, image_size=size, skip_bad=True)
            values = features_of(data)
            accuracies = [
                cross_validated_probe(values, data.labels, seed=seed).correct.mean()
                for seed in range(seeds)
            ]
        print(
            f"{rule:12} {len(data)} images, accuracy {100 * statistics.mean(accuracies):.2f}% "
            f"(standard deviation over {seeds} seeds {100 * statistics.pstdev(accuracies):.2f})"
        )


def features_of(data: Dataset) -> NDArray[np.float16]:
    """Return the features of all images."""
    rows = np.arange(len(data))
    split = Split(rows, rows[:0], rows[:0], 0, 0, "")
    recipe = make_recipe(MODEL, {})
    features = compute_features(recipe, SplitDataset(data, split), 0, data.image_shape[0])
    return features.select(rows)


if __name__ == "__main__":
    main()
