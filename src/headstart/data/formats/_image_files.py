"""Image files with labels: a folder of class folders, or a CSV of paths. Here they are listed; `_images` decodes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._cache import Decoded
from headstart.data._class_names import encode_labels, need_distinct_classes, need_training_classes
from headstart.data._types import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION, Resize
from headstart.data.formats._csv_rows import PATH_COLUMNS, Table, open_table, shortened
from headstart.data.formats._decode import SUFFIXES, decode_files
from headstart.errors import InputError, suggest_name

PART_WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "seg_train": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
    "testing": TEST,
    "seg_test": TEST,
}
IGNORED = frozenset({"__macosx", "thumbs.db", "desktop.ini"})  # besides names that begin with a dot
SPLIT_COLUMN = ("split",)


@dataclass(frozen=True)
class Listing:
    """Labelled image files, none opened yet.

    Attributes:
        root: folder that `names` are relative to.
        names: N paths with forward slashes, in a fixed order.
        labels, class_names, parts, groups: as in `Dataset`; parts is None where the source assigns none.
    """

    root: Path
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: NDArray[np.uint8] | None = None
    groups: NDArray[np.int64] | None = None


def decode_listing(
    listing: Listing, building: Path, image_size: int | None, resize: Resize
) -> Decoded:
    """The listed images as pixels; see `decode_files`."""
    images = decode_files(listing.root, listing.names, building, image_size, resize)
    return Decoded(
        images, listing.labels, listing.class_names, listing.parts, listing.names, listing.groups
    )


def list_class_folders(folder: Path) -> Listing:
    """Find the images of a folder whose sub-folders are classes, or are train/validation/test with classes in them.

    Classes are numbered by name, code point by code point, and files are sorted by path: the disk's own order plays no
    part. A folder that an archive wrapped around the rest is stepped over. Images outside every class folder have no
    label; they are left out, with a line on stderr.

    Raises:
        InputError: no images, an empty class, only one class, a part without labels, a class that training lacks.
    """
    found = _find(folder)
    class_names = tuple(sorted({image.class_name for image in found}))
    need_distinct_classes(class_names, str(folder))
    numbers = {name: number for number, name in enumerate(class_names)}
    labels = np.array([numbers[image.class_name] for image in found], np.int64)
    parts = np.array([image.part for image in found], np.uint8)
    names = tuple(image.name for image in found)
    if len(np.unique(parts)) == 1:
        return Listing(folder, names, labels, class_names)
    need_training_classes(labels, parts, class_names, str(folder))
    return Listing(folder, names, labels, class_names, parts)


def is_path_table(table: Table) -> bool:
    """Whether a CSV lists image files; one with a column of paths (an id, say) and many pixel columns does not."""
    pixels = sum(column[-1:].isdigit() for column in table.columns)
    return table.find(PATH_COLUMNS) is not None and pixels < len(table.columns) / 2


def list_path_csv(path: Path, group_by: str | None) -> Listing:
    """Read a CSV of image paths, relative to its own folder, and labels.

    The column of paths is called path, image, filename, file, image_path or id; that of labels label, class, target
    or y; a column split (train, validation, test) is kept to. Other columns are free.

    Args:
        group_by: column whose equal values tie images together (a patient, a video); None for no groups.

    Raises:
        InputError: an image that does not exist, an empty field, an unknown split (each with its line); one class.
    """
    with open_table(path) as table:
        image, label = _needed(table), table.label_column()
        split = table.find(SPLIT_COLUMN)
        group = None if group_by is None else table.column(group_by, "group_by")
        wanted = [column for column in (image, label, split, group) if column is not None]
        lines, rows = [], []
        for line, fields in table.rows:
            rows.append({column: fields[column].strip() for column in wanted})
            lines.append(line)
            if not all(rows[-1].values()):
                empty = next(column for column, value in rows[-1].items() if not value)
                raise InputError(
                    f"line {line} of {path.name}: {table.columns[empty]} is empty.",
                    "Fill it in, or remove the row.",
                )
    names = tuple(row[image] for row in rows)
    _need_files(path, names, lines)
    labels, class_names = encode_labels([row[label] for row in rows], path.name)
    groups = (
        None
        if group is None
        else np.unique([row[group] for row in rows], return_inverse=True)[1].astype(np.int64)
    )
    if split is None:
        return Listing(path.parent, names, labels, class_names, None, groups)
    parts = np.array(
        [_part(path, line, row[split]) for line, row in zip(lines, rows, strict=True)], np.uint8
    )
    need_training_classes(labels, parts, class_names, path.name)
    return Listing(path.parent, names, labels, class_names, parts, groups)


def list_images(folder: Path) -> list[Path]:
    """Every image file below a folder, at any depth, by path; names that begin with a dot are left out.

    Raises:
        InputError: there is none, or a folder cannot be read.
    """
    images = [path for path in _files_below(folder) if _is_image(path)]
    if not images:
        raise InputError(
            f"{folder} holds no images: it has {_contents(folder)}.",
            f"Read as images: {', '.join(sorted(SUFFIXES))}.",
        )
    return images


def list_unlabelled(path: Path) -> tuple[list[Path], list[str]] | None:
    """The image files that a CSV without labels lists, and what its column of paths says of each; None if it holds pixels.

    Raises:
        InputError: an image that does not exist, with its line; no rows.
    """
    with open_table(path) as table:
        if not is_path_table(table):
            return None
        column = _needed(table)
        rows = [(line, fields[column].strip()) for line, fields in table.rows]
    if not rows:
        raise InputError(
            f"{path.name} has a header but no rows.", "Every further line is one image."
        )
    names = [name for _, name in rows]
    _need_files(path, names, [line for line, _ in rows])
    return [path.parent / name for name in names], names


class _Found(NamedTuple):
    name: str
    class_name: str
    part: int


def _find(folder: Path) -> list[_Found]:
    """Every image in a class folder, in the order of parts, classes, files."""
    found, empty, others = [], [], []
    root = _unwrapped(folder)
    _say_lone_part(folder, root)
    for part, top in _part_folders(root).items():
        for class_folder in _folders(top):
            files = list(_files_below(class_folder))
            images = [path.relative_to(folder).as_posix() for path in files if _is_image(path)]
            others += [path for path in files if not _is_image(path)]
            found += [_Found(name, class_folder.name, part) for name in images]
            empty += [] if images else [class_folder]
    if not found:
        above = (
            f"If {folder} is one class, give the folder above it: {folder.parent}. Else put"
            if _has_images(root)
            else "Put"
        )
        raise InputError(
            f"{folder} holds no class folders with images: it has {_contents(folder)}.",
            f"{above} the images of each class into a folder named after it: {folder.name}/cats/1.jpg, "
            f"{folder.name}/dogs/1.jpg. Read as images: {', '.join(sorted(SUFFIXES))}.",
        )
    if empty:
        raise InputError(
            f"the class folder {empty[0]} has no images: it has {_contents(empty[0])}.",
            "Remove the folder, or put its images there.",
        )
    if others:
        progress.say(
            f"{folder}: left out are {_kinds(others)}; read as images are {', '.join(sorted(SUFFIXES))}"
        )
    return found


def _part_folders(root: Path) -> dict[int, Path]:
    """The folder whose sub-folders are the classes, by part; one unassigned part where there is no train folder."""
    children = _folders(root)
    tops = {child: _unwrapped(child) for child in children}
    parts = {
        child: PART_WORDS[child.name.lower()]
        for child in children
        if child.name.lower() in PART_WORDS
    }
    if not any(part == TRAIN and _folders(tops[child]) for child, part in parts.items()):
        if children and len(parts) == len(children):
            raise InputError(
                f"{children[-1]} has no class folders: it has {_contents(children[-1])}.",
                f"Put the images of each class into a folder named after it, such as {children[-1]}/cats; "
                f"or give a CSV of path,label.",
            )
        _say_left_out(root)
        return {UNASSIGNED: root}
    by_part: dict[int, Path] = {}
    _say_left_out(root)
    for child in children:
        if not _folders(tops[child]):
            _say_left_out(tops[child])
        elif child not in parts:
            raise InputError(
                f"{child} stands beside a train folder, but its name says none of train, validation, test.",
                "Rename it, or move it elsewhere.",
            )
        elif parts[child] in by_part:
            raise InputError(
                f"{child} is a second folder of {PART_NAMES[parts[child]]} images in {root}.",
                "Merge the two folders.",
            )
        else:
            by_part[parts[child]] = tops[child]
            _say_left_out(tops[child])
    return by_part


def _unwrapped(folder: Path) -> Path:
    """Step over folders that hold nothing but one folder of folders, or one of their own name (seg_train/seg_train)."""
    while True:
        children = _folders(folder)
        if len(children) != 1 or _has_images(folder):
            return folder
        if not _folders(children[0]) and children[0].name.lower() != folder.name.lower():
            return folder
        folder = children[0]


def _say_lone_part(folder: Path, root: Path) -> None:
    words = [
        word
        for word in root.relative_to(folder).parts
        if PART_WORDS.get(word.lower()) in (VALIDATION, TEST)
    ]
    if words:
        progress.say(
            f"{folder} has only the part '{words[0]}': its images are taken as all there are, and divided anew into training, "
            "validation and test"
        )


def _say_left_out(folder: Path) -> None:
    count = sum(_is_image(path) for path in _visible(folder))
    if count:
        progress.say(
            f"{folder}: images outside every class folder have no label and are left out: {count:,}"
        )


def _visible(folder: Path) -> list[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read: {error.strerror or error}.",
            "Give yourself permission to read it.",
        ) from error
    return [
        path for path in paths if not path.name.startswith(".") and path.name.lower() not in IGNORED
    ]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _has_images(folder: Path) -> bool:
    return any(_is_image(path) for path in _visible(folder))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _files_below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Visible files at any depth; links are followed, except into a folder that they lie in."""
    real = folder.resolve()
    if real in above:
        return
    for path in _visible(folder):
        if path.is_dir():
            yield from _files_below(path, (*above, real))
        else:
            yield path


def _contents(folder: Path) -> str:
    """What a folder holds, by kind of file: "3 .txt files, 1 .pdf file"."""
    return _kinds(_files_below(folder)) or "nothing"


def _kinds(paths: Iterable[Path]) -> str:
    kinds = Counter(path.suffix.lower() or "nameless" for path in paths)
    return ", ".join(
        f"{count:,} {kind} file{'s' * (count > 1)}" for kind, count in kinds.most_common(4)
    )


def _needed(table: Table) -> int:
    index = table.find(PATH_COLUMNS)
    if index is None:
        raise InputError(
            f"{table.name} has no column of paths; it has {shortened(table.columns)}.",
            f"Name it one of: {', '.join(PATH_COLUMNS)}.",
        )
    return index


def _need_files(path: Path, names: Sequence[str], lines: Sequence[int]) -> None:
    missing = [
        (line, name)
        for line, name in zip(lines, names, strict=True)
        if not (path.parent / name).is_file()
    ]
    if missing:
        line, name = missing[0]
        if "://" in name:
            raise InputError(
                f"line {line} of {path.name}: {name} is a URL, and URLs are not fetched.",
                "Download the images first, and name their files.",
            )
        if (path.parent / name).is_dir():
            raise InputError(
                f"line {line} of {path.name}: {path.parent / name} is a folder, but wanted is an image file.",
                "Give one line to each image; or leave the CSV out, and give the folder that holds the class folders.",
            )
        more = f" Missing in all: {len(missing):,} files." if len(missing) > 1 else ""
        raise InputError(
            f"line {line} of {path.name}: {path.parent / name} does not exist.{more}",
            f"Paths are relative to the folder of the CSV, {path.parent}.",
        )


def _part(path: Path, line: int, word: str) -> int:
    if word.lower() not in PART_WORDS:
        raise InputError(
            f"line {line} of {path.name}: split is '{word}', but wanted is train, validation or test.",
            suggest_name(word.lower(), tuple(PART_WORDS)),
        )
    return PART_WORDS[word.lower()]
