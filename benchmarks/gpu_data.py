"""The data files of `gpu.py`: parts of at most 60 MB, written from datasets and joined again."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from gpu_sizes import CIFAR10, FASHION_MNIST

from headstart.data import TEST, TRAIN, Dataset, load
from headstart.errors import InputError, RunFailed

MOST_BYTES = 60_000_000

# Of a part: names and headers of its arrays, and what deflate adds to bytes that it cannot shrink.
_HEADER_BYTES, _DEFLATE_FRACTION = 4096, 0.01

# What NumPy raises for a file that was cut off, changed, or is another one.
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def pack(dataset: Dataset, folder: Path, most_bytes: int = MOST_BYTES) -> list[Path]:
    """Write a dataset as compressed `.npz` parts that `join_parts` understands.

    Args:
        dataset: A dataset with at most 256 classes, whose images are training or test images.
        folder: The folder to write to, created if missing. Parts of the same dataset are replaced.
        most_bytes: Bound of the size of a part in bytes.

    Returns:
        The paths of the parts.

    Raises:
        RunFailed: A part came out larger than `most_bytes`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{dataset.name}-*-of-*.npz"):
        old.unlink()

    bytes_per_image = int(np.prod(dataset.image_shape)) + 2  # one each for label and part
    usable_bytes = (1 - _DEFLATE_FRACTION) * most_bytes - _HEADER_BYTES
    per_part = max(1, int(usable_bytes // bytes_per_image))
    starts = range(0, len(dataset.labels), per_part)
    paths = []
    for number, start in enumerate(starts, 1):
        rows = slice(start, start + per_part)
        path = folder / f"{dataset.name}-{number}-of-{len(starts)}.npz"
        np.savez_compressed(
            path,
            images=dataset.images[rows],
            labels=dataset.labels[rows].astype(np.uint8),
            parts=dataset.parts[rows],
            class_names=np.array(dataset.class_names),
        )
        if path.stat().st_size > most_bytes:
            raise RunFailed(f"{path} has {path.stat().st_size:,} bytes, more than {most_bytes:,}.")
        paths.append(path)
    return paths


def join_parts(name: str, folder: Path, joined: Path) -> Path:
    """Join the parts of a dataset to one `.npz` file that `headstart.load` opens.

    Args:
        name: Name of the dataset, such as cifar10.
        folder: The folder of the parts.
        joined: The file to write.

    Returns:
        `joined`.

    Raises:
        InputError: A part is missing or damaged.
    """
    hint = "Write them where the dataset is: python benchmarks/gpu.py --pack DIR"
    first = sorted(folder.glob(f"{name}-1-of-*.npz"))
    if len(first) != 1:
        raise InputError(
            f"invalid data folder {folder}: expected one file {name}-1-of-N.npz, got {len(first)}.",
            hint,
        )
    count = int(first[0].stem.rpartition("-")[2])
    arrays: dict[str, list[np.ndarray]] = {"images": [], "labels": [], "parts": []}
    class_names = np.empty(0, str)
    for number in range(1, count + 1):
        path = folder / f"{name}-{number}-of-{count}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as part:
                class_names = part["class_names"]
                for key, pieces in arrays.items():
                    pieces.append(part[key])
        except _UNREADABLE as error:
            raise InputError(f"cannot read part {path}: {error}", hint) from error

    images, labels, parts = (np.concatenate(pieces) for pieces in arrays.values())
    is_train, is_test = parts == TRAIN, parts == TEST
    np.savez(
        joined,
        x_train=images[is_train],
        y_train=labels[is_train],
        x_test=images[is_test],
        y_test=labels[is_test],
        class_names=class_names,
    )
    return joined


def pack_named(folder: Path) -> None:
    """Write the parts of the named datasets.

    Raises:
        InputError: The edition of a dataset lacks training images.
    """
    for name, train_images in ((CIFAR10, 50_000), (FASHION_MNIST, 60_000)):
        dataset = load(name)
        found = int((dataset.parts == TRAIN).sum())
        if found != train_images:
            raise InputError(
                f"invalid {name}: expected {train_images:,} training images, got {found:,}.",
                "HEADSTART_DATA names a smaller edition. Unset it, and the whole one is found.",
            )
        for path in pack(dataset, folder):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def write_small_data(folder: Path) -> None:
    """Write tiny parts in place of the real ones: digits, in colour and larger for CIFAR-10."""
    digits = load("digits")
    rows = np.arange(400)
    pixels, labels = np.array(digits.images[rows]), digits.labels[rows]
    parts = np.where(rows < 320, TRAIN, TEST).astype(np.uint8)
    enlarged = pixels.repeat(2, axis=1).repeat(2, axis=2).repeat(3, axis=3)
    for name, images in ((CIFAR10, enlarged), (FASHION_MNIST, pixels)):
        dataset = load((images, labels, digits.class_names))
        pack(replace(dataset, name=name, parts=parts), folder, most_bytes=100_000)
