"""Groups of images that are not independent, and how the split divides them, as a result."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.audit._as_results import ImageNames
from headstart.data import InferredGroups, SplitDataset
from headstart.results import GroupReport, ImagePart, InferredGroup

_MOST_EXAMPLES, _MOST_IMAGES = 20, 5
_PARTS: tuple[ImagePart, ...] = ("train", "validation", "test")


def group_report(
    data: SplitDataset, inferred: InferredGroups | None, images: ImageNames
) -> GroupReport:
    """Return the groups that the data name, or else those that were inferred.

    Args:
        data: The dataset and its split.
        inferred: Groups from `infer_groups`; None if the data name their groups.
        images: Names of the images.
    """
    groups = data.dataset.groups if inferred is None else inferred.groups
    if groups is None or not (np.bincount(groups) > 1).any():
        return GroupReport(
            source="none",
            groups=0,
            images=0,
            largest=0,
            divided=0,
            divided_images=0,
            evidence=(),
            examples=(),
        )

    sizes = np.bincount(groups)
    in_part = _images_per_part(data, groups, len(sizes))
    is_divided = (in_part > 0).sum(axis=0) > 1
    held_out = np.concatenate([data.split.validation, data.split.test])
    divided = np.flatnonzero(is_divided)
    return GroupReport(
        source="given" if inferred is None else "inferred",
        groups=int((sizes > 1).sum()),
        images=int(sizes[sizes > 1].sum()),
        largest=int(sizes.max()),
        divided=len(divided),
        divided_images=int(is_divided[groups[held_out]].sum()),
        evidence=() if inferred is None else inferred.evidence,
        examples=tuple(
            _example(number, groups, in_part[:, number], images)
            for number in divided[:_MOST_EXAMPLES].tolist()
        ),
    )


def _images_per_part(
    data: SplitDataset, groups: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Return the number of images of each group in each part, int64 of shape (3, count)."""
    split = data.split
    parts = (split.train, split.validation, split.test)
    return np.stack([np.bincount(groups[rows], minlength=count) for rows in parts])


def _example(
    number: int, groups: NDArray[np.int64], in_part: NDArray[np.int64], images: ImageNames
) -> InferredGroup:
    rows = np.flatnonzero(groups == number).tolist()
    return InferredGroup(
        images=tuple(images[row] for row in rows[:_MOST_IMAGES]),
        size=len(rows),
        parts=tuple(part for part, count in zip(_PARTS, in_part, strict=True) if count),
    )
