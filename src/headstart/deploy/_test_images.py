"""The test images of a competition: a table or a folder, predicted, with the ids of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import Predictions, with_mean_rows
from headstart.data import (
    is_image,
    list_images,
    list_unlabelled,
    locate,
    name_archive_in_errors,
    read_unlabelled_csv,
    resize_pixels,
)
from headstart.deploy._model import Model
from headstart.deploy._predict import PredictedFiles, predict, predict_pixels
from headstart.errors import InputError


@dataclass(frozen=True)
class TestImages:
    """Predictions for the test images, and what may be the id of each.

    Attributes:
        name: Name of the table or folder, for messages.
        predictions: Predictions for N images. An image that cannot be read has the mean
            probabilities of the others.
        ids: Sequences of N ids, in order of preference. Empty if rows have no ids.
        ambiguous: The images that share an id, such as "1" for 1.jpg and 1.png.
        unreadable: Name and reason of each image that cannot be read.
    """

    __test__ = False  # It is not a test of pytest.

    name: str
    predictions: Predictions
    ids: tuple[tuple[str, ...], ...]
    ambiguous: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unreadable: Sequence[tuple[str, str]] = ()

    def __len__(self) -> int:
        return len(self.predictions.labels)


class CompetitionImages(NamedTuple):
    """Where the test images of a competition are.

    Attributes:
        path: A table of pixels or of image paths, a folder of images, or an archive of one of
            these. Labels are ignored.
        path_column: The column of paths in a table; None to recognize it.
        skip_bad: Whether images may be damaged.
    """

    path: Path
    path_column: str | None = None
    skip_bad: bool = False


def predict_test_images(model: Model, source: CompetitionImages) -> TestImages:
    """Predict the images of a table or folder without labels.

    Args:
        model: The model that predicts.
        source: Where the images are.

    Raises:
        InputError: The path does not exist or is an image, or its images cannot be read. Or there
            is no such column.
        ResourceError: An archive cannot be unpacked into the cache.
    """
    test, path_column, skip_bad = source
    located = locate(test.absolute())
    if located is None:
        raise InputError(
            f"{test} does not exist.",
            "Pass the test table, or the folder of test images.",
        )
    with name_archive_in_errors(located):
        if located.place.is_dir():
            if path_column is not None:
                raise InputError(
                    f"--path-column names a column of a table, but {test} is a folder of images.",
                    "Leave it out, or pass the table of test images.",
                )
            return _predict_folder(model, located.place, skip_bad)
        return _predict_table(model, located.place, path_column, skip_bad)


def _predict_table(model: Model, test: Path, path_column: str | None, skip_bad: bool) -> TestImages:
    if is_image(test):
        raise InputError(
            f"{test} is one image; expected a table, a folder or an archive of test images.",
            f"Pass the folder that holds it. To classify it alone: headstart predict RUN {test}",
        )
    listed = list_unlabelled(test, path_column)
    if listed is None:
        images, ids = read_unlabelled_csv(test, model.preprocessing.pixel_max)
        predictions = predict_pixels(model, _resize_as_in_training(images, model, test.name))
        return TestImages(test.name, predictions, () if ids is None else (tuple(ids),))

    predicted = predict(model, listed.paths, listed.names, skip_bad=skip_bad)
    candidates = [listed.ids, listed.names, _file_names(listed.names), _stems(listed.names)]
    return _with_ids(test.name, predicted, listed.names, candidates)


def _predict_folder(model: Model, folder: Path, skip_bad: bool) -> TestImages:
    paths = list_images(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    predicted = predict(model, paths, names, skip_bad=skip_bad)
    without_suffix = [str(PurePosixPath(name).with_suffix("")) for name in names]
    candidates = [_stems(names), _file_names(names), without_suffix, names]
    return _with_ids(folder.name, predicted, names, candidates)


def _with_ids(
    name: str,
    predicted: PredictedFiles,
    images: Sequence[str],
    candidates: Sequence[Sequence[str]],
) -> TestImages:
    """Return test images with the sequences of ids that name every image differently."""
    ids: list[tuple[str, ...]] = []
    ambiguous: dict[str, list[str]] = {}
    for candidate in candidates:
        if len(set(candidate)) == len(candidate):
            ids.append(tuple(candidate))
            continue
        images_of: dict[str, list[str]] = {}
        for key, image in zip(candidate, images, strict=True):
            images_of.setdefault(key, []).append(image)
        ambiguous |= {key: shared for key, shared in images_of.items() if len(shared) > 1}
    failures = [(images[row], str(error)) for row, error in predicted.errors.items()]
    predictions = predicted.predictions
    if failures:
        predictions = with_mean_rows(predictions, list(predicted.errors))
    return TestImages(name, predictions, tuple(ids), ambiguous, failures)


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
