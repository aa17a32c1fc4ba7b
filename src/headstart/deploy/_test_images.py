"""The test images of a competition: a table or a folder, predicted, with the ids of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import Predictions
from headstart.data import (
    list_images,
    list_unlabelled,
    read_unlabelled_csv,
    resize_pixels,
)
from headstart.deploy._model import Model
from headstart.deploy._predict import predict, predict_pixels
from headstart.errors import InputError


@dataclass(frozen=True)
class TestImages:
    """Predictions for the test images, and what may be the id of each.

    Attributes:
        name: Name of the table or folder, for messages.
        predictions: Predictions for N images.
        ids: Sequences of N ids, in order of preference. Empty if rows have no ids.
    """

    __test__ = False  # It is not a test of pytest.

    name: str
    predictions: Predictions
    ids: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.predictions.labels)


def predict_test_images(model: Model, test: Path) -> TestImages:
    """Predict the images of a table or folder without labels.

    Args:
        model: The model that predicts.
        test: A table of pixels or of image paths, or a folder of images.

    Raises:
        InputError: The path does not exist or is an image, or its images cannot be read.
    """
    if not test.exists():
        raise InputError(
            f"{test} does not exist.",
            "Give the test table, or the folder of test images.",
        )
    if test.is_dir():
        return _predict_folder(model, test)
    listed = list_unlabelled(test)
    if listed is None:
        images, ids = read_unlabelled_csv(test, model.preprocessing.pixel_max)
        predictions = predict_pixels(model, _resize_as_in_training(images, model, test.name))
        return TestImages(test.name, predictions, () if ids is None else (tuple(ids),))

    predictions = predict(model, listed.paths, listed.names)
    candidates = [listed.ids, listed.names, _file_names(listed.names), _stems(listed.names)]
    return TestImages(test.name, predictions, _distinct(candidates))


def _predict_folder(model: Model, folder: Path) -> TestImages:
    paths = list_images(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    predictions = predict(model, paths, names)
    without_suffix = [str(PurePosixPath(name).with_suffix("")) for name in names]
    candidates = [_stems(names), _file_names(names), without_suffix, names]
    return TestImages(folder.name, predictions, _distinct(candidates))


def _distinct(candidates: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the sequences that name every image differently."""
    return tuple(tuple(ids) for ids in candidates if len(set(ids)) == len(ids))


def _file_names(names: Sequence[str]) -> list[str]:
    return [PurePosixPath(name.replace("\\", "/")).name for name in names]


def _stems(names: Sequence[str]) -> list[str]:
    return [PurePosixPath(name).stem for name in _file_names(names)]


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
