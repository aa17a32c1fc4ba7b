"""The example predictions that a run keeps for its report: `gallery.npz` with `predictions.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.results import PredictionRow, read_predictions_file

MAX_CLASSES_LISTED = 4


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
    chosen = set(indices)
    rows = {
        row.index: row
        for row in read_predictions_file(predictions_path).rows
        if row.index in chosen
    }

    images: list[GalleryImage | None] = []
    with store.name_damage(predictions_path):
        for image_pixels, index in shown:
            row = rows.get(index)
            images.append(None if row is None else _gallery_image(image_pixels, row, class_names))
    kept_correct = tuple(image for image in images[: len(correct)] if image is not None)
    kept_incorrect = tuple(image for image in images[len(correct) :] if image is not None)
    return Gallery(kept_correct, kept_incorrect)


def _gallery_image(
    pixels: NDArray[np.uint8], row: PredictionRow, class_names: Sequence[str]
) -> GalleryImage:
    probabilities = [
        (class_name, float(text))
        for class_name, text in zip(class_names, row.probabilities, strict=True)
    ]
    probabilities.sort(key=lambda item: -item[1])
    most_probable = tuple(probabilities[:MAX_CLASSES_LISTED])
    return GalleryImage(pixels, row.image, row.label, row.predicted, most_probable)
