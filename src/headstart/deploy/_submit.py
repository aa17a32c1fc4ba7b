"""A submission to a competition: predictions for its test table, in the required columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import Predictions
from headstart.data import list_unlabelled, open_table, read_unlabelled_csv, resize_pixels
from headstart.deploy._model import Model
from headstart.deploy._predict import predict, predict_pixels
from headstart.deploy._spreadsheet_cells import write_cells
from headstart.errors import InputError

KAGGLE_COLUMNS = ("ImageId", "Label")
_MOST_NAMED = 8  # columns or classes in a message
_SAME_COMPETITION = "Give the test table and the sample submission of the same competition"


@dataclass(frozen=True)
class Sample:
    """The columns and ids that a sample submission requires.

    Attributes:
        name: Name of the file, for messages.
        columns: The id, then one column for the label or one per class for its probability.
        ids: Ids of the rows, in order.
    """

    name: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]


def submit(
    model: Model, test: Path, submission: Path, sample: Path | None = None
) -> dict[str, Any]:
    """Predict every row of a test table and write the submission.

    Args:
        model: The model that predicts.
        test: A pixel CSV or a CSV of image paths. A label column is ignored.
        submission: The CSV to write. Without a sample it has the columns ImageId and Label. The ids
            are those of the table, or 1, 2, ….
        sample: A sample submission that determines columns, ids and order. Besides the id it has
            one column for the label, or one column per class for its probability.

    Returns:
        `submission`, `rows`, `columns`, `labels` (number of predictions per class), and
        `unfamiliar` (number of out-of-distribution images, or None).

    Raises:
        InputError: A table cannot be read, its images have another size than the training images,
            or ids and rows do not match. Nothing is written.
    """
    required = None if sample is None else read_sample(sample, model.class_names)
    predictions, table_ids = _predict_table(model, test)
    images = len(predictions.labels)

    columns: tuple[str, ...] = KAGGLE_COLUMNS
    order = np.arange(images)
    ids: Sequence[str] = [str(number) for number in range(1, images + 1)]
    if table_ids is not None:
        ids = table_ids
    if required is not None:
        columns, ids = required.columns, required.ids
        order = _match_ids(required, table_ids, images, test.name)
    write_cells(submission, columns, _submission_rows(predictions, columns, ids, order))

    is_ood = predictions.is_out_of_distribution
    return {
        "submission": str(submission),
        "rows": len(order),
        "columns": list(columns),
        "labels": dict(Counter(predictions.labels).most_common()),
        "unfamiliar": None if is_ood is None else int(is_ood.sum()),
    }


def read_sample(path: Path, class_names: Sequence[str]) -> Sample:
    """Read the columns and ids of a sample submission.

    Raises:
        InputError: The columns are neither id and label nor id and every class, an id occurs twice,
            or the file has no rows.
    """
    with open_table(path) as table:
        columns = table.columns
        ids = [fields[0].strip() for _, fields in table.rows]

    if len(columns) != 2 and set(columns[1:]) != set(class_names):
        raise InputError(
            f"invalid columns of {path.name}: expected an id and one column for the label, "
            f"or an id and one column for each of the {len(class_names)} classes, "
            f"got {_listing(columns)}.",
            f"Give the sample submission of these classes: {_listing(class_names)}.",
        )
    if not ids:
        raise InputError(
            f"{path.name} has a header but no rows.",
            "Give the sample submission of the competition.",
        )
    repeated = [key for key, count in Counter(ids).items() if count > 1]
    if repeated:
        raise InputError(
            f"{path.name} has the id '{repeated[0]}' more than once.",
            "Give the sample submission as it was published.",
        )
    return Sample(path.name, columns, tuple(ids))


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")


def _predict_table(model: Model, test: Path) -> tuple[Predictions, list[str] | None]:
    """Predict each row of a table; also return the ids of the rows if the table has any."""
    if not test.exists():
        raise InputError(
            f"{test} does not exist.",
            "Give the test table: a pixel CSV, or a CSV with a column of image paths.",
        )
    listed = list_unlabelled(test)
    if listed is not None:
        sources, names = listed
        return predict(model, sources, names), names
    images, ids = read_unlabelled_csv(test, model.preprocessing.pixel_max)
    return predict_pixels(model, _resize_as_in_training(images, model, test.name)), ids


def _resize_as_in_training(images: NDArray[np.uint8], model: Model, name: str) -> NDArray[np.uint8]:
    if images.shape[1:] == model.image_shape:
        return images
    height, width, channels = model.image_shape
    if model.preprocessing.image_size is None or images.shape[3] != channels:
        kinds = {1: "greyscale", 3: "colour"}
        raise InputError(
            f"invalid images in {name}: expected {kinds[channels]} images of {width}x{height} "
            f"pixels, as in training, got {kinds[images.shape[3]]} images of "
            f"{images.shape[2]}x{images.shape[1]} pixels.",
            "Check whether a column is missing, and whether the table belongs to this competition.",
        )
    return np.stack(
        [resize_pixels(image, model.image_shape, model.preprocessing.resize) for image in images]
    )


def _match_ids(sample: Sample, ids: list[str] | None, images: int, table: str) -> NDArray[np.int64]:
    """Return the row of the test table for each id of the sample, or by position without ids."""
    if len(sample.ids) != images:
        raise InputError(
            f"{sample.name} has {len(sample.ids):,} rows, but {table} has {images:,} images.",
            f"{_SAME_COMPETITION}, both complete.",
        )
    if ids is None:
        return np.arange(images)

    row_of = {key: row for row, key in enumerate(ids)}
    missing = [key for key in sample.ids if key not in row_of]
    if missing:
        raise InputError(
            f"{sample.name} asks for the id '{missing[0]}', which {table} does not have. "
            f"{len(missing):,} ids are missing.",
            f"{_SAME_COMPETITION}.",
        )
    return np.array([row_of[key] for key in sample.ids], np.int64)


def _submission_rows(
    predictions: Predictions, columns: Sequence[str], ids: Sequence[str], order: NDArray[np.int64]
) -> list[list[str]]:
    if len(columns) == 2:
        labels = predictions.labels
        return [[key, labels[row]] for key, row in zip(ids, order.tolist(), strict=True)]

    places = [predictions.class_names.index(name) for name in columns[1:]]
    probabilities = predictions.probabilities[order][:, places].tolist()
    return [
        [key, *(f"{value:.6g}" for value in row)]
        for key, row in zip(ids, probabilities, strict=True)
    ]
