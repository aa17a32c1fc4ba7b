"""Parquet and Arrow files of images and labels, alone, in folders, or saved by `datasets`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from headstart import progress, store
from headstart.data._class_names import quote_names
from headstart.data._types import TRAIN, UNASSIGNED
from headstart.data.formats._labelled_rows import label_rows
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.folders._file_tree import folders_in, is_image, visible_paths
from headstart.data.formats.folders._part_words import part_of_name, resolve_evaluation
from headstart.data.formats.images._encoded_images import EncodedImages
from headstart.data.formats.parquet._columns import RowColumns, choose_columns
from headstart.data.formats.parquet._files import is_row_file, read_schema
from headstart.data.formats.parquet._read_rows import (
    RowFile,
    read_images,
    read_table,
    referenced_files,
)
from headstart.errors import InputError

DEEPEST_FOLDER = 3  # data/train/0000.parquet of a hub's repository
MOST_IN_A_WRAPPER = 64  # files and folders; folders of images hold more, and are not searched
_STATE_FILE = "state.json"  # of a dataset that `datasets` saved
_PLAIN_FOLDERS = frozenset({"data", "default"})


class Parquet:
    """The format of a Parquet or Arrow file, or of a folder of them.

    Images are structs of bytes and path, as `datasets` writes them, or bytes, or paths. Labels are
    numbers, with their names in the metadata of `datasets`, or texts. The names of files and
    folders say the part: `train-00000-of-00002.parquet`, `test/0000.parquet`.
    """

    name = "a Parquet file"
    accepted_as = "a Parquet file or a folder of them (also a dataset saved by datasets)"
    ignored_options = ()

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a Parquet or Arrow file, or a folder of them."""
        if not path.is_dir():
            return is_row_file(path)
        return any(_row_files(path, 0)) and not _holds_images(path)

    def list(self, path: Path, options: LoadOptions) -> EncodedImages:
        """Read labels, names, parts and groups.

        Raises:
            InputError: A column or a label is missing, a file is damaged, a part is unclear, or
                there is only one class.
            ResourceError: PyArrow is not installed.
        """
        root = path if path.is_dir() else path.parent
        files = _find_files(path)
        columns = _common_columns(root, files, options, str(path))
        table = read_table(root, files, columns)
        if not table.labels:
            raise InputError(f"{path} has no rows.", "Download it again, or write it again.")
        rows, labels = label_rows(table, columns.class_names, str(path))
        used = np.zeros(len(table.labels), bool)
        used[rows] = True
        return EncodedImages(
            root=root,
            files=(*_listed_names(root, files), *referenced_files(root, table)),
            kind="parquet",
            labels=labels,
            options=options,
            contents=partial(_contents, root, files, columns, used),
        )


def _contents(
    root: Path, files: Sequence[RowFile], columns: RowColumns, used: Any
) -> Iterator[bytes | Path]:
    row = 0
    for file in files:
        for image in read_images(root, file, columns):
            if used[row]:
                yield image
            row += 1


def _find_files(path: Path) -> list[RowFile]:
    """List the files of one dataset with their parts, those of training first.

    Raises:
        InputError: The folder holds several datasets, or only some names tell a part.
    """
    if not path.is_dir():
        _say_other_shards(path)
        return [RowFile(path.name, UNASSIGNED)]

    names = [file.relative_to(path).as_posix() for file in _row_files(path, 0)]
    names = _without_leftovers(path, names)
    _require_one_dataset(path, names)
    parts = resolve_evaluation({name: _part_of_file(name) for name in names})
    known = {part for part in parts.values() if part is not None}
    if known and None in parts.values():
        unknown = [name for name, part in parts.items() if part is None]
        raise InputError(
            f"{path} has files of parts, and others whose part is unclear: {quote_names(unknown)}.",
            "Rename them after train, validation or test, or move them elsewhere.",
        )
    if TRAIN not in known or len(known) == 1:
        if known and TRAIN not in known:
            progress.say(
                f"{path} has no training part: its images are split again into training, "
                "validation and test"
            )
        return [RowFile(name, UNASSIGNED) for name in names]
    files = [RowFile(name, part or UNASSIGNED) for name, part in parts.items()]
    return sorted(files, key=lambda file: (file.part, file.name))


def _row_files(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the Parquet and Arrow files in a folder and in its folders, sorted by name."""
    paths = visible_paths(folder)
    for path in paths:
        if is_row_file(path) and path.is_file():
            yield path
    if depth == DEEPEST_FOLDER or len(paths) > MOST_IN_A_WRAPPER:
        return
    for child in paths:
        if child.is_dir():
            yield from _row_files(child, depth + 1)


def _holds_images(folder: Path) -> bool:
    """Return whether image files lie in a folder or in one of its folders."""
    for place in [folder, *folders_in(folder)]:
        if any(map(is_image, visible_paths(place)[:MOST_IN_A_WRAPPER])):
            return True
    return False


def _without_leftovers(path: Path, names: list[str]) -> list[str]:
    """Leave out files that `datasets` wrote beside those of a saved dataset, such as its cache."""
    kept = []
    for name in names:
        state = (path / name).parent / _STATE_FILE
        if state.is_file():
            entries = store.read_json_or(state, {}).get("_data_files")
            listed = entries if isinstance(entries, list) else []
            own = [entry.get("filename") for entry in listed if isinstance(entry, dict)]
            if PurePosixPath(name).name not in own:
                progress.say(f"{path}: ignored {name}, which is not part of the saved dataset")
                continue
        kept.append(name)
    return kept


def _require_one_dataset(path: Path, names: Sequence[str]) -> None:
    """Raise an error if files lie in folders that are not parts of one dataset."""
    folders: dict[str, int] = {}
    for name in names:
        words = [word for word in PurePosixPath(name).parent.parts if _is_telling(word)]
        folders["/".join(words)] = folders.get("/".join(words), 0) + 1
    if len(folders) > 1:
        listed = ", ".join(
            f"{folder or '.'} ({count})" for folder, count in sorted(folders.items())
        )
        first = next(folder for folder in sorted(folders) if folder)
        raise InputError(
            f"{path} holds several datasets in folders: expected one, got {listed}.",
            f"Pass the folder of one: {path / first}",
        )


def _is_telling(folder: str) -> bool:
    part = part_of_name(folder)
    return folder.lower() not in _PLAIN_FOLDERS and (part is None or part.rest != "")


def _part_of_file(name: str) -> int | None:
    """Return the part that the name of a file or of one of its folders tells, or None."""
    path = PurePosixPath(name)
    for word in (path.stem, *reversed(path.parent.parts)):
        part = part_of_name(word)
        if part is not None:
            return part.part
    return None


def _say_other_shards(path: Path) -> None:
    others = [
        other
        for other in visible_paths(path.parent)
        if other != path and other.suffix == path.suffix and _shard_set(other) == _shard_set(path)
    ]
    if others and "-of-" in path.stem:
        progress.say(
            f"{path.name} is one of {len(others) + 1} files of a dataset; for all of them, give "
            f"the folder: {path.parent}"
        )


def _shard_set(path: Path) -> str:
    """Return the name of a file without its number: train-of-00002 for train-00000-of-00002."""
    return "-".join(word for number, word in enumerate(path.stem.split("-")) if number != 1)


def _common_columns(
    root: Path, files: Sequence[RowFile], options: LoadOptions, source: str
) -> RowColumns:
    """Choose the columns, which have to be the same in all files."""
    chosen = [choose_columns(read_schema(root / file.name), options, source) for file in files]
    for file, columns in zip(files, chosen, strict=True):
        if columns != chosen[0]:
            raise InputError(
                f"{file.name} and {files[0].name} have different columns, or different names of "
                "classes.",
                "Pass the folder or the file of one dataset.",
            )
    return chosen[0]


def _listed_names(root: Path, files: Sequence[RowFile]) -> tuple[str, ...]:
    """Return the names of all files that determine what is read."""
    names = [file.name for file in files]
    states = {str(PurePosixPath(name).parent / _STATE_FILE) for name in names}
    return (*names, *sorted(state for state in states if (root / state).is_file()))
