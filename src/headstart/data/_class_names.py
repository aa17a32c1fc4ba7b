"""Class numbers from class names: sorted, the same on every machine, whatever order the rows or the disk have."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import PART_NAMES, TRAIN
from headstart.errors import InputError

INTEGER = re.compile(
    r"[+-]?\d+(\.0*)?$"
)  # "7.0" is how pandas writes a 7 in a column that once had a gap
NAMED_CLASSES = 5


def encode_labels(values: Sequence[str], where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes: by value when every label is a whole number ("2" before "10"), else by code point.

    Args:
        values: N labels, none empty.
        where: what they come from, for the error.

    Returns:
        `(N,)` labels in [0, K), and the K class names.

    Raises:
        InputError: there are fewer than two classes, or two that look the same.
    """
    distinct = set(values)
    if all(INTEGER.match(value) for value in distinct):
        names = {value: str(int(value.partition(".")[0])) for value in distinct}
        class_names = sorted(set(names.values()), key=int)
    else:
        names = {value: value for value in distinct}
        class_names = sorted(distinct)
    need_distinct_classes(class_names, where)
    number = {value: class_names.index(name) for value, name in names.items()}
    return np.array([number[value] for value in values], np.int64), tuple(class_names)


def need_distinct_classes(class_names: Sequence[str], where: str) -> None:
    """Raise InputError unless there is something to tell apart: two classes, of names that differ to the eye too."""
    if len(class_names) < 2:
        found = f"only one class, '{class_names[0]}'" if class_names else "no class"
        raise InputError(
            f"{where} has {found}; telling images apart needs at least two.",
            "Add images of another class.",
        )
    seen: dict[str, int] = {}
    for number, name in enumerate(class_names):
        other = seen.setdefault(unicodedata.normalize("NFC", name), number)
        if other == number:
            continue
        if class_names[other] == name:
            raise InputError(
                f"{where} has the class '{name}' twice, as number {other} and {number}.",
                "Give each its own name.",
            )
        raise InputError(
            f"{where} has two classes '{name}' that look alike but are spelt differently: {class_names[other]!a} and {name!a}.",
            "Make them one class, or rename one of them.",
        )


def need_training_classes(
    labels: NDArray[np.int64], parts: NDArray[np.uint8], class_names: Sequence[str], where: str
) -> None:
    """Raise InputError if validation or test has a class that training lacks."""
    known = np.unique(labels[parts == TRAIN])
    for part in set(PART_NAMES) - {TRAIN}:
        strange = np.setdiff1d(labels[parts == part], known)
        if len(strange):
            names = ", ".join(f"'{class_names[label]}'" for label in strange[:NAMED_CLASSES])
            more = (
                f" and {len(strange) - NAMED_CLASSES} more" if len(strange) > NAMED_CLASSES else ""
            )
            raise InputError(
                f"the {PART_NAMES[part]} images of {where} have classes that its training images lack: {names}{more}.",
                "Give every part the same class names, spelt alike; or remove these images.",
            )
