"""Folders with a table of their images, or with one in each part.

Hugging Face calls it `metadata.csv` or `metadata.jsonl`, and Roboflow `_classes.csv`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._class_names import label_images
from headstart.data._types import PART_NAMES, TRAIN, UNASSIGNED
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.folders._file_tree import folders_in, is_image, visible_paths
from headstart.data.formats.folders._part_words import part_of_name, resolve_evaluation
from headstart.data.formats.images._image_files import ImageFiles
from headstart.data.formats.tables._columns import (
    LABEL_NAMES,
    OTHER_LABEL_NAMES,
    find_columns,
)
from headstart.data.formats.tables._csv_table import TABLE_SUFFIX, is_plain_text, is_table
from headstart.data.formats.tables._labels import say_absent_classes
from headstart.data.formats.tables._layout import peek_row
from headstart.data.formats.tables._path_csv import (
    LabelledTable,
    lists_paths,
    open_any_table,
    read_labelled_table,
)
from headstart.errors import InputError
from headstart.formatting import counted

_METADATA_FILES = ("metadata.csv", "metadata.jsonl")  # of Hugging Face's `imagefolder`
_METADATA_LABELS = frozenset({"label", "labels", "class", "category", "target", "y"})
_ONE_HOT_FILE = "_classes.csv"  # of Roboflow's "Multi-Label Classification"


class TableFolder:
    """The format of a folder with a table of its images, or of parts with a table in each.

    A folder has `metadata.csv` or `metadata.jsonl` with file_name and label, or `_classes.csv` with
    one-hot columns, or `train.csv` with `val.csv` or `test.csv`. Folders of parts, such as `train/`
    and `valid/`, may have any one table that names the images beside it. Class folders beside a
    table are read instead of it.
    """

    name = "a folder with a table of its images"
    accepted_as = (
        "a folder of images with metadata.csv (file_name,label) or metadata.jsonl, or of train/, "
        "valid/ and test/ with a CSV of its images in each"
    )
    ignored_options = ()

    def recognizes(self, path: Path) -> bool:
        """Return whether the training part, or the folder itself, has such a table."""
        if not path.is_dir():
            return False
        tables = _find_tables(path)
        return any(table.part in (TRAIN, UNASSIGNED) for table in tables)

    def list(self, path: Path, options: LoadOptions) -> ImageFiles:
        """Read the paths and labels of every part.

        Raises:
            InputError: A table cannot be read, training lacks a class, or two folders are the same
                part. See also `read_labelled_table`.
        """
        places = _find_tables(path)
        _require_distinct_parts(path, places)
        tables = [read_labelled_table(place.path, options, place.name) for place in places]
        names: list[str] = []
        labels: list[str] = []
        groups: list[str] = []
        columns: dict[str, None] = {}
        for place, table in zip(places, tables, strict=True):
            folder = place.path.parent.relative_to(path)
            names += [_relative(path / folder / image, path) for image in table.paths]
            labels += table.labels
            groups += table.groups or ()
            columns.update(dict.fromkeys(table.classes))

        _require_distinct_images(path, places, tables)
        for place, table in zip(places, tables, strict=True):
            table.require_classes(labels, place.name)
        say_absent_classes(str(path), tuple(columns), labels)
        parts = _parts_of_rows(places, tables)
        numbered = label_images(names, labels, str(path), parts, groups or None)
        _say_parts_without_tables(path, places)
        return ImageFiles(path, numbered, options, tables=tuple(place.name for place in places))


class _Place(NamedTuple):
    """A table, its name relative to the folder of the data, and its part."""

    path: Path
    name: str
    part: int


def _relative(path: Path, root: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _parts_of_rows(
    places: Sequence[_Place], tables: Sequence[LabelledTable]
) -> NDArray[np.uint8] | None:
    """Return the part of each row: of its folder, or of a column where there is one table."""
    if len(places) == 1:
        return tables[0].parts if places[0].part == UNASSIGNED else None
    counts = [len(table.paths) for table in tables]
    return np.repeat(np.array([place.part for place in places], np.uint8), counts)


def _find_tables(folder: Path) -> list[_Place]:
    """Find the table of a folder, or else the one table of each part."""
    own = _usual_table(folder)
    if own is not None:
        return [_Place(own, own.name, UNASSIGNED)]

    tables: dict[Path, int] = {}
    for child, part in _part_folders(folder).items():
        table = _table_in(child)
        if table is not None:
            tables[table] = part
    tables = tables or _tables_of_parts(folder)
    return [
        _Place(table, _relative(table, folder), part)
        for table, part in resolve_evaluation(tables).items()
    ]


def _tables_of_parts(folder: Path) -> dict[Path, int]:
    """Return labelled tables that are named after parts, such as train.csv and val.csv.

    Tables beside class folders do not count, nor does one that is alone: `test.csv` of a
    competition has no labels.
    """
    tables: dict[Path, int] = {}
    for path in visible_paths(folder):
        mention = part_of_name(TABLE_SUFFIX.sub("", path.name)) if is_table(path) else None
        if mention and not mention.rest and not is_plain_text(path) and _lists_labels(path):
            tables[path] = mention.part
    if TRAIN not in tables.values() or len(tables) == 1:
        return {}
    # Last, because it lists the files of all folders.
    children = [child for child in folders_in(folder) if part_of_name(child.name) is None]
    has_classes = _count_with_images(children) > 1
    return {} if has_classes or any(map(_has_class_folders, folders_in(folder))) else tables


def _lists_labels(path: Path) -> bool:
    """Return whether a table lists images and has a column with a usual name for labels."""
    try:
        with open_any_table(path) as opened:
            table, first_row = peek_row(opened)
            names = (*LABEL_NAMES, *OTHER_LABEL_NAMES)
            return lists_paths(table, first_row) and bool(find_columns(table, names))
    except InputError:
        return False  # Whatever it is, it does not list images.


def _part_folders(folder: Path) -> dict[Path, int]:
    """Return the folders in a folder whose names say nothing but a part, with their parts."""
    mentions = {child: part_of_name(child.name) for child in folders_in(folder)}
    return {
        child: mention.part for child, mention in mentions.items() if mention and not mention.rest
    }


def _usual_table(folder: Path) -> Path | None:
    """Return the table of a usual name in a folder without class folders, or None."""
    tables = [folder / name for name in (*_METADATA_FILES, _ONE_HOT_FILE)]
    existing = [table for table in tables if table.is_file()]
    if not existing or _has_class_folders(folder):
        return None
    return next((table for table in existing if _has_labels(table)), None)


def _has_labels(path: Path) -> bool:
    """Return whether a table of a usual name has labels: metadata may be captions as well."""
    if path.name == _ONE_HOT_FILE:
        return True
    if not path.stat().st_size:
        return False
    with open_any_table(path) as table:
        return "file_name" in table.columns and not _METADATA_LABELS.isdisjoint(table.columns)


def _has_class_folders(folder: Path) -> bool:
    """Return whether several folders in a folder have images."""
    return _count_with_images(folders_in(folder)) > 1


def _count_with_images(folders: Sequence[Path]) -> int:
    """Return how many folders have images."""
    return sum(any(map(is_image, visible_paths(folder))) for folder in folders)


def _table_in(folder: Path) -> Path | None:
    """Return the table that names the images in the same folder, or None if there is not one."""
    if _has_class_folders(folder):
        return None
    usual = _usual_table(folder)
    if usual is not None:
        return usual
    paths = visible_paths(folder)
    tables = [path for path in paths if is_table(path) and not is_plain_text(path)]
    if len(tables) != 1 or not any(map(is_image, paths)):
        return None
    try:
        with open_any_table(tables[0]) as table:
            return tables[0] if lists_paths(*peek_row(table)) else None
    except InputError:
        return None  # Whatever it is, it does not list images.


def _require_distinct_parts(root: Path, places: Sequence[_Place]) -> None:
    first_of_part: dict[int, _Place] = {}
    for place in places:
        first = first_of_part.setdefault(place.part, place)
        if first is not place:
            raise InputError(
                f"{root} has two tables of {PART_NAMES[place.part]} images: {first.name} and "
                f"{place.name}.",
                "Move one of them elsewhere, or write one table of all images with a column split.",
            )


def _require_distinct_images(
    root: Path, places: Sequence[_Place], tables: Sequence[LabelledTable]
) -> None:
    place_of: dict[str, _Place] = {}
    for place, table in zip(places, tables, strict=True):
        for image in table.paths:
            name = os.path.normpath(place.path.parent / image)
            first = place_of.setdefault(name, place)
            if first is not place:
                raise InputError(
                    f"{first.name} and {place.name} of {root} both list the image {image}.",
                    "Remove it from one of them: an image belongs to one part.",
                )


def _say_parts_without_tables(root: Path, places: Sequence[_Place]) -> None:
    read = {place.path.parent for place in places}
    if root in read:
        return  # Its tables may name images anywhere.
    for folder in _part_folders(root):
        count = sum(map(is_image, visible_paths(folder)))
        if folder not in read and count:
            progress.say(
                f"{folder}: ignored {counted(count, 'image')}, which no table in the folder "
                "labels. To predict them, pass the folder to headstart submit"
            )
