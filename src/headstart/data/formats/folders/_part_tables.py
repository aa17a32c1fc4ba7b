"""Folders of parts with a table of their images in each, as Roboflow exports `_classes.csv`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._class_names import encode_labels, require_training_classes
from headstart.data._types import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.folders._file_tree import folders_in, is_image, visible_paths
from headstart.data.formats.folders._metadata_folder import MetadataFiles, has_class_folders
from headstart.data.formats.folders._part_words import EVALUATION, part_of_name
from headstart.data.formats.tables._csv_table import is_plain_text, is_table, open_table
from headstart.data.formats.tables._labels import say_absent_classes
from headstart.data.formats.tables._layout import peek_row
from headstart.data.formats.tables._path_csv import LabelledTable, lists_paths, read_labelled_table
from headstart.data.formats.tables._rows import group_numbers
from headstart.errors import InputError
from headstart.formatting import counted

ONE_HOT_FILE = "_classes.csv"  # of Roboflow's "Multi-Label Classification"


class PartTables:
    """The format of a folder of parts, such as `train/` and `valid/`, with a table in each.

    Each part has its images and one table that names them, such as Roboflow's `_classes.csv` with
    one-hot columns. One folder with its own `_classes.csv` is read as well.
    """

    name = "a folder with a table in each part"
    accepted_as = "a folder of train/, valid/ and test/ with a CSV of its images in each"
    ignored_options = ()

    def recognizes(self, path: Path) -> bool:
        """Return whether the training part, or the folder itself, has such a table."""
        if not path.is_dir():
            return False
        tables = _find_tables(path)
        return any(table.part in (TRAIN, UNASSIGNED) for table in tables)

    def list(self, path: Path, options: LoadOptions) -> MetadataFiles:
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
            names += [_relative(folder / image) for image in table.paths]
            labels += table.labels
            groups += table.groups or ()
            columns.update(dict.fromkeys(table.classes))

        for place, table in zip(places, tables, strict=True):
            table.require_classes(labels, place.name)
        say_absent_classes(str(path), tuple(columns), labels)
        codes, class_names = encode_labels(labels, str(path))
        parts = _parts_of_rows(places, tables)
        if parts is not None:
            require_training_classes(codes, parts, class_names, str(path))
        _say_parts_without_tables(path, places)
        return MetadataFiles(
            path,
            tuple(names),
            codes,
            class_names,
            options,
            parts,
            None if options.group_by is None else group_numbers(groups),
            tables=tuple(place.name for place in places),
        )


class _Place(NamedTuple):
    """A table, its name relative to the folder of the data, and its part."""

    path: Path
    name: str
    part: int


def _relative(path: Path) -> str:
    return os.path.normpath(path).replace(os.sep, "/")


def _parts_of_rows(
    places: Sequence[_Place], tables: Sequence[LabelledTable]
) -> NDArray[np.uint8] | None:
    """Return the part of each row: of its folder, or of a column where there is one table."""
    if len(places) == 1:
        return tables[0].parts if places[0].part == UNASSIGNED else None
    counts = [len(table.paths) for table in tables]
    return np.repeat(np.array([place.part for place in places], np.uint8), counts)


def _find_tables(folder: Path) -> list[_Place]:
    """Find the `_classes.csv` of a folder, or else the one table of each part."""
    own = folder / ONE_HOT_FILE
    if own.is_file() and not has_class_folders(folder):
        return [_Place(own, own.name, UNASSIGNED)]

    places = []
    for child in _part_folders(folder):
        table = _table_in(child)
        if table is not None:
            mention = part_of_name(child.name)
            code = TRAIN if mention is None else mention.part
            places.append(_Place(table, f"{child.name}/{table.name}", code))
    codes = {place.part for place in places}
    other = VALIDATION if TEST in codes else TEST
    return [place._replace(part=other) if place.part == EVALUATION else place for place in places]


def _part_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder whose names say nothing but a part."""
    mentions = {child: part_of_name(child.name) for child in folders_in(folder)}
    return [child for child, mention in mentions.items() if mention and not mention.rest]


def _table_in(folder: Path) -> Path | None:
    """Return the table that names the images in the same folder, or None if there is not one."""
    if has_class_folders(folder):
        return None
    paths = visible_paths(folder)
    named = [path for path in paths if path.name == ONE_HOT_FILE]
    tables = [path for path in paths if is_table(path) and not is_plain_text(path)]
    if named:
        return named[0]
    if len(tables) != 1 or not any(map(is_image, paths)):
        return None
    try:
        with open_table(tables[0]) as table:
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
                "Move one of the folders elsewhere, or write one table of all images with a column "
                "split.",
            )


def _say_parts_without_tables(root: Path, places: Sequence[_Place]) -> None:
    read = {place.path.parent for place in places}
    for folder in _part_folders(root):
        count = sum(map(is_image, visible_paths(folder)))
        if folder not in read and count:
            progress.say(
                f"{folder}: ignored {counted(count, 'image')}, which no table in the folder "
                "labels. To predict them, give the folder to headstart submit"
            )
