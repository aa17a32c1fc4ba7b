"""Labels, names and groups of the images in Parquet and Arrow files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._class_names import (
    encode_labels,
    quote_names,
    require_distinct_classes,
    require_training_classes,
)
from headstart.data._types import PART_NAMES, UNASSIGNED
from headstart.data.formats.arrays._labels import label_texts
from headstart.data.formats.parquet._columns import RowColumns
from headstart.data.formats.parquet._files import read_batches, translate_arrow_errors
from headstart.data.formats.tables._images import holds_image
from headstart.data.formats.tables._label_meaning import require_classes
from headstart.data.formats.tables._rows import group_numbers
from headstart.errors import InputError

_NO_LABEL = -1  # `datasets` writes it for images of a test part whose labels are not published


class RowFile(NamedTuple):
    """A file of rows.

    Attributes:
        name: Its path, relative to the folder that the user named.
        part: TRAIN, VALIDATION, TEST, or UNASSIGNED.
    """

    name: str
    part: int


@dataclass
class RowTable:
    """The columns of all files but the images, in the order of the rows.

    Attributes:
        labels: The label of each row, as the file has it. None if it is missing.
        paths: The path of each image, or None.
        groups: The group of each row, if there are groups.
        parts: The part of each row.
        places: File and number of each row within it, from 0.
    """

    labels: list[Any] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)


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


class LabelledRows(NamedTuple):
    """The rows that are used, with labels.

    Attributes:
        rows: Int64 indices of the N rows.
        labels: Int64 array of shape (N,).
        class_names: Names of the K classes.
        parts: Uint8 array of shape (N,), or None if there is one part.
        names: N names of images.
        groups: Int64 array of shape (N,), or None without groups.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: NDArray[np.uint8] | None
    names: tuple[str, ...]
    groups: NDArray[np.int64] | None


def label_rows(table: RowTable, class_names: Sequence[str] | None, source: str) -> LabelledRows:
    """Choose the labelled rows, and number their classes.

    Args:
        table: The rows.
        class_names: Names by number, if the labels are numbers of classes.
        source: Where the rows come from, for messages.

    Raises:
        InputError: A label is missing in a part that has others. Or a number has no name, training
            lacks a class, or the labels are measurements or of one class.
    """
    rows = _drop_unlabelled_parts(table, source, has_names=class_names is not None)
    chosen = [table.labels[row] for row in rows.tolist()]
    labels, names = number_labels(chosen, class_names, source)
    parts = np.array(table.parts, np.uint8)[rows]
    has_parts = len(np.unique(parts)) > 1
    if has_parts:
        require_training_classes(labels, parts, names, source)
    return LabelledRows(
        rows,
        labels,
        names,
        parts if has_parts else None,
        _name_images(table, rows),
        _group_rows(table, rows),
    )


def _drop_unlabelled_parts(table: RowTable, source: str, *, has_names: bool) -> NDArray[np.int64]:
    """Return the rows that are used: all but those of parts without a single label.

    The number -1 means a missing label where numbers have names, and in a part that holds nothing
    else. Beside other numbers it is a class, as in labels of -1 and 1.

    Args:
        table: The rows.
        source: Where they come from, for messages.
        has_names: Whether labels are numbers of classes that have names.

    Raises:
        InputError: A label is missing in a part that has others.
    """
    parts = np.array(table.parts, np.uint8)
    is_none = np.array([label is None for label in table.labels], bool)
    is_minus_one = np.array(
        [not isinstance(label, str) and label == _NO_LABEL for label in table.labels], bool
    )
    is_missing = is_none | is_minus_one
    if not has_names:
        for part in np.unique(parts).tolist():
            in_part = parts == part
            if not is_missing[in_part].all():
                is_missing[in_part] = is_none[in_part]
    used = np.ones(len(parts), bool)
    for part in np.unique(parts).tolist():
        in_part = parts == part
        if is_missing[in_part].all() and not is_missing.all():
            used &= ~in_part
            progress.say(
                f"{source}: ignored the {int(in_part.sum()):,} images of the "
                f"{PART_NAMES.get(part, 'undivided')} part, which has no labels"
            )
    missing = np.flatnonzero(is_missing & used)
    if len(missing):
        name, row = table.places[int(missing[0])]
        total = f" {len(missing):,} labels are missing in total." if len(missing) > 1 else ""
        raise InputError(
            f"row {row} of {name}: the label is missing.{total}", "Fill it in, or remove the row."
        )
    return np.flatnonzero(used)


def number_labels(
    labels: Sequence[Any], class_names: Sequence[str] | None, source: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes.

    Args:
        labels: N labels, none of them missing.
        class_names: Names by number, if the labels are numbers of classes.
        source: Where the labels come from, for messages.

    Returns:
        Int64 array of shape (N,), and the K names of the classes that have images.

    Raises:
        InputError: A number has no name, or the labels are measurements, lists, or of one class.
    """
    indices = np.asarray(labels)
    if class_names is None or indices.dtype.kind not in "iu":
        texts = label_texts(indices, len(labels), source)
        require_classes(texts, source, "label")
        return encode_labels(texts, source)

    used = np.unique(indices)
    if len(used) and (used[0] < 0 or used[-1] >= len(class_names)):
        wrong = used[0] if used[0] < 0 else used[-1]
        raise InputError(
            f"{source} has the label {wrong}, but names for 0 to {len(class_names) - 1}.",
            "Correct the labels, or the names of the classes.",
        )
    names = tuple(class_names[number] for number in used.tolist())
    unused = [name for number, name in enumerate(class_names) if number not in set(used.tolist())]
    if unused:
        progress.say(f"{source}: no images of {quote_names(unused)}, so these are not classes")
    require_distinct_classes(names, source)
    return np.searchsorted(used, indices).astype(np.int64), names


def _name_images(table: RowTable, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return names of images: their paths where these differ, or else part and number."""
    named = []
    for row in rows.tolist():
        path, part = table.paths[row], table.parts[row]
        if path and not PurePosixPath(path).is_absolute():
            named.append(path if part == UNASSIGNED else f"{PART_NAMES[part]}/{path}")
    if len(named) == len(rows) == len(set(named)):
        return tuple(named)

    counts: dict[int, int] = {}
    names = []
    for row in rows.tolist():
        part = table.parts[row]
        number = counts.get(part, 0)
        counts[part] = number + 1
        prefix = "" if part == UNASSIGNED else f"{PART_NAMES[part]}-"
        names.append(f"{prefix}{number:06d}")
    return tuple(names)


def _group_rows(table: RowTable, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the number of the group of each row, or None without groups."""
    if not table.groups:
        return None
    return group_numbers([table.groups[row] for row in rows.tolist()])


def plain_group(group: Any) -> str | None:
    """Return the name of a group, or None for the values that mean a missing one."""
    is_missing = group is None or (isinstance(group, float) and group != group)
    return None if is_missing else str(group).strip() or None


def plain_label(label: Any) -> Any:
    """Return a label, or None for the values that mean a missing one."""
    if label is None or (isinstance(label, str) and not label.strip()):
        return None
    if isinstance(label, float) and label != label:
        return None
    return label


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
            "Download the images first, and give their files.",
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
