"""A CSV whose rows name image files and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headstart.data._class_names import encode_labels, require_training_classes
from headstart.data.formats._csv_table import (
    PATH_COLUMNS,
    Table,
    group_numbers,
    is_csv,
    open_table,
    shorten_columns,
)
from headstart.data.formats._image_files import ImageFiles
from headstart.data.formats._part_words import PART_OF_WORD
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError, suggest_name

PART_COLUMNS = ("split",)


class PathCsv:
    """The format of a CSV of image paths, relative to its own folder, and labels.

    The column of paths is called path, image, filename, file, image_path or id. The column of
    labels is called label, class, target or y. A column split holds train, validation or test.
    Other columns are ignored.
    """

    name = "a CSV of image files"
    accepted_as = "a CSV of path,label"
    ignored_options = ("pixel_max",)

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a CSV that lists image files."""
        if not is_csv(path):
            return False
        with open_table(path) as table:
            return lists_paths(table)

    def list(self, path: Path, options: LoadOptions) -> ImageFiles:
        """Read the paths, labels, parts and groups.

        Raises:
            InputError: An image does not exist, a field is empty, or a split is unknown, each with
                its line. Or there is only one class.
        """
        with open_table(path) as table:
            image = _path_column(table)
            label = table.label_column()
            part = table.find(PART_COLUMNS)
            group = None
            if options.group_by is not None:
                group = table.column(options.group_by, "group_by")
            lines, rows = _read_columns(table, image, label, part, group)

        names = tuple(row[image] for row in rows)
        _require_files(path, names, lines)
        labels, class_names = encode_labels([row[label] for row in rows], path.name)
        groups = None if group is None else group_numbers([row[group] for row in rows])

        parts = None
        if part is not None:
            words = [row[part] for row in rows]
            codes = [_part_code(path, *item) for item in zip(lines, words, strict=True)]
            parts = np.array(codes, np.uint8)
            require_training_classes(labels, parts, class_names, path.name)

        return ImageFiles(
            path.parent, names, labels, class_names, options, parts, groups, table=path.name
        )


def list_unlabelled(path: Path) -> tuple[list[Path], list[str]] | None:
    """List the image files of a CSV without labels.

    Returns:
        The paths of the files, and the texts of the column of paths. None if the CSV holds pixels.

    Raises:
        InputError: An image does not exist, with its line. Or the CSV has no rows.
    """
    with open_table(path) as table:
        if not lists_paths(table):
            return None
        column = _path_column(table)
        rows = [(line, fields[column].strip()) for line, fields in table.rows]
    if not rows:
        raise InputError(
            f"{path.name} has a header but no rows.", "Add one line per image below it."
        )

    names = [name for _, name in rows]
    _require_files(path, names, [line for line, _ in rows])
    return [path.parent / name for name in names], names


def lists_paths(table: Table) -> bool:
    """Return whether a table lists image files.

    A table of pixels may have a column such as id as well. It has many more columns that end in a
    digit.
    """
    pixel_columns = sum(column[-1:].isdigit() for column in table.columns)
    return table.find(PATH_COLUMNS) is not None and pixel_columns < len(table.columns) / 2


def _read_columns(
    table: Table, *columns: int | None
) -> tuple[list[int], list[dict[int | None, str]]]:
    """Read the line number and the fields of these columns of each row."""
    used = [column for column in columns if column is not None]
    lines: list[int] = []
    rows: list[dict[int | None, str]] = []
    for line, fields in table.rows:
        row: dict[int | None, str] = {}
        for column in used:
            row[column] = fields[column].strip()
            if not row[column]:
                raise InputError(
                    f"line {line} of {table.name}: {table.columns[column]} is empty.",
                    "Fill it in, or remove the row.",
                )
        lines.append(line)
        rows.append(row)
    return lines, rows


def _path_column(table: Table) -> int:
    index = table.find(PATH_COLUMNS)
    if index is None:
        raise InputError(
            f"{table.name} has no column of paths; it has {shorten_columns(table.columns)}.",
            f"Name it one of: {', '.join(PATH_COLUMNS)}.",
        )
    return index


def _require_files(path: Path, names: Sequence[str], lines: Sequence[int]) -> None:
    missing = [
        (line, name)
        for line, name in zip(lines, names, strict=True)
        if not (path.parent / name).is_file()
    ]
    if not missing:
        return

    line, name = missing[0]
    image = path.parent / name
    if "://" in name:
        raise InputError(
            f"line {line} of {path.name}: {name} is a URL, and URLs are not downloaded.",
            "Download the images first, and name their files.",
        )
    if image.is_dir():
        raise InputError(
            f"line {line} of {path.name}: expected an image file, but {image} is a folder.",
            "Write one line per image. Or give the folder of the class folders instead of the CSV.",
        )
    total = f" {len(missing):,} files are missing in total." if len(missing) > 1 else ""
    raise InputError(
        f"line {line} of {path.name}: {image} does not exist.{total}",
        f"Paths are relative to the folder of the CSV, {path.parent}.",
    )


def _part_code(path: Path, line: int, word: str) -> int:
    if word.lower() not in PART_OF_WORD:
        raise InputError(
            f"line {line} of {path.name}: invalid split '{word}': expected train, validation or "
            "test.",
            suggest_name(word.lower(), tuple(PART_OF_WORD)),
        )
    return PART_OF_WORD[word.lower()]
