"""Counts: images per class and part, sizes, modes and file formats."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data import PART_NAMES, UNASSIGNED, Dataset, FileFacts


@dataclass(frozen=True)
class DatasetCounts:
    """How many images there are of each kind.

    Attributes:
        per_class: Int64 array of shape (K,), images per class.
        per_part: Images by "train", "validation", "test" or "unassigned", without empty parts.
        per_class_and_part: Int64 array of shape (K, 4). The columns are UNASSIGNED, TRAIN,
            VALIDATION and TEST.
        imbalance: Images of the largest class per image of the smallest, at least 1.
        sizes: Files by "WIDTHxHEIGHT" as stored, most frequent first. Empty without files.
        modes: Files by Pillow's mode, most frequent first. Empty without files.
        file_formats: Files by Pillow's format, most frequent first. Empty without files.
        cameras: Files by camera, most frequent first, "" for none. Empty without files.
    """

    per_class: NDArray[np.int64]
    per_part: dict[str, int]
    per_class_and_part: NDArray[np.int64]
    imbalance: float
    sizes: dict[str, int]
    modes: dict[str, int]
    file_formats: dict[str, int]
    cameras: dict[str, int]


def count_images(dataset: Dataset, facts: FileFacts | None = None) -> DatasetCounts:
    """Count the images of each class, part, size, mode, file format and camera.

    Args:
        dataset: The dataset.
        facts: Headers of its files. None leaves the counts of files empty.
    """
    table = np.zeros((len(dataset.class_names), 4), np.int64)
    np.add.at(table, (dataset.labels, dataset.parts.astype(np.int64)), 1)
    per_class = table.sum(axis=1)

    names = {UNASSIGNED: "unassigned", **PART_NAMES}
    per_part = {names[part]: int(table[:, part].sum()) for part in names if table[:, part].any()}
    sizes: list[str] = []
    if facts is not None:
        sizes = [
            f"{width}x{height}" for width, height in zip(facts.width, facts.height, strict=True)
        ]
    return DatasetCounts(
        per_class=per_class,
        per_part=per_part,
        per_class_and_part=table,
        imbalance=float(per_class.max() / max(1, per_class.min())),
        sizes=_counted(sizes),
        modes=_counted(() if facts is None else facts.mode),
        file_formats=_counted(() if facts is None else facts.file_format),
        cameras=_counted(() if facts is None else facts.camera),
    )


def _counted(values: list[str] | tuple[str, ...]) -> dict[str, int]:
    return dict(Counter(values).most_common())
