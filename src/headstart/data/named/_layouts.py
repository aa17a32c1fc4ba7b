"""The forms in which the named datasets lie in a folder: which files, and how to read them, a chunk at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data.formats._idx import read_idx
from headstart.errors import InputError

Chunk = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # images (n, H, W, C) and labels (n,)

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR_BINS = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR_ROW_BYTES = 1 + 3 * 32 * 32  # a label, then 1024 red, 1024 green, 1024 blue
CIFAR_BATCH = 10_000


@dataclass(frozen=True)
class Layout:
    """One form of a dataset: its file names, and the reader of a folder that holds them.

    The reader yields chunks in order, training images first. Its errors are InputErrors that name the file.
    """

    files: tuple[str, ...]
    read: Callable[[Path], Iterator[Chunk]]
    may_be_gzipped: bool = False  # each name may then also end in .gz

    def missing(self, folder: Path) -> tuple[str, ...]:
        """The files that `folder` lacks."""
        endings = ("", ".gz") if self.may_be_gzipped else ("",)
        return tuple(
            name
            for name in self.files
            if not any((folder / (name + ending)).is_file() for ending in endings)
        )


def idx_files() -> Layout:
    """The four files of MNIST and of those made after it."""

    def read(folder: Path) -> Iterator[Chunk]:
        paths = [
            folder / name if (folder / name).is_file() else folder / f"{name}.gz"
            for name in IDX_FILES
        ]
        for images, labels in (paths[:2], paths[2:]):
            yield read_idx(images)[..., np.newaxis], read_idx(labels)

    return Layout(IDX_FILES, read, may_be_gzipped=True)


def cifar_bins(below: str = "") -> Layout:
    """The six files of the binary version of CIFAR-10, 10,000 images each, in the folder `below`.

    Source: "Binary version", https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    files = tuple(below + name for name in CIFAR_BINS)

    def read(folder: Path) -> Iterator[Chunk]:
        for name in files:
            content = np.frombuffer(_bytes(folder / name), np.uint8)
            if len(content) != CIFAR_BATCH * CIFAR_ROW_BYTES:
                raise InputError(
                    f"{folder / name} has {len(content):,} bytes, wanted {CIFAR_BATCH * CIFAR_ROW_BYTES:,}.",
                    "It is damaged or cut short: fetch it again.",
                )
            rows = content.reshape(CIFAR_BATCH, CIFAR_ROW_BYTES)
            yield rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0]

    return Layout(files, read)


def cifar_sheets(train: tuple[str, ...], train_labels: str, test_labels: str) -> Layout:
    """CIFAR-10 as PNG sheets, one 32x32 RGB image a row of 1024 pixels, 10,000 rows, and JSON lists of labels."""

    def read(folder: Path) -> Iterator[Chunk]:
        labels = _json_labels(folder / train_labels, CIFAR_BATCH * len(train))
        for number, name in enumerate(train):
            yield _sheet(folder / name), labels[number * CIFAR_BATCH : (number + 1) * CIFAR_BATCH]
        yield _sheet(folder / "test_batch.png"), _json_labels(folder / test_labels, CIFAR_BATCH)

    return Layout((*train, "test_batch.png", train_labels, test_labels), read)


def bundled_digits() -> Layout:
    """scikit-learn's digits: no files of ours. Their values 0..16 become 0..255."""

    def read(folder: Path) -> Iterator[Chunk]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        yield (
            np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis],
            digits.target.astype(np.uint8),
        )

    return Layout((), read)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _sheet(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as sheet:
            found = f"{sheet.width} x {sheet.height} {sheet.mode}"
            if (sheet.size, sheet.mode) == (
                (1024, CIFAR_BATCH),
                "RGB",
            ):  # before anything is decoded: the size is known
                return np.asarray(sheet).reshape(CIFAR_BATCH, 32, 32, 3)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} cannot be read as PNG: {error}.", "It is damaged or cut short: fetch it again."
        ) from error
    raise InputError(f"{path} is {found}, wanted 1024 x {CIFAR_BATCH} RGB: one 32x32 image a row.")


def _json_labels(path: Path, count: int) -> NDArray[np.uint8]:
    try:
        labels = json.loads(_bytes(path))
    except ValueError as error:
        raise InputError(
            f"{path} cannot be read as JSON: {error}.",
            "It is damaged or cut short: fetch it again.",
        ) from error
    if (
        not isinstance(labels, list)
        or len(labels) != count
        or not all(type(x) is int and 0 <= x < 10 for x in labels)
    ):
        size = (
            f"a list of {len(labels):,}"
            if isinstance(labels, list)
            else f"a {type(labels).__name__}"
        )
        raise InputError(
            f"{path} holds {size}, wanted a list of {count:,} whole numbers from 0 to 9."
        )
    return np.array(labels, np.uint8)
