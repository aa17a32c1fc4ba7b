"""Groups that file names propose: what names share, and running numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_MOST_NUMBERS = 3  # at the end of a name that are taken off, one after the other
_LEAST_GROUPS = 3
_LEAST_GROUPED_SHARE = 0.5
_LARGEST_GROUP_SHARE = 0.34

Groups = NDArray[np.int64]


class Proposal(NamedTuple):
    """Groups that are to be tested.

    Attributes:
        groups: Int64 array of shape (N,).
        example: What the images of one group share, for people.
    """

    groups: Groups
    example: str


class RunningNumbers(NamedTuple):
    """Images with consecutive running numbers.

    Attributes:
        rows: Int64 array of shape (n,), the images by number.
        gaps: Int64 array of shape (n - 1,), the difference of neighbouring numbers.
    """

    rows: Groups
    gaps: Groups


def propose_from_names(names: Sequence[str], labels: Groups) -> Iterator[Proposal]:
    """Yield the groups that names propose, the coarsest first.

    Images share a group if their names are equal without one, two or three numbers at the end, or
    if they lie in the same folder below the folder of their class.

    Args:
        names: Names of the images, with forward slashes.
        labels: Int64 array of shape (N,).
    """
    stems = [PurePosixPath(name).stem for name in names]
    folders = [str(PurePosixPath(name).parent) for name in names]
    for removed in range(_MOST_NUMBERS, 0, -1):
        keys = [_without_numbers(stem, removed) for stem in stems]
        # A stem without any number left says too little: IMG, frame.
        yield from _proposals([key if _has_identity(key) else "" for key in keys], labels)
    yield from _proposals(folders, labels)


def running_numbers(names: Sequence[str]) -> list[RunningNumbers]:
    """Return the images with the same words before their last number, in the order of it.

    Folders play no part: a camera numbers across them.
    """
    members: dict[str, list[tuple[int, int]]] = {}
    for row, name in enumerate(names):
        stem = PurePosixPath(name).stem
        matches = list(re.finditer(r"\d+", stem))
        if not matches:
            continue
        last = matches[-1]
        key = f"{stem[: last.start()]}*{stem[last.end() :]}"
        members.setdefault(key, []).append((int(last.group()), row))

    sequences = []
    for entries in members.values():
        entries.sort()
        values = np.array([number for number, _ in entries], np.float64)
        rows = np.array([row for _, row in entries], np.int64)
        sequences.append(RunningNumbers(rows, np.minimum(np.diff(values), 1e9).astype(np.int64)))
    return sequences


def _without_numbers(stem: str, count: int) -> str:
    """Return a stem without its last `count` numbers and what follows the first of them."""
    matches = list(re.finditer(r"\d+", stem))
    if len(matches) < count:
        return ""
    return stem[: matches[-count].start()].rstrip("_-. (")


def _has_identity(key: str) -> bool:
    """Return whether a key can name one of many: by a number or by letters."""
    return _TOKEN.search(key) is not None


def _proposals(keys: Sequence[str], labels: Groups) -> Iterator[Proposal]:
    """Yield the groups of equal keys, unless they are trivial. An empty key groups nothing."""
    unique = {key: number for number, key in enumerate(dict.fromkeys(keys)) if key}
    groups = np.empty(len(keys), np.int64)
    fresh = len(unique) + len(keys)
    for row, key in enumerate(keys):
        groups[row] = unique[key] if key else fresh + row
    _, groups, sizes = np.unique(groups, return_inverse=True, return_counts=True)

    is_shared = sizes > 1
    if is_shared.sum() < _LEAST_GROUPS:
        return
    grouped_share = sizes[is_shared].sum() / len(keys)
    if grouped_share < _LEAST_GROUPED_SHARE or sizes.max() > _LARGEST_GROUP_SHARE * len(keys):
        return
    if _is_class(groups, labels):
        return
    example = keys[int(np.flatnonzero(sizes[groups] > 1)[0])]
    yield Proposal(groups.astype(np.int64), example)


def _is_class(groups: Groups, labels: Groups) -> bool:
    """Return whether most classes consist of one group each, so that groups are classes."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    groups_per_class = np.bincount(pairs[0])
    return float(np.median(groups_per_class[groups_per_class > 0])) < 2
