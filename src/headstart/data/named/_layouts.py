"""Layouts of the named datasets: which files a folder holds, and how to read them in chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.arrays._idx_file import DAMAGED_HINT, read_idx
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
    """One layout of a dataset.

    Attributes:
        files: Names of its files.
        read: Function that yields the chunks of a folder in order, training images first. It raises
            an InputError that names a damaged file.
        may_be_gzipped: Whether each name may also end in .gz.
    """

    files: tuple[str, ...]
    read: Callable[[Path], Iterator[Chunk]]
    may_be_gzipped: bool = False

    def missing(self, folder: Path) -> tuple[str, ...]:
        """Return the names of the files that a folder lacks."""
        suffixes = ("", ".gz") if self.may_be_gzipped else ("",)
        return tuple(
            name
            for name in self.files
            if not any((folder / f"{name}{suffix}").is_file() for suffix in suffixes)
        )


def idx_files() -> Layout:
    """Return the layout of MNIST and its successors: four IDX files."""

    def read(folder: Path) -> Iterator[Chunk]:
        paths = []
        for name in IDX_FILES:
            path = folder / name
            paths.append(path if path.is_file() else folder / f"{name}.gz")
        for images, labels in (paths[:2], paths[2:]):
            yield read_idx(images)[..., np.newaxis], read_idx(labels)

    return Layout(IDX_FILES, read, may_be_gzipped=True)


def cifar_bins(subfolder: str = "") -> Layout:
    """Return the layout of the binary version of CIFAR-10: six files of 10,000 images.

    Args:
        subfolder: Folder of the files, with a slash at its end.

    References:
        "Binary version", https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    files = tuple(subfolder + name for name in CIFAR_BINS)

    def read(folder: Path) -> Iterator[Chunk]:
        for name in files:
            content = np.frombuffer(_read_bytes(folder / name), np.uint8)
            if len(content) != CIFAR_BATCH * CIFAR_ROW_BYTES:
                raise InputError(
                    f"invalid length of {folder / name}: expected "
                    f"{CIFAR_BATCH * CIFAR_ROW_BYTES:,} bytes, got {len(content):,}.",
                    DAMAGED_HINT,
                )
            rows = content.reshape(CIFAR_BATCH, CIFAR_ROW_BYTES)
            planes = rows[:, 1:].reshape(-1, 3, 32, 32)
            yield planes.transpose(0, 2, 3, 1), rows[:, 0]

    return Layout(files, read)


def cifar_sheets(train: tuple[str, ...], train_labels: str, test_labels: str) -> Layout:
    """Return a layout of CIFAR-10 as PNG sheets, with JSON lists of labels.

    A sheet has 10,000 rows of 1024 pixels. Each row is one 32x32 RGB image.

    Args:
        train: Names of the sheets of training images.
        train_labels: Name of the list of training labels.
        test_labels: Name of the list of test labels.
    """

    def read(folder: Path) -> Iterator[Chunk]:
        labels = _read_json_labels(folder / train_labels, CIFAR_BATCH * len(train))
        for number, name in enumerate(train):
            start = number * CIFAR_BATCH
            yield _read_sheet(folder / name), labels[start : start + CIFAR_BATCH]
        yield (
            _read_sheet(folder / "test_batch.png"),
            _read_json_labels(folder / test_labels, CIFAR_BATCH),
        )

    return Layout((*train, "test_batch.png", train_labels, test_labels), read)


def bundled_digits() -> Layout:
    """Return the layout of scikit-learn's digits, which need no files.

    Their values 0 to 16 become 0 to 255.
    """

    def read(folder: Path) -> Iterator[Chunk]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        yield images[..., np.newaxis], digits.target.astype(np.uint8)

    return Layout((), read)


def _read_bytes(path: Path) -> bytes:
    with translate_read_errors(path):
        return path.read_bytes()


def _read_sheet(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as sheet:
            # The size is checked before anything is decoded.
            if (sheet.size, sheet.mode) == ((1024, CIFAR_BATCH), "RGB"):
                return np.asarray(sheet).reshape(CIFAR_BATCH, 32, 32, 3)
            actual = f"{sheet.width} x {sheet.height} {sheet.mode}"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as PNG: {error}.", DAMAGED_HINT) from error
    raise InputError(
        f"invalid size of {path}: expected 1024 x {CIFAR_BATCH} RGB, one 32x32 image per row, "
        f"got {actual}."
    )


def _read_json_labels(path: Path, count: int) -> NDArray[np.uint8]:
    try:
        labels = json.loads(_read_bytes(path))
    except ValueError as error:
        raise InputError(f"{path} cannot be read as JSON: {error}.", DAMAGED_HINT) from error

    is_list = isinstance(labels, list)
    is_valid = is_list and len(labels) == count
    if not is_valid or not all(type(label) is int and 0 <= label < 10 for label in labels):
        actual = f"a list of {len(labels):,}" if is_list else f"a {type(labels).__name__}"
        raise InputError(
            f"invalid labels in {path}: expected a list of {count:,} integers from 0 to 9, "
            f"got {actual}."
        )
    return np.array(labels, np.uint8)
