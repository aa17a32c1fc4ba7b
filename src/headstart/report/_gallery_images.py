"""The example predictions that a run keeps for its report: `gallery.npz` with `predictions.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store

MAX_CLASSES_LISTED = 4
_Row = tuple[list[str], list[str]]


@dataclass(frozen=True)
class GalleryImage:
    """An image and its prediction.

    Attributes:
        pixels: uint8 array of shape (H, W, C).
        name: Name of the image.
        label: Its true class.
        predicted: Its predicted class.
        probabilities: The most probable classes with their probabilities, in descending order.
    """

    pixels: NDArray[np.uint8]
    name: str
    label: str
    predicted: str
    probabilities: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Gallery:
    """Correct and incorrect predictions of one run, drawn at random."""

    correct: tuple[GalleryImage, ...]
    incorrect: tuple[GalleryImage, ...]


def read_gallery(run: Path, class_names: Sequence[str]) -> Gallery | None:
    """Read the gallery of a run folder.

    Returns:
        The gallery, or None if the run kept no images or no predictions.
    """
    gallery_path, predictions_path = run / "gallery.npz", run / "predictions.csv"
    if not gallery_path.is_file() or not predictions_path.is_file():
        return None

    with store.open_npz(gallery_path, store.read_verified(gallery_path)) as arrays:
        correct, incorrect, pixels = (arrays[name] for name in ("right", "wrong", "images"))
    with store.name_damage(gallery_path):
        indices = [int(index) for index in [*correct, *incorrect]]
        shown = list(zip(pixels, indices, strict=True))
    rows = _read_predictions(predictions_path, set(indices))

    images: list[GalleryImage | None] = []
    with store.name_damage(predictions_path):
        for image_pixels, index in shown:
            row = rows.get(index)
            images.append(None if row is None else _gallery_image(image_pixels, row, class_names))
    kept_correct = tuple(image for image in images[: len(correct)] if image is not None)
    kept_incorrect = tuple(image for image in images[len(correct) :] if image is not None)
    return Gallery(kept_correct, kept_incorrect)


def _read_predictions(path: Path, indices: set[int]) -> dict[int, _Row]:
    """Return the rows of some images, each split before its probabilities."""
    rows: dict[int, _Row] = {}
    with store.name_damage(path):
        text = store.read_verified(path).decode("utf-8")
        lines = csv.reader(io.StringIO(text, newline=""))
        first_class = next(lines).index("correct") + 1
        for line in lines:
            if int(line[0]) in indices:
                rows[int(line[0])] = line[:first_class], line[first_class:]
    return rows


def _gallery_image(
    pixels: NDArray[np.uint8], row: _Row, class_names: Sequence[str]
) -> GalleryImage:
    fixed, texts = row
    name, label, predicted = (store.bare_cell(fixed[place]) for place in (1, 3, 4))
    probabilities = [
        (class_name, float(text)) for class_name, text in zip(class_names, texts, strict=True)
    ]
    probabilities.sort(key=lambda item: -item[1])
    return GalleryImage(pixels, name, label, predicted, tuple(probabilities[:MAX_CLASSES_LISTED]))
