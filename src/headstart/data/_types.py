"""Datasets, splits, and the two together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

UNASSIGNED, TRAIN, VALIDATION, TEST = 0, 1, 2, 3
PART_NAMES = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}
Resize = Literal["pad", "crop", "squish"]


@dataclass(frozen=True, repr=False)
class Dataset:
    """Labelled images of one shape.

    Attributes:
        name: short name, for titles and folders ("fashion-mnist", "photos").
        source: what opens it again: a dataset name, or an absolute path; "" for arrays in memory.
        images: `(N, H, W, C)` uint8, C = 1 (grey) or 3 (RGB); usually a read-only memory map, perhaps
            larger than memory: `take` reads rows of it.
        labels: `(N,)` int64 in [0, K).
        class_names: K names; `class_names[label]` is the class of an image.
        parts: `(N,)` uint8: UNASSIGNED, or TRAIN / VALIDATION / TEST where the source itself says so.
        hashes: `(N, 16)` uint8: BLAKE2b-128 of each decoded image's bytes and shape.
        image_names: N names ("cats/a.jpg", "train-00017"), for people and CSV files.
        fingerprint: hexadecimal SHA-256 over all of the above that training sees.
        groups: `(N,)` int64 group of each image, where a reader knows one (a CSV column); else None.
        options: how it was opened (image_size, resize, pixel_max), so that it opens the same way again.
    """

    name: str
    source: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    image_names: tuple[str, ...]
    fingerprint: str
    groups: NDArray[np.int64] | None = None
    options: dict[str, str | int | float | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        colour = "grey" if channels == 1 else "RGB"
        return (
            f"<Dataset {self.name}: {len(self):,} images of {width}x{height} pixels, {colour}; "
            f"{len(self.class_names):,} classes>"
        )

    def _repr_html_(self) -> str:
        from headstart.data._notebook import dataset_html

        return dataset_html(self.name, self.images, self.labels, self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) in pixels."""
        _, height, width, channels = self.images.shape
        return height, width, channels


@dataclass(frozen=True, repr=False)
class Split:
    """Which images train, choose and judge. Made once, shared by every contender.

    Attributes:
        train, validation, test: int64 indices into the dataset, ascending, disjoint; validation or test may be empty.
        seed: of the shuffle that carved validation (and test).
        duplicates_removed: images taken out of training because an exact copy is in validation or test.
        fingerprint: hexadecimal SHA-256 over the content hashes and labels of the three parts, in order.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    seed: int
    duplicates_removed: int
    fingerprint: str

    def __repr__(self) -> str:
        return (
            f"<Split: train {len(self.train):,}, validation {len(self.validation):,}, "
            f"test {len(self.test):,}; seed {self.seed}>"
        )


@dataclass(frozen=True)
class SplitDataset:
    """A dataset and its split.

    Attributes:
        dataset: Labelled images of one shape.
        split: Indices of its train, validation and test images.
    """

    dataset: Dataset
    split: Split

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the K classes."""
        return self.dataset.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image; the first two in pixels."""
        return self.dataset.image_shape

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """Labels of the training images, int64 of shape (n,)."""
        return self.dataset.labels[self.split.train]

    @property
    def validation_labels(self) -> NDArray[np.int64]:
        """Labels of the validation images, int64 of shape (n,)."""
        return self.dataset.labels[self.split.validation]

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """Labels of the test images, int64 of shape (n,)."""
        return self.dataset.labels[self.split.test]


def class_counts(dataset: Dataset, indices: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Count the images of each class.

    Args:
        dataset: The dataset.
        indices: Indices of the images to count. None counts all of them.

    Returns:
        Int64 array of shape (K,).
    """
    labels = dataset.labels if indices is None else dataset.labels[indices]
    return np.bincount(labels, minlength=len(dataset.class_names))
