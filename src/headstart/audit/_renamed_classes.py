"""Classes whose labels mean something else in one part of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data import PART_NAMES, Dataset

Indices = NDArray[np.int64]

_FEW_IMAGES = 5


@dataclass(frozen=True)
class RenamedClass:
    """A class that looks like another class in one part of a dataset only.

    Attributes:
        part: Name of the part, such as "test".
        label: Number of the given class.
        looks_like: Number of the class that its images look like.
        share: Share of its images in this part that look like that class.
    """

    part: str
    label: int
    looks_like: int
    share: float


def find_renamed_classes(dataset: Dataset, predicted: Indices) -> tuple[RenamedClass, ...]:
    """Find classes of which most images in one part look like the same other class.

    This is what a class map in another order does, or labels that start from 1 in one part. Where
    all parts are renamed alike, nothing can be found: the names of classes have no pixels.

    Args:
        dataset: The labelled images.
        predicted: The most likely class of each image, out of fold, int64 of shape (N,).
    """
    renamed = []
    for part, part_name in PART_NAMES.items():
        is_in_part = dataset.parts == part
        for label in range(len(dataset.class_names)):
            is_given = dataset.labels == label
            inside = predicted[is_in_part & is_given]
            outside = predicted[~is_in_part & is_given]
            if len(inside) < _FEW_IMAGES or len(outside) < _FEW_IMAGES:
                continue
            looks_like = int(np.bincount(inside).argmax())
            share = float((inside == looks_like).mean())
            is_same_outside = int(np.bincount(outside).argmax()) == looks_like
            if looks_like != label and share > 0.5 and not is_same_outside:
                renamed.append(RenamedClass(part_name, label, looks_like, share))
    return tuple(renamed)
