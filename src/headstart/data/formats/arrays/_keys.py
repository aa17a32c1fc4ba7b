"""Names of arrays in a file: images, labels or class names, and their part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart import progress
from headstart.data._class_names import quote_names
from headstart.data._types import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION
from headstart.data.formats.folders._part_words import PART_OF_WORD as PART_OF_FOLDER_WORD
from headstart.errors import InputError

EXPECTED_KEYS = (
    "x_train, y_train[, x_validation, y_validation][, x_test, y_test] "
    "or images, labels[, class_names]"
)
ALSO_READ = (
    "Read as well: train_images, train_labels, val_images, … (MedMNIST); X, y; data, target."
)
IMAGES, LABELS, CLASS_NAMES = "images", "labels", "class_names"
_ROLE_OF_WORD = {
    **dict.fromkeys(("x", "image", "images", "img", "imgs", "data", "pixels", "features"), IMAGES),
    **dict.fromkeys(("y", "label", "labels", "target", "targets"), LABELS),
}
PART_OF_WORD = {**PART_OF_FOLDER_WORD, "t10k": TEST}  # MNIST's word for its test images
_CLASS_NAME_KEYS = frozenset(
    {"classnames", "classes", "labelnames", "targetnames", "names", "categories"}
)
_COUNTERPARTS = {
    "x": "y",
    "image": "label",
    "images": "labels",
    "img": "label",
    "imgs": "labels",
    **dict.fromkeys(("data", "pixels", "features"), "labels"),
    "y": "x",
    "label": "image",
    "labels": "images",
    "target": "data",
    "targets": "data",
}
_SEPARATOR = re.compile(r"[_\-. ]+|(?<=[a-z0-9])(?=[A-Z])")
_PART = r"(train|training|val|valid|validation|dev|test)"
_JOINED = re.compile(rf"([xy]){_PART}$", re.IGNORECASE)
_JOINED_REVERSED = re.compile(rf"{_PART}([xy])$", re.IGNORECASE)


@dataclass(frozen=True)
class ArrayKeys:
    """The names of the arrays that are read.

    Attributes:
        pairs: Names of the images and of their labels, by part. The only part is UNASSIGNED if the
            names have no word for a part.
        class_names: Name of the array of class names, or None.
    """

    pairs: dict[int, tuple[str, str]]
    class_names: str | None

    def all(self) -> list[str]:
        """Return the names of all arrays that are read."""
        names = [] if self.class_names is None else [self.class_names]
        for pair in self.pairs.values():
            names += pair
        return names


def choose_arrays(keys: Sequence[str], source: str) -> ArrayKeys:
    """Choose the arrays of images, labels and class names by their names.

    Names that have another meaning are ignored, with a line on stderr.

    Args:
        keys: Names of all arrays.
        source: Where the arrays come from, for messages.

    Raises:
        InputError: Images or labels are missing, or two names mean the same.
    """
    meanings = {key: parse_key(key) for key in keys}
    if not any(meanings.values()):
        prefix = _common_prefix(keys)
        meanings = {key: parse_key(key[len(prefix) :]) for key in keys}
    chosen: dict[tuple[int, str], str] = {}
    for key, meaning in meanings.items():
        if meaning is None:
            continue
        first = chosen.setdefault(meaning, key)
        if first != key:
            raise InputError(
                f"invalid keys of {source}: {first} and {key} both seem to be the {meaning[1]}.",
                "Remove one of the two arrays.",
            )

    names_key = chosen.pop((UNASSIGNED, CLASS_NAMES), None)
    parts = sorted({part for part, _ in chosen})
    _require_pairs(chosen, keys, source)
    is_undivided = parts == [UNASSIGNED]
    has_parts = TRAIN in parts and UNASSIGNED not in parts
    if not (is_undivided or has_parts):
        raise InputError(
            f"invalid keys of {source}: expected {EXPECTED_KEYS}, "
            f"got {', '.join(sorted(keys)) or 'none'}.",
            f"Rename the arrays, or load them in Python and pass them as a pair. {ALSO_READ}",
        )

    ignored = [key for key, meaning in meanings.items() if meaning is None]
    if ignored:
        progress.say(f"{source}: ignored the arrays {quote_names(sorted(ignored))}")
    pairs = {part: (chosen[part, IMAGES], chosen[part, LABELS]) for part in parts}
    return ArrayKeys(pairs, names_key)


def parse_key(key: str) -> tuple[int, str] | None:
    """Return the part and the role of an array by its name, or None for any other name.

    `x_train`, `trainX`, `train_images`, `images-train` and `Xtrain` are names of training images.
    """
    words = [word.lower() for word in _words(key)]
    if "".join(words) in _CLASS_NAME_KEYS:
        return UNASSIGNED, CLASS_NAMES
    roles = [word for word in words if word in _ROLE_OF_WORD]
    parts = [word for word in words if word in PART_OF_WORD]
    if len(roles) != 1 or len(parts) > 1 or len(roles) + len(parts) != len(words):
        return None
    part = PART_OF_WORD[parts[0]] if parts else UNASSIGNED
    return part, _ROLE_OF_WORD[roles[0]]


def _common_prefix(keys: Sequence[str]) -> str:
    """Return the words that all names begin with, such as "kmnist-"."""
    # Of all names, the first and the last in their order have the shortest prefix in common.
    first, last = min(keys, default=""), max(keys, default="")
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    prefix = first[:same]
    return prefix[: max(prefix.rfind(separator) for separator in "_-. ") + 1]


def _words(key: str) -> list[str]:
    for pattern in (_JOINED, _JOINED_REVERSED):
        joined = pattern.fullmatch(key)
        if joined is not None:
            return list(joined.groups())
    return [word for word in _SEPARATOR.split(key) if word]


def _require_pairs(chosen: Mapping[tuple[int, str], str], keys: Sequence[str], source: str) -> None:
    """Raise an error if images have no labels or the reverse, unless no part is a pair."""
    paired = {part for part, _ in chosen if {(part, IMAGES), (part, LABELS)} <= set(chosen)}
    for (part, role), key in chosen.items():
        if part in paired or role == CLASS_NAMES:
            continue
        others = [name for name in keys if name not in chosen.values()]
        beside = f" Other arrays: {', '.join(others)}." if others else ""
        raise InputError(
            f"{source} has {key}, but no {_counterpart(key)}.{beside}",
            f"Save images and their labels in pairs{_of_part(part)}.",
        )


def _of_part(part: int) -> str:
    return f", or leave out the {PART_NAMES[part]} part" if part in (VALIDATION, TEST) else ""


def _counterpart(key: str) -> str:
    """Return the name that the other array of a pair would have, such as y_test for x_test."""
    for word in _words(key):
        other = _COUNTERPARTS.get(word.lower())
        if other is not None:
            return key.replace(word, other, 1)
    return key
