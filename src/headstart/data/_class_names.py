"""Numbers for class names, the same on every machine.

Class names are sorted. The order of rows and of files on disk plays no part.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._types import PART_NAMES, TRAIN, ImageLabels
from headstart.errors import InputError
from headstart.formatting import first_names

# Pandas writes a 7 as "7.0" in a column that once had a missing value. Digits may be of any script.
INTEGER = re.compile(r"[+-]?\d{1,300}(\.0*)?$")
# Zero-width spaces, marks of direction, word joiners, byte-order mark and soft hyphen. Not the
# joiners U+200C and U+200D, which change letters and emoji.
INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\u180e]")
_NAMED_CLASSES = 5


def label_images(
    names: Sequence[str],
    labels: Sequence[str],
    source: str,
    parts: NDArray[np.uint8] | None = None,
    groups: Sequence[str] | None = None,
) -> ImageLabels:
    """Number the classes and the groups of images. See `encode_labels`.

    Args:
        names: N names of images, or none.
        labels: N labels, none of them empty.
        source: Where the labels come from, for error messages.
        parts: Uint8 array of shape (N,), or None if the source does not divide its images.
        groups: N names of groups, or None. The groups are numbered in the order of these names.

    Raises:
        InputError: There are fewer than two classes, two class names look the same, or validation
            or test images have a class that no training image has.
    """
    codes, class_names = encode_labels(labels, source)
    if parts is not None:
        require_training_classes(codes, parts, class_names, source)
    return ImageLabels(tuple(names), codes, class_names, parts, number_groups(groups))


def number_groups(names: Sequence[str] | None) -> NDArray[np.int64] | None:
    """Return the number of each group in the order of the sorted names, or None without groups."""
    if names is None:
        return None
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def encode_labels(labels: Sequence[str], source: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes. Their names are the labels as written.

    Integer labels are sorted by value ("2" before "10"), and those of one value by code point
    ("007" before "7"). All others are sorted by code point. If some labels are integers and others
    end in ".0", the latter are the same classes.

    Args:
        labels: N labels, none of them empty.
        source: Where the labels come from, for error messages.

    Returns:
        Int64 array of shape (N,) with values in [0, K), and the K class names.

    Raises:
        InputError: There are fewer than two classes, or two class names look the same.
    """
    name_of_label = {label: label for label in set(labels)}
    is_integer = all(INTEGER.match(label) for label in name_of_label)
    if is_integer:
        name_of_label = _merge_decimal_forms(name_of_label, source)

    class_names = sorted(set(name_of_label.values()), key=_integer_order if is_integer else None)
    if is_integer:
        _say_equal_values(class_names, source)
    require_distinct_classes(class_names, source)

    number_of_name = {name: number for number, name in enumerate(class_names)}
    numbers_of_labels = {label: number_of_name[name] for label, name in name_of_label.items()}
    return np.array([numbers_of_labels[label] for label in labels], np.int64), tuple(class_names)


def _merge_decimal_forms(labels: Iterable[str], source: str) -> dict[str, str]:
    """Return the class name of each integer label. If only some end in ".0", these lose it."""
    decimal = {label for label in labels if "." in label}
    if not decimal or len(decimal) == len(set(labels)):
        return {label: label for label in labels}

    example = min(decimal, key=_integer_order)
    progress.say(
        f"{source}: some labels end in .0 and others do not, so both forms are one class "
        f"('{example}' is '{example.partition('.')[0]}')"
    )
    return {label: label.partition(".")[0] for label in labels}


def _integer_order(label: str) -> tuple[int, str]:
    return int(label.partition(".")[0]), label


def _say_equal_values(class_names: Sequence[str], source: str) -> None:
    """Print the first two integer labels of one value that are written differently."""
    for first, second in pairwise(class_names):
        if _integer_order(first)[0] == _integer_order(second)[0]:
            progress.say(
                f"{source}: '{first}' and '{second}' are two classes, because they are written "
                "differently"
            )
            return


def require_distinct_classes(class_names: Sequence[str], source: str) -> None:
    """Raise an error unless there are two classes, and no two names are spellings of one name.

    Two names are spellings of one name if they differ only in case, blanks, underscores, invisible
    characters or Unicode normal form. Single characters may differ in case.

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

    first_with_key: dict[str, int] = {}
    for number, name in enumerate(class_names):
        first = first_with_key.setdefault(_spelling_key(name), number)
        if first == number:
            continue
        if class_names[first] == name:
            raise InputError(
                f"{source} has the class '{name}' twice, as number {first} and {number}.",
                "Give each class its own name.",
            )
        raise _spelt_alike(class_names[first], name, source)


def _spelling_key(name: str) -> str:
    """Return what two spellings of one class name have in common.

    Case, blanks at the ends, invisible characters, Unicode normal forms, and the choice and number
    of spaces and underscores make no difference. Names of one character stay as they are: "a" and
    "A" are two classes of handwritten letters, and "_" may be a symbol.
    """
    composed = unicodedata.normalize("NFC", name)
    if len(composed) == 1:
        return composed
    visible = INVISIBLE.sub("", composed).casefold()
    words = unicodedata.normalize("NFC", visible).split()
    return re.sub("_+", "_", "_".join(words)) or composed


def _spelt_alike(first: str, second: str, source: str) -> InputError:
    """Return the error about two spellings of one class name."""
    composed, other = (unicodedata.normalize("NFC", name) for name in (first, second))
    hint = "Merge them into one class, or rename one of them."
    if composed == other:
        return InputError(
            f"{source} has two classes '{second}' that look alike but are spelt differently: "
            f"{first!a} and {second!a}.",
            hint,
        )

    difference = "upper and lower case, spaces, underscores or invisible characters"
    if composed.casefold() == other.casefold():
        difference = "upper and lower case"
    elif composed.strip() == other.strip():
        difference = "spaces at the beginning or end"
    elif composed.replace("_", " ") == other.replace("_", " "):
        difference = "spaces and underscores"
    # The representation shows invisible characters as escapes.
    return InputError(
        f"{source} has the classes {first!r} and {second!r}, which differ only in {difference}.",
        hint,
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
    return first_names([f"'{name}'" for name in names], _NAMED_CLASSES)
