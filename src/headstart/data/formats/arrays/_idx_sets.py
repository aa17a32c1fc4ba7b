"""The sets of IDX files below a folder: MNIST, EMNIST, KMNIST and others, by their file names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import progress
from headstart.data._class_names import quote_names
from headstart.data._types import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION
from headstart.data.formats.arrays._keys import PART_OF_WORD
from headstart.data.formats.folders._file_tree import visible_paths
from headstart.errors import InputError

IMAGES, LABELS = "images", "labels"
WORD_OF_PART = {UNASSIGNED: "", TRAIN: "train", VALIDATION: "validation", TEST: "t10k"}
# Archives wrap the files in up to three folders, such as FashionMNIST/raw/train-images-idx3-ubyte/.
DEEPEST_WRAPPER = 3
MOST_IN_A_WRAPPER = 64  # files and folders; class folders hold more, and are not searched
_NAME = re.compile(
    r"(?P<stem>.*?)[-_.]?idx(?P<dimensions>[1-4])[-_.](?:ubyte|int)( ?\(\d+\))?(?P<gzip>\.gz)?",
    re.IGNORECASE,
)
_ROLE = re.compile(r"(?:^|[-_.])(?P<role>images?|imgs?|labels?)$", re.IGNORECASE)


@dataclass(frozen=True)
class IdxName:
    """Set, part and role in the name of an IDX file.

    Attributes:
        set_name: Words before the part, such as "emnist-letters". Empty for MNIST.
        part: TRAIN, VALIDATION, TEST, or UNASSIGNED if the name has no such word.
        role: IMAGES or LABELS.
        is_gzipped: Whether the name ends in .gz.
    """

    set_name: str
    part: int
    role: str
    is_gzipped: bool


@dataclass(frozen=True)
class IdxSet:
    """The IDX files that form one dataset.

    Attributes:
        place: Folder of the files, relative to the folder that was searched.
        name: Prefix of the files, such as "emnist-letters". Empty for MNIST.
        files: Path of the file by part and role, relative to the folder that was searched.
    """

    place: str
    name: str
    files: dict[tuple[int, str], str]

    def describe(self) -> str:
        """Return the set for a list, such as "emnist-letters (train, test)"."""
        parts = sorted({part for part, _ in self.files})
        words = ", ".join(PART_NAMES.get(part, "undivided") for part in parts)
        place = "" if self.place == "." else f"{self.place}/"
        return f"{place}{self.name or 'MNIST names'} ({words})"


def parse_idx_name(name: str) -> IdxName | None:
    """Return what a file name says, or None if it is not the name of an IDX file.

    `train-images-idx3-ubyte`, `t10k-labels.idx1-ubyte.gz` and
    `emnist-letters-test-images-idx3-ubyte` are such names.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    role = IMAGES if match["dimensions"] in "34" else LABELS
    stem = match["stem"]
    role_word = _ROLE.search(stem)
    if role_word is not None:
        stem = stem[: role_word.start()]

    prefix, _, last = _last_word(stem)
    part = PART_OF_WORD.get(last.lower())
    if part is None:
        return IdxName(stem, UNASSIGNED, role, match["gzip"] is not None)
    return IdxName(prefix, part, role, match["gzip"] is not None)


def find_idx_sets(folder: Path) -> list[IdxSet]:
    """Find the IDX files below a folder, and group them into sets, sorted by place and name.

    An archive may have unpacked each file into a folder of its name. A file that exists twice,
    such as plain and gzipped, is used once: the plain one before the gzipped one.
    """
    files_of: dict[tuple[str, str], dict[tuple[int, str], list[Path]]] = {}
    for path in _idx_files(folder, 0):
        name = parse_idx_name(path.name)
        assert name is not None
        place = path.parent
        if place != folder and parse_idx_name(place.name) is not None:
            place = place.parent
        key = (place.relative_to(folder).as_posix(), name.set_name)
        files_of.setdefault(key, {}).setdefault((name.part, name.role), []).append(path)

    sets = []
    for (place_name, set_name), candidates in sorted(files_of.items()):
        chosen = {key: _choose(folder, paths) for key, paths in candidates.items()}
        sets.append(IdxSet(place_name, set_name, chosen))
    return sets


def has_idx_images(folder: Path) -> bool:
    """Return whether an IDX file of images lies in a folder or its wrappers."""
    for path in _idx_files(folder, 0):
        name = parse_idx_name(path.name)
        if name is not None and name.role == IMAGES:
            return True
    return False


def require_one_set(sets: Sequence[IdxSet], folder: Path) -> IdxSet:
    """Return the only set.

    Raises:
        InputError: There are several sets. The message lists them, and says how to choose one.
    """
    if len(sets) == 1:
        return sets[0]
    example = min(sets[0].files.items())[1]
    raise InputError(
        f"{folder} holds {len(sets)} sets of IDX files: expected one, got {_list_sets(sets)}.",
        f"Name a file of the set, such as {folder / example}; or pass a folder of one set.",
    )


def _list_sets(sets: Sequence[IdxSet]) -> str:
    return "; ".join(idx_set.describe() for idx_set in sets)


def _last_word(stem: str) -> tuple[str, str, str]:
    """Divide a text at its last separator: the words before it, the separator, the last word."""
    position = max(stem.rfind(separator) for separator in "-_.")
    if position < 0:
        return "", "", stem
    return stem[:position], stem[position], stem[position + 1 :]


def _idx_files(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the IDX files in a folder and in the folders that an archive wraps around them."""
    paths = visible_paths(folder)
    for path in paths:
        if parse_idx_name(path.name) is not None and path.is_file():
            yield path
    if depth == DEEPEST_WRAPPER or len(paths) > MOST_IN_A_WRAPPER:
        return
    for child in paths:
        if child.is_dir():
            yield from _idx_files(child, depth + 1)


def _choose(folder: Path, paths: Iterable[Path]) -> str:
    """Choose among files of the same name: plain before gzipped, fewer folders first."""
    ordered = sorted(
        paths, key=lambda path: (path.suffix.lower() == ".gz", len(path.parts), str(path))
    )
    names = [path.relative_to(folder).as_posix() for path in ordered]
    if len(names) > 1:
        progress.say(f"{folder}: read {names[0]}; ignored its copies {quote_names(names[1:])}")
    return names[0]
