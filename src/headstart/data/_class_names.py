"""Numbers for class names, the same on every machine.

Class names are sorted. The order of rows and of files on disk plays no part.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import PART_NAMES, TRAIN
from headstart.errors import InputError

# Pandas writes a 7 as "7.0" in a column that once had a missing value.
INTEGER = re.compile(r"[+-]?\d+(\.0*)?$")
_NAMED_CLASSES = 5


def encode_labels(labels: Sequence[str], source: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes.

    Integer labels are sorted by value ("2" before "10"). All others are sorted by code point.

    Args:
        labels: N labels, none of them empty.
        source: Where the labels come from, for error messages.

    Returns:
        Int64 array of shape (N,) with values in [0, K), and the K class names.

    Raises:
        InputError: There are fewer than two classes, or two class names look the same.
    """
    distinct = set(labels)
    if all(INTEGER.match(label) for label in distinct):
        name_of_label = {label: str(int(label.partition(".")[0])) for label in distinct}
        class_names = sorted(set(name_of_label.values()), key=int)
    else:
        name_of_label = {label: label for label in distinct}
        class_names = sorted(distinct)

    require_distinct_classes(class_names, source)
    number_of_label = {label: class_names.index(name) for label, name in name_of_label.items()}
    return np.array([number_of_label[label] for label in labels], np.int64), tuple(class_names)


def require_distinct_classes(class_names: Sequence[str], source: str) -> None:
    """Raise an error unless there are two classes, and no two class names look the same.

    Args:
        class_names: The names, by class number.
        source: Where the names come from, for error messages.

    Raises:
        InputError: The names are too few or not distinct.
    """
    if len(class_names) < 2:
        classes = f"only one class, '{class_names[0]}'" if class_names else "no class"
        raise InputError(
            f"{source} has {classes}; classification needs at least two.",
            "Add images of another class.",
        )

    number_of_name: dict[str, int] = {}
    for number, name in enumerate(class_names):
        first = number_of_name.setdefault(unicodedata.normalize("NFC", name), number)
        if first == number:
            continue
        if class_names[first] == name:
            raise InputError(
                f"{source} has the class '{name}' twice, as number {first} and {number}.",
                "Give each class its own name.",
            )
        raise InputError(
            f"{source} has two classes '{name}' that look alike but are spelt differently: "
            f"{class_names[first]!a} and {name!a}.",
            "Merge them into one class, or rename one of them.",
        )


def require_training_classes(
    labels: NDArray[np.int64], parts: NDArray[np.uint8], class_names: Sequence[str], source: str
) -> None:
    """Raise an error if validation or test images have a class that no training image has.

    Raises:
        InputError: There is such a class. The message names up to five of them.
    """
    known = np.unique(labels[parts == TRAIN])
    for part in set(PART_NAMES) - {TRAIN}:
        unknown = np.setdiff1d(labels[parts == part], known)
        if len(unknown):
            names = quote_names([class_names[label] for label in unknown])
            raise InputError(
                f"the {PART_NAMES[part]} images of {source} have classes that its training images "
                f"lack: {names}.",
                "Spell the class names the same in every part, or remove these images.",
            )


def quote_names(names: Sequence[str]) -> str:
    """Return up to five names in quotation marks, then how many more there are."""
    quoted = ", ".join(f"'{name}'" for name in names[:_NAMED_CLASSES])
    if len(names) > _NAMED_CLASSES:
        quoted += f" and {len(names) - _NAMED_CLASSES:,} more"
    return quoted
