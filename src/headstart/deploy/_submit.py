"""A competition's submission: predictions for its test table, in the columns that it wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data import list_unlabelled, open_table, read_unlabelled_csv, resize_pixels
from headstart.deploy._model import Model, Predictions
from headstart.deploy._predict import predict, predict_pixels
from headstart.deploy._spreadsheet_cells import write_cells
from headstart.errors import InputError

KAGGLE_COLUMNS = ("ImageId", "Label")


@dataclass(frozen=True)
class Sample:
    """What a sample submission asks for.

    Attributes:
        columns: an id, then one column for the label, or one for each class's probability.
        ids: of the rows, in order.
    """

    name: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]


def submit(
    model: Model, test: Path, submission: Path, sample: Path | None = None
) -> dict[str, Any]:
    """Predict every row of a test table and write the submission.

    Args:
        test: a pixel CSV or a CSV of image paths; a label column is not looked at.
        submission: the CSV to write. Without a sample it has ImageId (the table's ids, or 1, 2, …) and Label.
        sample: a sample submission, whose columns, ids and order are kept to. Besides its ids it has one column, for the label,
            or a column named after each class, for its probability.

    Returns:
        `submission`, `rows`, `columns`, `labels` (how often each class was said), `unfamiliar` (how many images, or None).

    Raises:
        InputError: tables that cannot be read, images of another size than those of the training, or ids and rows that do not
            agree; then nothing is written.
    """
    wanted = None if sample is None else read_sample(sample, model.class_names)
    found, ids = _predicted(model, test)
    order = (
        np.arange(len(found.labels))
        if wanted is None
        else _order(wanted, ids, len(found.labels), test.name)
    )
    columns = KAGGLE_COLUMNS if wanted is None else wanted.columns
    counted = [str(number) for number in range(1, len(order) + 1)]
    keys = wanted.ids if wanted is not None else ids if ids is not None else counted
    write_cells(submission, columns, _rows(found, columns, keys, order))
    return {
        "submission": str(submission),
        "rows": len(order),
        "columns": list(columns),
        "labels": dict(Counter(found.labels).most_common()),
        "unfamiliar": None if found.is_unfamiliar is None else int(found.is_unfamiliar.sum()),
    }


def read_sample(path: Path, class_names: Sequence[str]) -> Sample:
    """The columns and ids of a sample submission.

    Raises:
        InputError: columns that are neither id and label nor id and every class; an id twice; no rows.
    """
    with open_table(path) as table:
        columns, ids = table.columns, [fields[0].strip() for _, fields in table.rows]
    if len(columns) != 2 and set(columns[1:]) != set(class_names):
        raise InputError(
            f"{path.name} has the columns {', '.join(columns[:8])}{', …' * (len(columns) > 8)}; wanted is an id and one column "
            f"for the label, or an id and a column for each of the {len(class_names)} classes.",
            f"The classes of this run are {', '.join(class_names[:8])}{', …' * (len(class_names) > 8)}.",
        )
    if not ids:
        raise InputError(
            f"{path.name} has a header but no rows.",
            "Give the sample submission of the competition.",
        )
    twice = next((one for one, count in Counter(ids).items() if count > 1), None)
    if twice is not None:
        raise InputError(
            f"{path.name} has the id '{twice}' more than once.",
            "Give the sample submission as it was published.",
        )
    return Sample(path.name, columns, tuple(ids))


def _predicted(model: Model, test: Path) -> tuple[Predictions, list[str] | None]:
    """Predictions for each row, and the rows' ids where the table has some."""
    if not test.exists():
        raise InputError(
            f"{test} does not exist.",
            "Give the test table: a pixel CSV, or a CSV with a column of image paths.",
        )
    if (listed := list_unlabelled(test)) is not None:
        return predict(model, *listed), listed[1]
    images, ids = read_unlabelled_csv(test, model.preprocessing.pixel_max)
    return predict_pixels(model, _fitted(images, model, test.name)), ids


def _fitted(images: NDArray[np.uint8], model: Model, name: str) -> NDArray[np.uint8]:
    """The images as the run resized its own."""
    if images.shape[1:] == model.image_shape:
        return images
    height, width, channels = model.image_shape
    if model.preprocessing.image_size is None or images.shape[3] != channels:
        kinds = {1: "grey", 3: "colour"}
        raise InputError(
            f"{name} holds {kinds[images.shape[3]]} images of {images.shape[2]}x{images.shape[1]} pixels, but this run learnt "
            f"{kinds[channels]} images of {width}x{height}.",
            "Is a column missing, or is it the table of another competition?",
        )
    return np.stack(
        [resize_pixels(image, model.image_shape, model.preprocessing.resize) for image in images]
    )


def _order(wanted: Sample, ids: list[str] | None, rows: int, name: str) -> NDArray[np.int64]:
    """The row of the test table that each id of the sample means: the one of that id, or else of that place."""
    if len(wanted.ids) != rows:
        raise InputError(
            f"{wanted.name} has {len(wanted.ids):,} rows, but {name} has {rows:,} images.",
            "Give the test table and the sample submission of the same competition, both whole.",
        )
    if ids is None:
        return np.arange(rows)
    places = {one: place for place, one in enumerate(ids)}
    found = [places.get(one, -1) for one in wanted.ids]
    missing = [one for one, place in zip(wanted.ids, found, strict=True) if place < 0]
    if missing:
        raise InputError(
            f"{wanted.name} asks for the id '{missing[0]}', which {name} does not have; in all, {len(missing):,} such ids.",
            "Give the test table and the sample submission of the same competition.",
        )
    return np.array(found, np.int64)


def _rows(
    found: Predictions, columns: Sequence[str], keys: Sequence[str], order: NDArray[np.int64]
) -> list[list[str]]:
    if len(columns) == 2:
        labels = found.labels
        return [[key, labels[row]] for key, row in zip(keys, order.tolist(), strict=True)]
    places = [found.class_names.index(name) for name in columns[1:]]
    chances = found.probabilities[order][:, places].tolist()
    return [
        [key, *(f"{chance:.6g}" for chance in row)] for key, row in zip(keys, chances, strict=True)
    ]
