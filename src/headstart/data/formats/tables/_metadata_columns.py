"""Columns of a table of image files that training does not use, such as camera or season."""

from __future__ import annotations

from pathlib import Path

from headstart import progress
from headstart.data._types import Dataset
from headstart.data.formats.tables._columns import PATH_NAMES, find_columns
from headstart.data.formats.tables._csv_table import is_table, open_table
from headstart.data.formats.tables._images import ImageFinder, find_images
from headstart.data.formats.tables._layout import find_path_column, peek_row
from headstart.data.formats.tables._path_csv import lists_paths
from headstart.data.formats.tables._rows import read_rows
from headstart.errors import InputError

_MOST_COLUMNS = 50  # of a table; in wider ones, such as tables of measurements, none is read


def read_metadata_columns(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Read the columns of a dataset's table of image files, but not the column of paths.

    Args:
        dataset: The dataset.

    Returns:
        N texts by the name of the column, one per image and empty where its row is missing. Empty
        for other kinds of data, and for a table that no longer has its form.
    """
    path = Path(dataset.source)
    if not dataset.source or not is_table(path) or not path.is_file():
        return {}
    try:
        with progress.muted(), open_table(path) as opened:
            table, first_row = peek_row(opened)
            if first_row is None or not lists_paths(table, first_row):
                return {}
            finder = ImageFinder(path)
            named = dataset.options.get("path_column")
            column = find_path_column(
                table, first_row, finder, None if named is None else str(named)
            )
            paths_and_names = {column, *find_columns(table, PATH_NAMES)}
            others = [index for index in range(len(table.columns)) if index not in paths_and_names]
            if len(others) > _MOST_COLUMNS:
                return {}
            rows = read_rows(table, [column, *others])
            paths = find_images(finder, rows.fields[column], rows.lines, table.problems)
    except InputError:
        return {}

    row_of: dict[str, int] = {}
    for row, image in enumerate(paths):
        row_of.setdefault(image, row)
    places = [row_of.get(name) for name in dataset.image_names]
    columns = {}
    for index in others:
        fields = rows.fields[index]
        texts = tuple("" if place is None else fields[place] for place in places)
        columns[table.columns[index]] = texts
    return columns
