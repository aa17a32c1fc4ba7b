"""Predictions for image files, in batches, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data import ImageSource
from headstart.deploy._image_sources import open_readable, unreadable
from headstart.deploy._model import Model, Predictions, together
from headstart.deploy._spreadsheet_cells import write_cells
from headstart.errors import InputError

_PIXELS_A_BATCH = 1 << 24  # of opened images held at a time: 48 MB in colour


def predict(model: Model, sources: Sequence[ImageSource], names: Sequence[str]) -> Predictions:
    """What the model says of image files.

    Args:
        sources, names: as for `open_images`.

    Raises:
        InputError: images that cannot be read; all are looked at first, so that one message names them.
    """
    size = _batch_size(model)
    parts: list[Predictions] = []
    failed: list[str] = []
    with progress.task("predicting", len(sources), "images") as task:
        for start in range(0, len(sources), size):
            batch = slice(start, start + size)
            images, unread = open_readable(sources[batch], names[batch], model)
            failed += unread
            if not failed:
                parts.append(model.predict(images))
            task.advance(len(sources[batch]))
    if failed:
        raise unreadable(failed, len(sources))
    return together(parts)


def predict_pixels(model: Model, images: NDArray[np.uint8]) -> Predictions:
    """What the model says of images `(N, H, W, C)` uint8 of its shape; in batches.

    Raises:
        InputError: no images, or of another shape or type.
    """
    if not len(images):
        raise InputError(
            "no images given.", "Give an array (N, height, width, channels) with N of 1 or more."
        )
    size = _batch_size(model)
    return together(
        [model.predict(images[start : start + size]) for start in range(0, len(images), size)]
    )


def _batch_size(model: Model) -> int:
    return max(16, _PIXELS_A_BATCH // (model.image_shape[0] * model.image_shape[1]))


def write_predictions(path: Path, found: Predictions, names: Sequence[str]) -> None:
    """Predictions as a CSV: image, label, unfamiliar (yes, no, or empty where that is not known), then every class."""
    unfamiliar = (
        [""] * len(names)
        if found.is_unfamiliar is None
        else ["yes" if one else "no" for one in found.is_unfamiliar]
    )
    rows = (
        [name, label, strange, *(f"{chance:.6g}" for chance in chances)]
        for name, label, strange, chances in zip(
            names, found.labels, unfamiliar, found.probabilities.tolist(), strict=True
        )
    )
    write_cells(path, ["image", "label", "unfamiliar", *found.class_names], rows)
