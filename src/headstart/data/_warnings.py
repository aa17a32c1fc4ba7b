"""Warnings about a dataset and its split, as sentences for the report and the terminal."""

from __future__ import annotations

import numpy as np

from headstart.data._class_names import quote_names
from headstart.data._doubtful_names import damaged_names_sentence, similar_names_sentence
from headstart.data._types import (
    PART_NAMES,
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    Dataset,
    SplitDataset,
    class_counts,
)
from headstart.formatting import counted, display_name, first_names

_NAMED_IMAGES = 3  # data.json names all of them.


def split_warnings(data: SplitDataset) -> list[str]:
    """Return a sentence for each fault that affects how far a score can be trusted.

    These are images that could not be read, class names that are nearly the same or damaged,
    classes that a part lacks, copies that were removed from training, and images with more than one
    label.
    """
    sentences = [
        *_unreadable_images(data.dataset),
        similar_names_sentence(data.class_names),
        damaged_names_sentence(data.class_names),
        _missing_classes(data, "test"),
        _missing_classes(data, "validation"),
        _removed_copies(data.split.duplicates_removed),
        _images_with_two_labels(data.dataset),
    ]
    return [sentence for sentence in sentences if sentence]


def count_unreadable(dataset: Dataset, part: str) -> int:
    """Return how many images of a part that the data assign could not be read.

    Args:
        dataset: The dataset.
        part: "train", "validation" or "test".
    """
    return sum(PART_NAMES.get(file.part) == part for file in dataset.unreadable)


def _unreadable_images(dataset: Dataset) -> list[str]:
    """Return a sentence for each part that lost images, the most important part first."""
    sentences = []
    for part in (TEST, VALIDATION, TRAIN, UNASSIGNED):
        files = [file for file in dataset.unreadable if file.part == part]
        if not files:
            continue
        count = len(files)
        kind = "training" if part == TRAIN else PART_NAMES.get(part, "")
        images = counted(count, f"{kind} image".strip())
        are = "is" if count == 1 else "are"
        names = first_names([file.name for file in files], _NAMED_IMAGES)
        sentences.append(f"{images} could not be read and {are} not counted: {names}.")
    return sentences


def _missing_classes(data: SplitDataset, part: str) -> str:
    indices = data.split.test if part == "test" else data.split.validation
    counts = class_counts(data.dataset, indices)
    names = [data.class_names[label] for label in np.flatnonzero(counts == 0)]
    if not len(indices) or not names:
        return ""

    have, them = ("has", "it") if len(names) == 1 else ("have", "them")
    sentence = (
        f"{len(names):,} of the {len(counts):,} classes {have} no {part} image, so {part} scores "
        f"say nothing about {them}: {quote_names(names)}."
    )
    if data.dataset.groups is not None:
        sentence += " Images of one group stay together, and the groups may be too large."
    return sentence


def _removed_copies(count: int) -> str:
    if count == 0:
        return ""
    if count == 1:
        return "1 exact copy of a validation or test image was removed from training."
    return f"{count:,} exact copies of validation or test images were removed from training."


def _images_with_two_labels(dataset: Dataset) -> str:
    high, low = np.ascontiguousarray(dataset.hashes).view(np.uint64).T
    order = np.lexsort((low, high))  # stable: of equal images the earlier one comes first
    labels = dataset.labels[order]
    is_copy = (high[order][1:] == high[order][:-1]) & (low[order][1:] == low[order][:-1])
    conflicts = np.flatnonzero(is_copy & (labels[1:] != labels[:-1]))
    if not len(conflicts):
        return ""

    count = len(np.unique(np.cumsum(~is_copy)[conflicts]))
    first, second = (
        f"{display_name(dataset.image_names[row])} "
        f"('{display_name(dataset.class_names[dataset.labels[row]])}')"
        for row in order[[conflicts[0], conflicts[0] + 1]]
    )
    if count == 1:
        return f"1 image has more than one label: {first} and {second} are the same."
    return (
        f"{count:,} images have more than one label. "
        f"For example, {first} and {second} are the same."
    )
