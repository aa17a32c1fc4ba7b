"""Measure the search for near duplicates and the inference of groups.

    python benchmarks/audit_duplicates.py planted fashion-mnist
    python benchmarks/audit_duplicates.py planted cifar10
    python benchmarks/audit_duplicates.py planted signs/
    python benchmarks/audit_duplicates.py cifair duplicates_cifar10.csv
    python benchmarks/audit_duplicates.py groups signs/

`planted` adds 200 near duplicates of five kinds to a dataset. It counts how many of them are
listed, and how many pairs of the dataset's own images are. `cifair` compares the pairs of
CIFAR-10's test and training images with the list of Barz and Denzler (2020), which is published at
github.com/cvjena/cifair. `groups` infers the groups of a folder, and prints their sizes. signs/
stands for a copy of github.com/ardamavi/Sign-Language-Digits-Dataset.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from headstart.data import (
    TEST,
    Dataset,
    NearDuplicates,
    find_near_duplicates,
    infer_groups,
    load,
    to_pil_image,
)

KINDS = ("re-encoded", "resized", "flipped", "cropped", "brightened")
PER_KIND = 40
LISTED_CIFAIR_PAIRS = 350
LOOSEST_CIFAIR = 0.6


def alter(pixels: NDArray[np.uint8], kind: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image altered in one of the five ways."""
    image = to_pil_image(pixels)
    width, height = image.size
    if kind == "re-encoded":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=75)
        altered = Image.open(buffer).convert(image.mode)
    elif kind == "resized":
        factor = rng.choice([0.9, 1.1])
        resized = image.resize((round(factor * width), round(factor * height)), 2)
        altered = resized.resize((width, height), 2)
    elif kind == "flipped":
        altered = ImageOps.mirror(image)
    elif kind == "cropped":
        inner_width, inner_height = round(0.92 * width), round(0.92 * height)
        left = int(rng.integers(0, width - inner_width + 1))
        top = int(rng.integers(0, height - inner_height + 1))
        box = (left, top, left + inner_width, top + inner_height)
        altered = image.crop(box).resize((width, height), 2)
    else:
        brighter = np.rint(1.1 * np.asarray(image, np.float32))
        altered = Image.fromarray(np.clip(brighter, 0, 255).astype(np.uint8))
    return np.asarray(altered).reshape(pixels.shape)


def plant(dataset: Dataset, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images with 200 altered copies behind them, and the originals' indices."""
    rng = np.random.default_rng(seed)
    originals = rng.choice(len(dataset), PER_KIND * len(KINDS), replace=False)
    copies = []
    for row, original in enumerate(originals):
        copies.append(alter(dataset.images[original], KINDS[row // PER_KIND], rng))
    return np.concatenate([dataset.images, np.stack(copies)]), originals


def measure_planted(source: str, seeds: int, images: int | None) -> None:
    """Print the recall of planted near duplicates, and the other pairs per 1,000 images."""
    dataset = load(source)
    name = dataset.name
    if images is not None:
        rows = np.sort(np.random.default_rng(0).choice(len(dataset), images, replace=False))
        dataset = load((dataset.images[rows], dataset.labels[rows]))
    for seed in range(seeds):
        planted, originals = plant(dataset, seed)
        started = time.perf_counter()
        pairs = find_near_duplicates(planted)
        seconds = time.perf_counter() - started
        count = len(dataset)
        is_planted = (pairs.second >= count) & (
            pairs.first == originals[np.maximum(pairs.second - count, 0)]
        )
        recalled = np.unique(pairs.second[is_planted] - count)
        per_kind = np.bincount(recalled // PER_KIND, minlength=len(KINDS)) / PER_KIND
        kinds = zip(KINDS, per_kind, strict=True)
        words = ", ".join(f"{kind} {share:.0%}" for kind, share in kinds)
        is_own = pairs.second < count
        exact = sum(word == "exact" for word in pairs.relation)
        near = int(is_own.sum()) - exact
        print(
            f"{name}, {count:,} images, seed {seed}: "
            f"found {len(recalled) / len(originals):.1%} ({words}); "
            f"own pairs: {exact:,} exact, {near:,} near, {1000 * near / count:.2f} per 1,000 "
            f"images; {seconds:.0f} s",
            flush=True,
        )


def measure_cifair(path: Path) -> None:
    """Print how many of the published test images are among the nearest pairs.

    A test image counts once, with its nearest training image.
    """
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    published = np.array([int(row[0]) for row in rows])
    dataset = load("cifar10")
    started = time.perf_counter()
    pairs = find_near_duplicates(dataset.images, dataset.hashes, largest_distance=LOOSEST_CIFAIR)
    seconds = time.perf_counter() - started
    listed = find_near_duplicates(dataset.images, dataset.hashes)
    tests = _ranked_test_images(dataset, pairs)
    print(f"{seconds:.0f} s; published test images: {len(np.unique(published)):,}")
    for first in (286, LISTED_CIFAIR_PAIRS, 500, 700, 1000, 1500):
        hits = np.isin(published, tests[:first]).mean()
        print(f"among the first {first:,} test images: {hits:.1%}")
    default = _ranked_test_images(dataset, listed)
    print(
        f"listed by default: {len(default):,} test images, which include "
        f"{np.isin(published, default).mean():.1%} of the published ones"
    )


def _ranked_test_images(dataset: Dataset, pairs: NearDuplicates) -> NDArray[np.int64]:
    """Return the test images that have a near duplicate in training, nearest first."""
    is_across = dataset.parts[pairs.first] != dataset.parts[pairs.second]
    ends = np.stack([pairs.first[is_across], pairs.second[is_across]])
    test_rows = np.flatnonzero(dataset.parts == TEST)
    is_test = dataset.parts[ends[0]] == TEST
    ranked = np.where(is_test, ends[0], ends[1]) - test_rows[0]
    _, place = np.unique(ranked, return_index=True)
    return ranked[np.sort(place)]


def measure_groups(source: str) -> None:
    """Print the inferred groups of a dataset and their sizes."""
    dataset = load(source)
    started = time.perf_counter()
    inferred = infer_groups(dataset)
    print(f"{inferred.sentence}; {time.perf_counter() - started:.0f} s")
    sizes = np.bincount(np.bincount(inferred.groups))
    for size in np.flatnonzero(sizes):
        print(f"{sizes[size]:,} groups of {size:,} images")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["planted", "cifair", "groups"])
    parser.add_argument("source")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int)
    options = parser.parse_args()
    if options.what == "planted":
        measure_planted(options.source, options.seeds, options.images)
    elif options.what == "cifair":
        measure_cifair(Path(options.source))
    else:
        measure_groups(options.source)


if __name__ == "__main__":
    main()
