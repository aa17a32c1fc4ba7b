"""The two main types of this subpackage, a dataset and a split, and the result of a reader."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

UNASSIGNED, TRAIN, VALIDATION, TEST = 0, 1, 2, 3
PART_NAMES = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}
Resize = Literal["pad", "crop", "squish"]
EvaluateOn = Literal["test", "validation"]
Indices = NDArray[np.int64]
OptionValues = dict[str, str | int | float | bool | None]


class LoadKeys(TypedDict, total=False):
    """Keyword keys of `load`, which documents them. None stands for the default."""

    image_size: int | None
    resize: Resize | None
    pixel_max: float | None
    group_by: str | None
    label_column: str | None
    path_column: str | None
    skip_bad: bool | None
    plan: str | None
    cache: bool | None


class UnreadableFile(NamedTuple):
    """An image file that was left out because it cannot be decoded.

    Attributes:
        name: Name of the image, such as "cats/a.jpg".
        reason: What is wrong with it. The text fits after the name: "is empty (0 bytes)".
        part: TRAIN, VALIDATION or TEST where the source assigns the image to a part, else
            UNASSIGNED.
    """

    name: str
    reason: str
    part: int


class AppliedPlan(NamedTuple):
    """A plan that dropped and relabelled images of a dataset.

    Attributes:
        file: Absolute path of the plan.
        sha256: Hexadecimal SHA-256 of its content.
        dropped: Number of images that it dropped.
        relabelled: Number of images that it relabelled.
    """

    file: str
    sha256: str
    dropped: int
    relabelled: int


@dataclass(frozen=True)
class ImageLabels:
    """The labels of images that are not decoded yet.

    Attributes:
        names: N names of images. Empty if they have numbers only.
        labels: Int64 array of shape (N,), with values in [0, K).
        class_names: K names.
        parts: Uint8 array of shape (N,), or None if the source does not divide its images.
        groups: Int64 array of shape (N,), or None if no groups are known.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: NDArray[np.uint8] | None = None
    groups: NDArray[np.int64] | None = None

    def with_pixels(self, images: NDArray[np.uint8]) -> DecodedImages:
        """Return the images with these labels, where `images` has shape (N, H, W, C)."""
        return DecodedImages(
            images, self.labels, self.class_names, self.parts, self.names, self.groups
        )


@dataclass(frozen=True)
class DecodedImages:
    """Images and labels as a reader returns them, before hashes and names are added.

    A reader of data that may exceed memory decodes into a map of the cache. See `create_map`.

    Attributes:
        images: Uint8 array of shape (N, H, W, C).
        labels: Int64 array of shape (N,), with values in [0, K).
        class_names: K names.
        parts: Uint8 array of shape (N,), or None if the source does not divide its images.
        image_names: N names, or None for numbers.
        groups: Int64 array of shape (N,), or None if no groups are known.
        hashes: Uint8 array of shape (N, 16), or None if the images have not been hashed. See
            `Dataset`.
        file_digests: SHA-256 digests of files by name, as they were decoded; empty if the files
            have not been hashed.
        unreadable: Images that were left out.
        pixel_max: Value of full brightness that was found in pixels of more than 8 bits, or None.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: NDArray[np.uint8] | None = None
    image_names: tuple[str, ...] | None = None
    groups: NDArray[np.int64] | None = None
    hashes: NDArray[np.uint8] | None = None
    file_digests: dict[str, bytes] = field(default_factory=dict)
    unreadable: tuple[UnreadableFile, ...] = ()
    pixel_max: float | None = None


@dataclass(frozen=True, repr=False)
class Dataset:
    """Labelled images of one shape.

    Attributes:
        name: Short name for titles and folders, such as "fashion-mnist" or "photos".
        source: Name of a named dataset or absolute path that opens the dataset again. Empty for
            arrays in memory.
        images: Uint8 array of shape (N, H, W, C), with C = 1 (grey) or 3 (RGB). Usually a
            read-only memory map, which may be larger than memory: use `take` to read rows.
        labels: Int64 array of shape (N,), with values in [0, K).
        class_names: K names. `class_names[label]` is the class of an image.
        parts: Uint8 array of shape (N,): TRAIN, VALIDATION or TEST where the source assigns an
            image to a part, else UNASSIGNED.
        hashes: Uint8 array of shape (N, 16): BLAKE2b-128 of the bytes and shape of each image.
        image_names: N names for people and CSV files, such as "cats/a.jpg" or "train-00017".
        fingerprint: Hexadecimal SHA-256 of everything above that training uses.
        groups: Int64 array of shape (N,) with the group of each image, or None if no groups are
            known.
        options: Options of `load` that the dataset was opened with. The same options open the same
            dataset again.
        unreadable: Image files that `skip_bad` left out.
        plan: The plan that was applied, or None.
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
    options: OptionValues = field(default_factory=dict)
    unreadable: tuple[UnreadableFile, ...] = ()
    plan: AppliedPlan | None = None

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
        """Height, width and channels of an image, the first two in pixels."""
        _, height, width, channels = self.images.shape
        return height, width, channels


@dataclass(frozen=True, repr=False)
class Split:
    """Indices of the train, validation and test images.

    A split is made once and shared by every contender.

    Attributes:
        train: Int64 indices into the dataset, ascending. The three parts are disjoint.
        validation: The same for the validation images. It may be empty.
        test: The same for the test images. It may be empty.
        seed: Seed of the random choices.
        duplicates_removed: Number of training images that were removed because an exact copy is a
            validation or test image.
        fingerprint: Hexadecimal SHA-256 of the content hashes and labels of the three parts.
        cross_validated: Indices of all images of the cross-validation that this split is a fold of;
            None for other splits. What uses no labels, such as the statistics of a backbone with
            random weights, may be computed from them once for all folds.
    """

    train: Indices
    validation: Indices
    test: Indices
    seed: int
    duplicates_removed: int
    fingerprint: str
    cross_validated: Indices | None = None

    def __repr__(self) -> str:
        return (
            f"<Split: train {len(self.train):,}, validation {len(self.validation):,}, "
            f"test {len(self.test):,}; seed {self.seed}>"
        )

    @property
    def parts(self) -> dict[str, Indices]:
        """The indices of "train", "validation" and "test"."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def indices(self, part: str) -> Indices:
        """Return the indices of a part: "train", "validation" or "test"."""
        return self.parts[part]


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

    def groups_of(self, part: str) -> NDArray[np.int64] | None:
        """Return the group of each image of a part, or None if no groups are known.

        Args:
            part: "train", "validation" or "test".

        Returns:
            Int64 array of shape (n,), in the order of the split.
        """
        if self.dataset.groups is None:
            return None
        return self.dataset.groups[self.split.indices(part)]

    @property
    def groups_digest(self) -> str:
        """SHA-256 of which images belong together, hexadecimal; "" if none do.

        Groups with other numbers but the same images have the same digest.
        """
        groups = self.dataset.groups
        if groups is None:
            return ""
        _, first, group_of_image = np.unique(groups, return_index=True, return_inverse=True)
        if len(first) == len(groups):
            return ""
        return hashlib.sha256(first[group_of_image].astype(np.int64).tobytes()).hexdigest()

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


def class_counts(dataset: Dataset, indices: Indices | None = None) -> NDArray[np.int64]:
    """Count the images of each class.

    Args:
        dataset: The dataset.
        indices: Indices of the images to count. None counts all of them.

    Returns:
        Int64 array of shape (K,).
    """
    labels = dataset.labels if indices is None else dataset.labels[indices]
    return np.bincount(labels, minlength=len(dataset.class_names))
