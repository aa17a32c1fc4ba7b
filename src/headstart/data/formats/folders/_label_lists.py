"""Text files beside images that list their classes, or how a published dataset is split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePath
from typing import NamedTuple

from headstart.data.formats.folders._file_tree import Folder
from headstart.data.formats.tables._columns import LABEL_NAMES, OTHER_LABEL_NAMES, plain_name

_TEXT_SUFFIXES = (".txt", ".csv", ".tsv")
# Samples of submissions and predictions name a class for each image as well, which is not its own.
_NOT_LABELS = re.compile(r"sample|submission|predict", re.IGNORECASE)
_SPLIT_LIST = re.compile(
    r"(train|val|valid|validation|test|trainval)\d*\.(txt|json)|train_test_split\.txt|"
    r"(train|test)_list\.mat|setid\.mat",
    re.IGNORECASE,
)
_FIELDS = re.compile(r"[^\s,;|\"]+")
_LARGEST_BYTES = 64 << 20
_HEAD_LINES = 50


class LabelList(NamedTuple):
    """A text file that states the class of each image of a folder.

    Attributes:
        path: The file.
        images_of_class: Names of the images in the folder, by class.
    """

    path: Path
    images_of_class: dict[str, list[str]]


def read_label_list(folder: Folder, class_names: set[str]) -> LabelList | None:
    """Read the classes of images in one folder from a text file in it or above it.

    Tiny ImageNet has val/val_annotations.txt, and ImageNet LOC_val_solution.csv. One column must
    name each image exactly once, and exactly one other one must hold a known class in all of these
    lines. Classes that are numbers count only in a column with a usual name for labels, such as
    ClassId of GTSRB: columns of sizes and boxes look like them.

    Args:
        folder: The folder, which has images and no folders.
        class_names: The classes of the training images.
    """
    if folder.folders or not folder.images:
        return None
    words = {name: name for name in class_names if not name.isdecimal()}
    for path in _texts_above(folder):
        rows = list(_lines_of(path))
        rows_of_image = _rows_of_images(rows, folder.images)
        if rows_of_image is None:
            continue
        fields_of = [rows[row] for row in rows_of_image]
        width = min(map(len, fields_of))
        labels: list[Sequence[str]] = []
        for place, column in enumerate(zip(*(fields[:width] for fields in fields_of), strict=True)):
            class_of = words
            if _is_label_header(rows[0], place, width):
                class_of = words | _classes_by_number(class_names)
            if class_of.keys() >= set(column):
                labels.append([class_of[text] for text in column])
        if len(labels) == 1 and len(set(labels[0])) > 1:
            images_of_class: dict[str, list[str]] = {}
            for image, label in zip(folder.images, labels[0], strict=True):
                images_of_class.setdefault(label, []).append(image)
            return LabelList(path, images_of_class)
    return None


def _is_label_header(header: Sequence[str], place: int, width: int) -> bool:
    """Return whether a field of the first line names a column of labels."""
    is_header = len(header) == width
    return is_header and plain_name(header[place]) in (*LABEL_NAMES, *OTHER_LABEL_NAMES)


def _classes_by_number(class_names: set[str]) -> dict[str, str]:
    """Return the classes that are numbers by their name, and without its leading zeros.

    GTSRB has folders such as 00007, and the number 7 in its table. Two classes of one number, such
    as 7 and 007, have only their names.
    """
    numeric_names = [name for name in class_names if name.isdecimal()]
    counts = Counter(map(int, numeric_names))
    by_number = {str(int(name)): name for name in numeric_names if counts[int(name)] == 1}
    return by_number | {name: name for name in numeric_names}


def _rows_of_images(rows: list[list[str]], images: list[str]) -> list[int] | None:
    """Return the row of each image, if exactly one column names each image exactly once."""
    for key_of in (_file_name, _stem):  # An index may look like an image's name without suffix.
        columns = _columns_of_names(rows, {key_of(image) for image in images}, key_of)
        complete = [row_of for row_of in columns if len(row_of) == len(images)]
        if len(complete) == 1:
            return [complete[0][key_of(image)] for image in images]
        if complete:
            return None
    return None


def _columns_of_names(
    rows: list[list[str]], names: set[str], key_of: Callable[[str], str]
) -> list[dict[str, int]]:
    """Return, for each column that repeats no name, the row of each name in it."""
    columns: dict[int, dict[str, int]] = {}
    repeated: set[int] = set()
    for number, fields in enumerate(rows):
        for column, field in enumerate(fields):
            key = key_of(field)
            if key not in names:
                continue
            row_of = columns.setdefault(column, {})
            if key in row_of:
                repeated.add(column)
            row_of[key] = number
    return [row_of for column, row_of in columns.items() if column not in repeated]


def find_list_of_images(folder: Folder) -> Path | None:
    """Return the first text file in a folder, or above it, that names images of the folder."""
    stems = set(map(_stem, folder.walk_images()))
    return next((path for path in _texts_above(folder) if names_images(path, stems)), None)


def find_lines_without_names(folder: Folder) -> Path | None:
    """Return the first text in a folder, or above it, with as many lines as there are images.

    Devkits above it count as well: that of ImageNet holds the list in its folder data.
    """
    count = len(folder.images)
    texts = _texts_above(folder)
    for place in _places_above(folder):
        texts += sorted(place.glob("*devkit*/data/*.txt"))
    for path in texts if count > 1 else ():
        lines = [fields for fields in islice(_lines_of(path), count + 1) if fields]
        if len(lines) == count:
            return path
    return None


def lists_in(root: Folder) -> list[Path]:
    """Return the text files at any depth that name images of a folder."""
    stems = set(map(_stem, root.walk_images()))
    paths = [root.path / name[len(root.prefix) :] for name in root.walk_others()]
    texts = [path for path in paths if _is_text(path) and not _SPLIT_LIST.fullmatch(path.name)]
    return [path for path in texts if names_images(path, stems)]


def published_splits(root: Folder) -> list[str]:
    """Return the files that say how a published dataset is split, relative to the folder."""
    return [name for name in root.walk_others() if _SPLIT_LIST.fullmatch(PurePath(name).name)]


def names_images(path: Path, stems: set[str]) -> bool:
    """Return whether one of the first lines of a text has the name of an image, and more.

    An annotation of one image, which has its name, does not count.
    """
    if path.stem in stems:
        return False
    lines = islice(_lines_of(path), _HEAD_LINES)
    return any(len(fields) > 1 and stems & set(map(_stem, fields)) for fields in lines)


def _file_name(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _stem(name: str) -> str:
    """Return the name of an image without folders and suffix."""
    last = _file_name(name)
    return last.rpartition(".")[0] or last


def _places_above(folder: Folder) -> list[Path]:
    """Return a folder and those above it, up to the one the user named."""
    return [folder.path, *folder.path.parents[: folder.prefix.count("/")]]


def _texts_above(folder: Folder) -> list[Path]:
    """Return the text files in a folder and in those above it, up to the one the user named."""
    paths: list[Path] = []
    for place in _places_above(folder):
        paths += sorted(path for path in place.iterdir() if _is_text(path) and path.is_file())
    return paths


def _is_text(path: Path) -> bool:
    return path.suffix.lower() in _TEXT_SUFFIXES and not _NOT_LABELS.search(path.name)


def _lines_of(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line of a text. What is not UTF-8 names nothing here."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for line in file:
                yield _FIELDS.findall(line)
    except OSError:
        return
