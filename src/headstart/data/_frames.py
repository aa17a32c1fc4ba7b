"""Data frames of pandas: tables in memory, which are written as CSV files into the cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from headstart import store
from headstart.data._fingerprints import content_key
from headstart.data._types import PART_NAMES
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.folders._part_words import part_of_name, resolve_evaluation
from headstart.data.formats.tables._csv_table import Table
from headstart.data.formats.tables._images import ImageFinder
from headstart.data.formats.tables._layout import find_path_column
from headstart.data.formats.tables._path_csv import lists_paths
from headstart.data.formats.tables._problems import TableProblems
from headstart.errors import InputError

_FILE = "frame.csv"
_PART_COLUMN = "split"


class DataFrame(Protocol):
    """A data frame of pandas: one row per image, with paths and labels or pixels and labels."""

    columns: Any

    def to_csv(self, path: None = None, /, *, index: bool) -> str: ...


def is_frame(source: object) -> TypeGuard[DataFrame]:
    """Return whether an object is a data frame of pandas."""
    return all(hasattr(source, name) for name in ("columns", "to_csv", "reset_index", "iloc"))


def is_frame_of_parts(source: object) -> TypeGuard[Mapping[str, DataFrame]]:
    """Return whether an object is a mapping of parts to data frames."""
    return isinstance(source, Mapping) and bool(source) and all(map(is_frame, source.values()))


def rows_with_images(source: DataFrame | Mapping[str, DataFrame]) -> Any:
    """Return the rows of a frame whose cells hold images, as a dataset of mappings.

    Returns:
        A list of mappings, or a mapping of parts to such lists. None if no cell of the first row
        holds an image: an array, a Pillow image, or the bytes of a file.
    """
    if not is_frame(source):
        rows = {part: rows_with_images(frame) for part, frame in source.items()}  # type: ignore[union-attr]
        return rows if all(value is not None for value in rows.values()) else None
    frame: Any = source
    if not len(frame) or not any(map(_is_image, frame.iloc[0])):
        return None
    return frame.to_dict("records")


def _is_image(value: object) -> bool:
    is_array = len(getattr(value, "shape", ())) > 1
    return is_array or isinstance(value, bytes | Mapping) or hasattr(value, "getbands")


def write_frame(source: DataFrame | Mapping[str, DataFrame], options: LoadOptions) -> Path:
    """Write a data frame as a table into the cache, unless it is there.

    Paths in the frame are relative to the current folder. They are absolute in the table. An index
    with a name is a column.

    Args:
        source: The frame, or frames by the name of their part.
        options: The options of `load`, of which `path_column` is used.

    Returns:
        The table.

    Raises:
        InputError: The columns have several levels, or a name of the mapping is not that of a part.
    """
    frame: Any = source if is_frame(source) else _join_parts(source)  # type: ignore[arg-type]
    if getattr(frame.columns, "nlevels", 1) > 1:
        raise InputError(
            "invalid columns of the data frame: expected one level of names, got "
            f"{frame.columns.nlevels}.",
            "Join their names: frame.columns = ['_'.join(map(str, names)) for names in "
            "frame.columns].",
        )
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = _with_absolute_paths(frame, options)
    content = frame.to_csv(index=False).encode()
    table = store.cache_folder() / "tables" / content_key("frame", content) / _FILE
    if not table.exists():
        store.ensure_folder(table.parent)
        store.write_bytes(table, content)
    return table


@contextmanager
def name_frame_in_errors(table: Path) -> Iterator[None]:
    """Add to the hints of errors in the block where the table of a data frame is."""
    try:
        yield
    except InputError as error:
        folder = f"the folder of the table, {table.parent}"
        hint = error.hint.replace(folder, f"the current folder, {Path.cwd()}")
        hint = f"{hint} The data frame is written as {table}."
        raise type(error)(error.message, hint) from error


def _join_parts(frames: Mapping[str, Any]) -> Any:
    """Return the rows of all parts, with a column of the names of their parts."""
    part_of: dict[str, int] = {}
    for name in frames:
        mention = part_of_name(str(name))
        if mention is None:
            raise InputError(
                f"invalid part '{name}' of the data: expected train, validation or test.",
                "Pass a mapping such as {'train': train_frame, 'test': test_frame}.",
            )
        part_of[name] = mention.part
    part_of = resolve_evaluation(part_of)
    parts = [
        frame.assign(**{_PART_COLUMN: PART_NAMES[part_of[name]]}) for name, frame in frames.items()
    ]
    return sys.modules["pandas"].concat(parts, ignore_index=True)


def _with_absolute_paths(frame: Any, options: LoadOptions) -> Any:
    """Return a frame whose column of paths, if it has one, holds absolute paths."""
    if not len(frame):
        return frame
    columns = tuple(map(str, frame.columns))
    first_row = [str(value) for value in frame.iloc[0]]
    table = Table(_FILE, columns, iter([(2, first_row)]), TableProblems(_FILE))
    if options.path_column is None and not lists_paths(table, first_row):
        return frame

    finder = ImageFinder(Path.cwd() / _FILE)
    column = find_path_column(table, first_row, finder, options.path_column)
    paths = [_absolute_path(value, finder) for value in frame.iloc[:, column]]
    frame = frame.copy(deep=False)
    frame.isetitem(column, paths)
    return frame


def _absolute_path(value: object, finder: ImageFinder) -> object:
    """Return the absolute path of an image. Missing values and URLs are returned as they are."""
    name = str(value).strip()
    if value is None or value != value or not name or "://" in name:
        return value

    path = finder.table.parent / name
    with suppress(OSError):  # The name is too long, for example.
        if path.is_file():
            return str(path)
        match = finder.find(name)
        if len(match.files) == 1:
            return str(match.files[0])
    return str(path)
