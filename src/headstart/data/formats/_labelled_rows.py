"""Labels, names and groups of the rows of a file or of a dataset object, as they are found there.

A label may be the number of a class that has a name, or a text, or missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._class_names import (
    encode_labels,
    number_groups,
    quote_names,
    require_distinct_classes,
    require_training_classes,
)
from headstart.data._types import PART_NAMES, UNASSIGNED, ImageLabels
from headstart.data.formats.arrays._labels import label_texts
from headstart.data.formats.tables._label_meaning import require_classes
from headstart.errors import InputError

_NO_LABEL = -1  # `datasets` writes it for images of a test part whose labels are not published


@dataclass
class RowTable:
    """The columns of all files but the images, in the order of the rows.

    Attributes:
        labels: The label of each row, as the file has it. None if it is missing.
        paths: The path of each image, or None.
        groups: The group of each row, if there are groups.
        parts: The part of each row.
        places: File and number of each row within it, from 0.
    """

    labels: list[Any] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)


def label_rows(
    table: RowTable, class_names: Sequence[str] | None, source: str
) -> tuple[NDArray[np.int64], ImageLabels]:
    """Choose the labelled rows, and number their classes.

    Args:
        table: The rows.
        class_names: Names by number, if the labels are numbers of classes.
        source: Where the rows come from, for messages.

    Returns:
        Int64 indices of the N rows that are used, and their labels.

    Raises:
        InputError: A label is missing in a part that has others. Or a number has no name, training
            lacks a class, or the labels are measurements or of one class.
    """
    rows = _drop_unlabelled_parts(table, source, has_names=class_names is not None)
    chosen = [table.labels[row] for row in rows.tolist()]
    labels, class_names = _number_labels(chosen, class_names, source)
    parts = np.array(table.parts, np.uint8)[rows]
    has_parts = len(np.unique(parts)) > 1
    if has_parts:
        require_training_classes(labels, parts, class_names, source)
    groups = [table.groups[row] for row in rows.tolist()] if table.groups else None
    names = _name_images(table, rows)
    return rows, ImageLabels(
        names, labels, class_names, parts if has_parts else None, number_groups(groups)
    )


def _drop_unlabelled_parts(table: RowTable, source: str, *, has_names: bool) -> NDArray[np.int64]:
    """Return the rows that are used: all but those of parts without a single label.

    The number -1 means a missing label where numbers have names, and in a part that holds nothing
    else. Beside other numbers it is a class, as in labels of -1 and 1.

    Args:
        table: The rows.
        source: Where they come from, for messages.
        has_names: Whether labels are numbers of classes that have names.

    Raises:
        InputError: A label is missing in a part that has others.
    """
    parts = np.array(table.parts, np.uint8)
    is_none = np.array([label is None for label in table.labels], bool)
    is_minus_one = np.array(
        [not isinstance(label, str) and label == _NO_LABEL for label in table.labels], bool
    )
    is_missing = is_none | is_minus_one
    if not has_names:
        for part in np.unique(parts).tolist():
            in_part = parts == part
            if not is_missing[in_part].all():
                is_missing[in_part] = is_none[in_part]
    used = np.ones(len(parts), bool)
    for part in np.unique(parts).tolist():
        in_part = parts == part
        if is_missing[in_part].all() and not is_missing.all():
            used &= ~in_part
            progress.say(
                f"{source}: ignored the {int(in_part.sum()):,} images of the "
                f"{PART_NAMES.get(part, 'undivided')} part, which has no labels"
            )
    missing = np.flatnonzero(is_missing & used)
    if len(missing):
        name, row = table.places[int(missing[0])]
        total = f" {len(missing):,} labels are missing in total." if len(missing) > 1 else ""
        raise InputError(
            f"row {row} of {name}: the label is missing.{total}", "Fill it in, or remove the row."
        )
    return np.flatnonzero(used)


def _number_labels(
    labels: Sequence[Any], class_names: Sequence[str] | None, source: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the number of each label, and the names of the classes that have images."""
    indices = np.asarray(labels)
    if class_names is None or indices.dtype.kind not in "iu":
        texts = label_texts(indices, len(labels), source)
        require_classes(texts, source, "label")
        return encode_labels(texts, source)

    used = np.unique(indices)
    if len(used) and (used[0] < 0 or used[-1] >= len(class_names)):
        wrong = used[0] if used[0] < 0 else used[-1]
        raise InputError(
            f"{source} has the label {wrong}, but names for 0 to {len(class_names) - 1}.",
            "Correct the labels, or the names of the classes.",
        )
    names = tuple(class_names[number] for number in used.tolist())
    unused = [name for number, name in enumerate(class_names) if number not in set(used.tolist())]
    if unused:
        progress.say(f"{source}: no images of {quote_names(unused)}, so these are not classes")
    require_distinct_classes(names, source)
    return np.searchsorted(used, indices).astype(np.int64), names


def _name_images(table: RowTable, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return names of images: their paths where these differ, or else part and number."""
    named = []
    for row in rows.tolist():
        path, part = table.paths[row], table.parts[row]
        if path and not PurePosixPath(path).is_absolute():
            named.append(path if part == UNASSIGNED else f"{PART_NAMES[part]}/{path}")
    if len(named) == len(rows) == len(set(named)):
        return tuple(named)

    counts: dict[int, int] = {}
    names = []
    for row in rows.tolist():
        part = table.parts[row]
        number = counts.get(part, 0)
        counts[part] = number + 1
        prefix = "" if part == UNASSIGNED else f"{PART_NAMES[part]}-"
        names.append(f"{prefix}{number:06d}")
    return tuple(names)


def plain_group(group: Any) -> str | None:
    """Return the name of a group, or None for the values that mean a missing one."""
    is_missing = group is None or (isinstance(group, float) and group != group)
    return None if is_missing else str(group).strip() or None


def plain_label(label: Any) -> Any:
    """Return a label, or None for the values that mean a missing one."""
    if label is None or (isinstance(label, str) and not label.strip()):
        return None
    if isinstance(label, float) and label != label:
        return None
    return label
