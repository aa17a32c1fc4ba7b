"""A folder of images with `metadata.csv` or `metadata.jsonl`, as Hugging Face's `imagefolder`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data._class_names import encode_labels, require_training_classes
from headstart.data._types import PART_NAMES, TEST, UNASSIGNED, OptionValues
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.folders._file_tree import folders_in, is_image, visible_paths
from headstart.data.formats.folders._part_words import EVALUATION, part_of_name
from headstart.data.formats.images._image_files import ImageFiles
from headstart.data.formats.tables._csv_table import open_table
from headstart.data.formats.tables._parts import is_part_word, may_name_parts, parts_of_columns
from headstart.data.formats.tables._problems import TableProblems
from headstart.data.formats.tables._repeated_paths import ImageRow, first_rows_of_images
from headstart.data.formats.tables._rows import group_numbers
from headstart.errors import InputError

Fields = dict[str, Any]  # one row by column; values of JSON or texts

CSV_FILE, JSON_LINES_FILE = "metadata.csv", "metadata.jsonl"
_LARGEST_BYTES = 1 << 30
FILE_COLUMN = "file_name"
LABEL_COLUMNS = ("label", "labels", "class", "category", "target", "y")


class MetadataFolder:
    """The format of a folder whose `metadata.csv` or `metadata.jsonl` has file_name and label.

    The file lies in the folder, or in each of its folders of parts, such as `train/`. One file for
    all parts may have a field such as split that names them.
    """

    name = "a folder with metadata.csv or metadata.jsonl"
    accepted_as = "a folder of images with metadata.csv (file_name,label) or metadata.jsonl"
    ignored_options = ("path_column",)

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is such a folder. Class folders beside the file go before it."""
        if not path.is_dir():
            return False
        tables = _find_tables(path)
        if any(has_class_folders(table.path.parent) for table in tables):
            return False
        return any(_names_files_and_labels(table.path) for table in tables)

    def list(self, path: Path, options: LoadOptions) -> ImageFiles:
        """Read names and labels.

        Raises:
            InputError: An image does not exist, a field is missing, or there is only one class.
        """
        tables = _find_tables(path)
        images: list[ImageRow] = []
        parts: list[int] = []
        for table in tables:
            rows = _labelled_rows(path, table, options)
            images += [row.image for row in rows]
            parts += [row.part for row in rows]
        labels, class_names = encode_labels([image.label for image in images], str(path))
        codes = np.array(parts, np.uint8)
        has_parts = len(np.unique(codes)) > 1
        if has_parts:
            require_training_classes(labels, codes, class_names, str(path))
        groups = None
        if options.group_by is not None:
            groups = group_numbers([str(image.group) for image in images])
        return MetadataFiles(
            path,
            tuple(image.path for image in images),
            labels,
            class_names,
            options,
            codes if has_parts else None,
            groups,
            tables=tuple(table.path.relative_to(path).as_posix() for table in tables),
        )


@dataclass(frozen=True)
class MetadataFiles(ImageFiles):
    """Image files that several tables list.

    Attributes:
        tables: Names of the tables.
    """

    tables: tuple[str, ...] = ()

    @property
    def files(self) -> Sequence[str]:
        """The tables, and the image files."""
        return [*self.tables, *self.names]

    @property
    def key_options(self) -> OptionValues:
        """The options that determine pixels and labels."""
        return {**super().key_options, "label_column": self.options.label_column}


class _Table(NamedTuple):
    path: Path
    part: int


class _LabelledRow(NamedTuple):
    image: ImageRow
    part: int


def _find_tables(folder: Path) -> list[_Table]:
    """Find the metadata file of a folder, or else those of its folders of parts."""
    for name in (CSV_FILE, JSON_LINES_FILE):
        if (folder / name).is_file():
            return [_Table(folder / name, UNASSIGNED)]

    tables = []
    for child in folders_in(folder):
        part = part_of_name(child.name)
        if part is None:
            continue
        code = TEST if part.part == EVALUATION else part.part
        tables += [_Table(table.path, code) for table in _find_tables(child)]
    return tables


def has_class_folders(folder: Path) -> bool:
    """Return whether several folders in a folder have images."""
    with_images = [
        child for child in folders_in(folder) if any(map(is_image, visible_paths(child)))
    ]
    return len(with_images) > 1


def _names_files_and_labels(path: Path) -> bool:
    """Return whether the first row of a metadata file has a file name and a label."""
    for _, fields in _read_rows(path):
        return FILE_COLUMN in fields and any(column in fields for column in LABEL_COLUMNS)
    return False


def _read_rows(path: Path) -> Iterator[tuple[int, Fields]]:
    """Yield the line number and the fields of each row."""
    if path.name == CSV_FILE:
        with open_table(path) as table:
            for line, fields in table.rows:
                yield line, dict(zip(table.columns, fields, strict=True))
        return
    with translate_read_errors(path):
        try:
            lines = store.read_file(path, _LARGEST_BYTES).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path} is not UTF-8 text: {error.reason} at byte {error.start:,}.",
                "Save it as UTF-8.",
            ) from error
        for line, text in enumerate(lines, 1):
            if not text.strip():
                continue
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"line {line} of {path} is not JSON: {error}.", "Correct or remove the line."
                ) from error
            if not isinstance(fields, dict):
                raise InputError(
                    f"line {line} of {path}: expected an object with file_name and label.",
                    "Correct or remove the line.",
                )
            yield line, fields


def _labelled_rows(root: Path, table: _Table, options: LoadOptions) -> list[_LabelledRow]:
    """Read the rows of one metadata file. Rows that repeat an image are read once."""
    lines: list[int] = []
    rows: list[Fields] = []
    images: list[ImageRow] = []
    for line, fields in _read_rows(table.path):
        lines.append(line)
        rows.append(fields)
        images.append(_labelled(root, table, line, fields, options))

    name = table.path.relative_to(root).as_posix()
    problems = TableProblems(name)
    codes = None
    if table.part == UNASSIGNED:
        codes = _named_parts(name, lines, rows, problems, options.label_column)
    if codes is None:
        codes = np.full(len(rows), table.part, np.uint8)
    images = [
        image._replace(part=PART_NAMES.get(code))
        for image, code in zip(images, codes.tolist(), strict=True)
    ]
    kept = first_rows_of_images(name, lines, images, problems)
    problems.require_none()
    return [_LabelledRow(images[row], int(codes[row])) for row in kept]


def _named_parts(
    name: str,
    lines: Sequence[int],
    rows: Sequence[Fields],
    problems: TableProblems,
    label_column: str | None,
) -> NDArray[np.uint8] | None:
    """Return the parts that a field such as split names in every row, or None."""
    first_row = rows[0] if rows else {}
    texts: dict[str, list[str]] = {}
    for column, value in first_row.items():
        if column in (FILE_COLUMN, label_column) or column in LABEL_COLUMNS:
            continue
        if may_name_parts(column) or is_part_word(str(value)):
            texts[column] = [str(fields.get(column, "")).strip() for fields in rows]
    return parts_of_columns(name, texts, lines, problems)


def _labelled(
    root: Path, table: _Table, line: int, fields: Fields, options: LoadOptions
) -> ImageRow:
    place = f"line {line} of {table.path.relative_to(root)}"
    columns = LABEL_COLUMNS if options.label_column is None else (options.label_column,)
    label = next((fields[column] for column in columns if column in fields), None)
    if isinstance(label, (list, dict)):
        raise InputError(
            f"{place}: multi-label is not supported: the label is a list or an object.",
            "Give one class per image.",
        )
    required = {FILE_COLUMN: fields.get(FILE_COLUMN), columns[0]: label}
    if options.group_by is not None:
        required[options.group_by] = fields.get(options.group_by)
    for column, value in required.items():
        if value is None or not str(value).strip():
            raise InputError(f"{place}: {column} is empty.", "Fill it in, or remove the row.")

    file = table.path.parent / str(fields[FILE_COLUMN])
    if not file.is_file():
        raise InputError(
            f"{place}: {file} does not exist.",
            f"Names are relative to the folder of the file, {table.path.parent}.",
        )
    relative = os.path.relpath(file, root).replace(os.sep, "/")
    group = None if options.group_by is None else str(fields[options.group_by]).strip()
    return ImageRow(relative, str(label).strip(), group=group)
