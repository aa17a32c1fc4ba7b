"""What someone should know about a dataset and its split before believing a score: sentences, for the report and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.data._types import Dataset, SplitDataset

NAMED = 5


def split_warnings(data: SplitDataset) -> list[str]:
    """A sentence each for classes that a part lacks, copies that left training, and one image under two labels."""
    sentences = [_lacking(data, part) for part in ("test", "validation")]
    sentences += [_removed(data.split.duplicates_removed), _under_two_labels(data.dataset)]
    return [sentence for sentence in sentences if sentence]


def some(names: Sequence[str]) -> str:
    """Up to five names in quotation marks, then how many more."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:NAMED]) + more


def _lacking(data: SplitDataset, part: str) -> str:
    indices = data.split.test if part == "test" else data.split.validation
    counts = np.bincount(data.dataset.labels[indices], minlength=len(data.class_names))
    names = [data.class_names[label] for label in np.flatnonzero(counts == 0)]
    if not len(indices) or not names:
        return ""
    why = (
        ""
        if data.dataset.groups is None
        else " Images of one group stay together, and the groups may be too large."
    )
    have, them = ("has", "it") if len(names) == 1 else ("have", "them")
    found = f"{len(names):,} of the {len(counts):,} classes {have} no {part} image"
    return f"{found}, so {part} scores say nothing about {them}: {some(names)}.{why}"


def _removed(count: int) -> str:
    if count == 1:
        return "1 exact copy of a validation or test image was taken out of training."
    return (
        f"{count:,} exact copies of validation or test images were taken out of training."
        if count
        else ""
    )


def _under_two_labels(dataset: Dataset) -> str:
    high, low = np.ascontiguousarray(dataset.hashes).view(np.uint64).T
    order = np.lexsort((low, high))  # stable: of equal images the earlier one comes first
    same = (high[order][1:] == high[order][:-1]) & (low[order][1:] == low[order][:-1])
    pairs = np.flatnonzero(same & (dataset.labels[order][1:] != dataset.labels[order][:-1]))
    if not len(pairs):
        return ""
    count = len(np.unique(np.cumsum(~same)[pairs]))
    one, other = (
        f"{dataset.image_names[row]} ('{dataset.class_names[dataset.labels[row]]}')"
        for row in order[[pairs[0], pairs[0] + 1]]
    )
    found = "1 image appears" if count == 1 else f"{count:,} images appear"
    return f"{found} under more than one label: {one} and {other} are the same{', for one' if count > 1 else ''}."
