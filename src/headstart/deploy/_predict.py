"""Predictions for image files, in batches: memory does not grow with the number of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.classifier import Predictions, concatenate_predictions
from headstart.data import (
    ImageSource,
    ReadingNotes,
    UnreadableImage,
    probability_columns,
    require_readable_files,
)
from headstart.deploy._csv_output import write_cells
from headstart.deploy._image_sources import open_readable, unreadable
from headstart.deploy._model import Model
from headstart.deploy._prediction_sets import ImageSet, set_cells
from headstart.errors import InputError

_PIXELS_PER_BATCH = 1 << 24  # of opened images held at a time: 48 MB in colour
_SMALLEST_BATCH = 16


class PredictedFiles(NamedTuple):
    """The predictions for image files.

    Attributes:
        predictions: Predictions for the files that can be read, in order.
        errors: The error of each other file by its row.
    """

    predictions: Predictions
    errors: dict[int, UnreadableImage]


def predict(
    model: Model, sources: Sequence[ImageSource], names: Sequence[str], *, skip_bad: bool = False
) -> PredictedFiles:
    """Predict the classes of image files.

    Args:
        model: The model that predicts.
        sources: Paths, contents of files, or open files.
        names: Names of the images in messages.
        skip_bad: Whether images may be damaged. They then have no prediction.

    Returns:
        Predictions for the readable images, in their order, and the errors of the others.

    Raises:
        InputError: Some images cannot be read. All are tried first, so that one message names them.
            With `skip_bad`: no image can be read.
        ResourceError: With `skip_bad`, the system could not read a file. It may be a good image.
    """
    batch_size = _batch_size(model)
    batches: list[Predictions] = []
    errors: dict[int, UnreadableImage] = {}
    notes = ReadingNotes()
    with progress.task("predicting", len(sources), "images") as task:
        for start in range(0, len(sources), batch_size):
            batch = slice(start, start + batch_size)
            images, unread = open_readable(sources[batch], names[batch], model, notes)
            errors |= {start + row: error for row, error in unread.items()}
            if len(images) and (skip_bad or not errors):
                batches.append(model.predict(images))
            task.advance(len(sources[batch]))
    notes.say()
    if errors and not skip_bad:
        raise unreadable(errors, names, "Repair these images, or leave them out with --skip-bad.")
    require_readable_files(errors, names)
    if not batches:
        raise unreadable(errors, names)
    return PredictedFiles(concatenate_predictions(batches), errors)


def predict_pixels(model: Model, images: NDArray[np.uint8]) -> Predictions:
    """Predict the classes of images `(N, H, W, C)` uint8 of the model's shape, in batches.

    Args:
        model: The model that predicts.
        images: uint8 array of shape (N, H, W, C), of the model's shape.

    Returns:
        Predictions for the N images, in their order.

    Raises:
        InputError: The array is empty, or has another shape or type.
    """
    if not len(images):
        raise InputError(
            "no images given.", "Pass an array (N, height, width, channels) with N of 1 or more."
        )
    batch_size = _batch_size(model)
    starts = range(0, len(images), batch_size)
    return concatenate_predictions(
        [model.predict(images[start : start + batch_size]) for start in starts]
    )


def _batch_size(model: Model) -> int:
    height, width, _ = model.image_shape
    return max(_SMALLEST_BATCH, _PIXELS_PER_BATCH // (height * width))


def write_predictions(
    path: Path,
    predictions: Predictions,
    names: Sequence[str],
    *,
    sets: Sequence[ImageSet] | None = None,
    safe_cells: bool = False,
) -> None:
    """Write predictions as a CSV with one row per image.

    The columns are `image`, `label`, `unfamiliar` and one per class. `unfamiliar` is yes or no for
    out-of-distribution images, and empty if it is unknown. If a class has the name of another
    column, the columns of all classes begin with "probability:". With prediction sets, there are
    also `set`, with " | " between its classes, and `uncertain`, which is yes or no.

    Args:
        path: The CSV.
        predictions: Predictions for N images.
        names: Names of the N images.
        sets: `PredictionSets.describe` of the N images.
        safe_cells: Whether texts that a spreadsheet would evaluate get an apostrophe.
    """
    is_ood = predictions.is_out_of_distribution
    if is_ood is None:
        flags = [""] * len(names)
    else:
        flags = ["yes" if flag else "no" for flag in is_ood]
    set_columns: tuple[str, ...] = ()
    set_rows: list[tuple[str, ...]] = [()] * len(names)
    if sets is not None:
        set_columns, set_rows = ("set", "uncertain"), [*set_cells(sets)]
    rows = []
    for name, label, flag, cells, probabilities in zip(
        names, predictions.labels, flags, set_rows, predictions.probabilities.tolist(), strict=True
    ):
        rows.append([name, label, flag, *cells, *(f"{value:.6g}" for value in probabilities)])
    fixed = ("image", "label", "unfamiliar", *set_columns)
    columns = [*fixed, *probability_columns(predictions.class_names, fixed)]
    write_cells(path, columns, rows, safe_cells=safe_cells)
