"""Tables for another task than classification: boxes, masks."""

from __future__ import annotations

import re
import shlex

from headstart import progress
from headstart.data.formats.tables._columns import (
    LABEL_NAMES,
    OTHER_LABEL_NAMES,
    find_columns,
    plain_name,
)
from headstart.data.formats.tables._csv_table import Table, shorten_columns
from headstart.errors import InputError

# Plain names of columns. All of a set must be there, with or without a word such as "bbox" before.
_CORNERS = (
    {"xmin", "ymin", "xmax", "ymax"},
    {"minx", "miny", "maxx", "maxy"},
    {"x1", "y1", "x2", "y2"},
    {"x0", "y0", "x1", "y1"},
    {"left", "top", "right", "bottom"},
    {"left", "top", "width", "height"},
    {"x", "y", "w", "h"},
    {"x", "y", "width", "height"},
    {"cx", "cy", "w", "h"},
    {"xcenter", "ycenter", "width", "height"},
    {"xcenter", "ycenter", "w", "h"},
)
_BOX_CELLS = {
    *("bbox", "bboxes", "box", "boxes", "boundingbox", "boundingboxes", "predictionstring"),
    "regionshapeattributes",  # of the VGG Image Annotator
}
_MASK_CELLS = {
    *("encodedpixels", "encodedmask", "rle", "rlemask", "maskrle", "segmentation", "mask"),
    *("masks", "maskpath", "polygon", "polygons"),
}
_BOX_WORD = re.compile(r"^(bbox|bndbox|box|roi|boundingbox)(?=.)")


def refuse_other_tasks(table: Table, label_column: str | None) -> None:
    """Raise an error if the columns of a table are those of boxes or masks.

    A user who names the label column has one label for each image, so the boxes are only ignored.
    Files that repeat with different labels are refused all the same.

    Args:
        table: The open table.
        label_column: The column of labels that the user named, or None.

    Raises:
        InputError: The table is one of another task.
    """
    names = {_BOX_WORD.sub("", plain_name(column)): column for column in table.columns}
    boxes = [column for column in table.columns if plain_name(column) in _BOX_CELLS]
    for corners in _CORNERS:
        if corners <= names.keys():
            boxes += [names[name] for name in names if name in corners]
    masks = [column for column in table.columns if plain_name(column) in _MASK_CELLS]
    if not boxes and not masks:
        return

    columns = shorten_columns(list(dict.fromkeys(boxes or masks)))
    what, task = ("boxes", "detection") if boxes else ("masks", "segmentation")
    if label_column is not None:
        progress.say(f"{table.name}: ignored the {what} ({columns}): whole images are classified")
        return
    usual = find_columns(table, (*LABEL_NAMES, *OTHER_LABEL_NAMES))
    label = shlex.quote(table.columns[usual[0]]) if usual else "NAME"
    raise InputError(
        f"{table.name} has {what} ({columns}); {task} is not supported.",
        "Whole images are classified. If each image has one label, name its column: "
        f"--label-column {label}",
    )
