"""Predictions for image files, in batches: memory does not grow with the number of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.classifier import Predictions, concatenate_predictions
from headstart.data import ImageSource
from headstart.deploy._image_sources import open_readable, unreadable
from headstart.deploy._model import Model
from headstart.deploy._spreadsheet_cells import write_cells
from headstart.errors import InputError

_PIXELS_PER_BATCH = 1 << 24  # of opened images held at a time: 48 MB in colour
_SMALLEST_BATCH = 16


def predict(model: Model, sources: Sequence[ImageSource], names: Sequence[str]) -> Predictions:
    """Predict the classes of image files.

    Args:
        model: The model that predicts.
        sources: Paths, contents of files, or open files.
        names: Names of the images in messages.

    Raises:
        InputError: Some images cannot be read. All are tried first, so that one message names them.
    """
    batch_size = _batch_size(model)
    batches: list[Predictions] = []
    failures: list[str] = []
    with progress.task("predicting", len(sources), "images") as task:
        for start in range(0, len(sources), batch_size):
            batch = slice(start, start + batch_size)
            images, unread = open_readable(sources[batch], names[batch], model)
            failures += unread
            if not failures:
                batches.append(model.predict(images))
            task.advance(len(sources[batch]))
    if failures:
        raise unreadable(failures, len(sources))
    return concatenate_predictions(batches)


def predict_pixels(model: Model, images: NDArray[np.uint8]) -> Predictions:
    """Predict the classes of images `(N, H, W, C)` uint8 of the model's shape, in batches.

    Raises:
        InputError: The array is empty, or has another shape or type.
    """
    if not len(images):
        raise InputError(
            "no images given.", "Give an array (N, height, width, channels) with N of 1 or more."
        )
    batch_size = _batch_size(model)
    starts = range(0, len(images), batch_size)
    return concatenate_predictions(
        [model.predict(images[start : start + batch_size]) for start in starts]
    )


def _batch_size(model: Model) -> int:
    height, width, _ = model.image_shape
    return max(_SMALLEST_BATCH, _PIXELS_PER_BATCH // (height * width))


def write_predictions(path: Path, predictions: Predictions, names: Sequence[str]) -> None:
    """Write predictions as a CSV with one row per image.

    The columns are `image`, `label`, `unfamiliar` and one per class. `unfamiliar` is yes or no for
    out-of-distribution images, and empty if it is unknown.
    """
    is_ood = predictions.is_out_of_distribution
    if is_ood is None:
        flags = [""] * len(names)
    else:
        flags = ["yes" if flag else "no" for flag in is_ood]
    rows = []
    for name, label, flag, probabilities in zip(
        names, predictions.labels, flags, predictions.probabilities.tolist(), strict=True
    ):
        rows.append([name, label, flag, *(f"{value:.6g}" for value in probabilities)])
    write_cells(path, ["image", "label", "unfamiliar", *predictions.class_names], rows)
