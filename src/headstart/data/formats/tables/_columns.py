"""The columns of a table: which one holds paths, labels, parts, groups or nothing of interest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from headstart.data.formats.tables._csv_table import Table, shorten_columns
from headstart.errors import InputError

# Names are compared in lower case and without blanks, underscores, hyphens and full stops.
# The first six are those of version 0.1, in its order. Several are tried against the disk.
PATH_NAMES = (
    *("path", "image", "filename", "file", "imagepath", "id"),
    *("filepath", "imagefile", "imagefilename", "imagename", "img", "imgpath", "imgname"),
    *("imgfile", "fname", "fpath", "images", "filenames", "files", "paths", "photo", "picture"),
    *("imageid", "imgid", "imageindex", "photoid", "pictureid", "fileid", "idcode", "uuid", "guid"),
)
ID_NAMES = ("id", "imageid")  # of images whose pixels are in the row
LABEL_NAMES = ("label", "class", "target", "y")
OTHER_LABEL_NAMES = (
    *("labels", "labelname", "labelid", "classname", "classid", "classes", "category"),
    *("categories", "categoryname", "categoryid", "breed", "species", "diagnosis", "dx"),
    *(
        "disease",
        "finding",
        "findinglabels",
        "emotion",
        "variety",
        "digit",
        "letter",
        "character",
        "choice",
    ),
    *("groundtruth", "gt", "truth", "annotation"),
)
PART_NAMES = ("split", "subset", "set", "usage", "partition", "part", "phase")
FOLD_NAMES = ("fold", "folds", "kfold", "cvfold", "foldid")
PIXEL_CELL_NAMES = ("pixels", "pixelvalues")
TRUTHS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "y", "t"), True),
    **dict.fromkeys(("false", "0", "0.0", "no", "n", "f"), False),
}

_INDEX_NAME = re.compile(r"(unnamed:? ?\d*(\.\d+|_level_\d+)?|index|level_\d+|row|rowid|rownum|#)$")
_CLASS_NAME = re.compile(r"names?$")
_CLASS_NUMBER = re.compile(r"(.+?)(?:ids?|idx|index|code|number|num|no)")
_URL_NAMES = frozenset({"url", "uri", "imageurl", "imgurl", "link", "href", "license", "licence"})


def plain_name(column: str) -> str:
    """Return a column's name in lower case, without blanks, underscores, hyphens or full stops."""
    return re.sub(r"[\s_\-.]+", "", column.lower())


def find_column(
    table: Table, names: Iterable[str], left_out: Iterable[int | None] = ()
) -> int | None:
    """Return the index of the column with the first of these plain names that exists, or None.

    Args:
        table: The open table.
        names: Plain names, in the order of preference.
        left_out: Indices of columns that do not count.
    """
    indices = [index for index in find_columns(table, names) if index not in set(left_out)]
    return indices[0] if indices else None


def find_columns(table: Table, names: Iterable[str]) -> list[int]:
    """Return the indices of all columns with one of these plain names, in the order of `names`."""
    plain = [plain_name(column) for column in table.columns]
    return [plain.index(name) for name in names if name in plain]


def index_columns(table: Table) -> list[int]:
    """Return the columns that only number the rows, as pandas writes them."""
    return [
        index
        for index, column in enumerate(table.columns)
        if _INDEX_NAME.match(column.strip().lower()) or (not column and index == 0)
    ]


def remaining_columns(table: Table, known: Iterable[int | None]) -> list[int]:
    """Return the columns that may hold labels: neither known, nor an index, nor links."""
    left_out = {*known, *index_columns(table)}
    return [
        index
        for index, column in enumerate(table.columns)
        if index not in left_out and plain_name(column) not in _URL_NAMES
    ]


def named_label_columns(table: Table, candidates: Sequence[int]) -> list[int]:
    """Return the candidates whose names are usual for labels, though not one of the first four."""
    return [index for index in candidates if plain_name(table.columns[index]) in OTHER_LABEL_NAMES]


def number_column(table: Table, label: int) -> int | None:
    """Return the column that numbers the names in the column of labels, by its name, or None.

    Such columns are class_id beside class_name, or species_code beside species.
    """
    stem = _CLASS_NAME.sub("", plain_name(table.columns[label]))
    for index, column in enumerate(table.columns):
        match = _CLASS_NUMBER.fullmatch(plain_name(column))
        if match and match[1] == stem and index != label:
            return index
    return None


def no_label_column(table: Table, candidates: Sequence[int]) -> InputError:
    """Return the error about a table in which no column, or more than one, may hold the labels."""
    if not candidates:
        hint = (
            f"Name the column of labels one of: {', '.join(LABEL_NAMES)}. "
            "A file without labels, such as a competition's test file, cannot be trained on."
        )
        if len(table.columns) == 1 and " " in table.columns[0]:
            hint = "Separate the fields by commas, and name them in line 1, for example: path,label"
        return InputError(
            f"{table.name} has no label column; it has {shorten_columns(table.columns)}.", hint
        )
    names = [table.columns[index] for index in candidates]
    return InputError(
        f"{table.name} has no label column, but {len(names):,} columns that may hold labels: "
        f"{shorten_columns(names)}.",
        f"Name the column of labels, for example: --label-column {shlex.quote(names[0])}",
    )


def pairs_of_images(table: Table, columns: Sequence[str]) -> InputError:
    """Return the error about a table with several columns of images of equal rank."""
    return InputError(
        f"{table.name} has {len(columns)} columns of images ({shorten_columns(columns)}); pairs of "
        "images are not supported.",
        "One image per row is classified. To classify those of one column, name it: "
        f"--path-column {shlex.quote(columns[0])}",
    )


def quoted(table: Table, index: int) -> str:
    """Return a column's name in quotation marks, or its number if it has no name."""
    name = table.columns[index]
    return f"'{name}'" if name else f"{index + 1} (without a name)"
