"""The rows of Parquet and Arrow files: labels, groups and paths first, and then the images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from headstart.data.formats._labelled_rows import RowTable, plain_group, plain_label
from headstart.data.formats.parquet._columns import RowColumns
from headstart.data.formats.parquet._files import read_batches, translate_arrow_errors
from headstart.data.formats.tables._images import holds_image
from headstart.errors import InputError


class RowFile(NamedTuple):
    """A file of rows.

    Attributes:
        name: Its path, relative to the folder that the user named.
        part: TRAIN, VALIDATION, TEST, or UNASSIGNED.
    """

    name: str
    part: int


def read_table(root: Path, files: Sequence[RowFile], columns: RowColumns) -> RowTable:
    """Read all columns but the content of the images."""
    column_names = [columns.label]
    if columns.image_has_path:
        column_names.append(f"{columns.image}.path")
    elif not columns.image_has_bytes:
        column_names.append(columns.image)
    if columns.group is not None and columns.group not in column_names:
        column_names.append(columns.group)

    table = RowTable()
    for file in files:
        with translate_arrow_errors(root / file.name):
            _add_rows(table, root, file, columns, column_names)
    return table


def _add_rows(
    table: RowTable, root: Path, file: RowFile, columns: RowColumns, column_names: list[str]
) -> None:
    row = 0
    for batch in read_batches(root / file.name, column_names):
        table.labels += [plain_label(label) for label in _values(batch, columns.label)]
        table.paths += _paths(batch, columns)
        if columns.group is not None:
            groups = [plain_group(group) for group in _values(batch, columns.group)]
            if None in groups:
                raise InputError(
                    f"row {row + groups.index(None) + 1:,} of {file.name}: "
                    f"{columns.group} is empty.",
                    "Fill it in, or leave out --group-by.",
                )
            table.groups += [str(group) for group in groups]
        table.parts += [file.part] * batch.num_rows
        table.places += [(file.name, row + number) for number in range(batch.num_rows)]
        row += batch.num_rows


def read_images(root: Path, file: RowFile, columns: RowColumns) -> Iterator[bytes | Path]:
    """Yield the image of each row: its encoded bytes, or the path of its file.

    Raises:
        InputError: A row has neither.
    """
    folder = (root / file.name).parent
    row = 0
    path = root / file.name
    for batch in read_batches(path, [columns.image]):
        with translate_arrow_errors(path):
            values = _values(batch, columns.image)
        for value in values:
            yield _image_of(value, folder, f"row {row} of {file.name}")
            row += 1


def referenced_files(root: Path, table: RowTable) -> list[str]:
    """Return the image files that rows name, relative to `root`, so that a change is noticed."""
    files = set()
    for path, (file_name, _) in zip(table.paths, table.places, strict=True):
        if path is not None and ((root / file_name).parent / path).is_file():
            files.add(os.path.relpath((root / file_name).parent / path, root).replace(os.sep, "/"))
    return sorted(files)


def _paths(batch: Any, columns: RowColumns) -> list[str | None]:
    if columns.image_has_path:
        return [value["path"] for value in _values(batch, columns.image, "path")]
    if columns.image_has_bytes:
        return [None] * batch.num_rows
    return [None if value is None else str(value) for value in _values(batch, columns.image)]


def _values(batch: Any, column: str, only: str | None = None) -> list[Any]:
    """Return the values of a column of a batch. Of structs, one field may be enough."""
    array = batch.column(batch.schema.get_field_index(column))
    if only is None:
        return list(array.to_pylist())
    return [{only: value} for value in array.field(only).to_pylist()]


def _image_of(value: Any, folder: Path, place: str) -> bytes | Path:
    content, path = value, None
    if isinstance(value, dict):
        content, path = value.get("bytes"), value.get("path")
    if isinstance(content, str):
        content, path = None, content
    if isinstance(content, bytes):
        return content
    if not path:
        return b""
    if "://" in path:
        raise InputError(
            f"{place}: {path} is a URL, and URLs are not downloaded.",
            "Download the images first, and pass their files.",
        )
    if holds_image(path):
        raise InputError(
            f"{place}: expected the bytes or the path of an image, got text in base64.",
            "Decode it first, in Python: base64.b64decode(text).",
        )
    file = folder / str(path)
    if not file.is_file():
        raise InputError(f"{place}: {file} does not exist.", f"Paths are relative to {folder}.")
    return file
