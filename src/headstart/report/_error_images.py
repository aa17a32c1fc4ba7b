"""The images with the worst errors of a comparison: `errors.npz` of its study folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.report._study import Entry
from headstart.report.figures._evidence import evidence_overlay


@dataclass(frozen=True)
class ExplainedPrediction:
    """The prediction of one contender, and the evidence for it.

    Attributes:
        entry: The contender.
        predicted: The predicted class.
        probability: Its probability.
        method: Name of the method that found the evidence, such as Grad-CAM.
        pixels: The image in grey with the evidence in colour.
    """

    entry: Entry[object]
    predicted: str
    probability: float
    method: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class ErrorImage:
    """An image on which the contenders erred most.

    Attributes:
        pixels: uint8 array of shape (H, W, C).
        name: Name of the image.
        label: Its true class.
        predictions: The predictions of the contenders.
    """

    pixels: NDArray[np.uint8]
    name: str
    label: str
    predictions: tuple[ExplainedPrediction, ...]


def read_errors(study: Path, contenders: Sequence[Entry[object]]) -> list[ErrorImage]:
    """Read the images with the worst errors, the worst one first.

    Args:
        study: The study folder.
        contenders: The contenders of the study. Others in the file are left out.

    Returns:
        The images; none if the study has no such file.
    """
    path = study / "errors.npz"
    if not path.is_file():
        return []
    with store.open_npz(path) as file:
        arrays = {name: file[name] for name in file.names}

    with store.name_damage(path):
        return [_error_image(arrays, row, contenders) for row in range(len(arrays["images"]))]


def _error_image(
    arrays: Mapping[str, NDArray[np.generic]], row: int, contenders: Sequence[Entry[object]]
) -> ErrorImage:
    pixels = np.asarray(arrays["images"][row], np.uint8)
    entries = {entry.name: entry for entry in contenders}

    predictions: list[ExplainedPrediction] = []
    for place, name in enumerate(arrays["contenders"].tolist()):
        if name not in entries:
            continue
        evidence = np.asarray(arrays[f"heat-{place}"][row], np.float32)
        prediction = ExplainedPrediction(
            entries[name],
            predicted=str(arrays["said"][place, row]),
            probability=float(arrays["chances"][place, row]),
            method=str(arrays["kinds"][place]),
            pixels=evidence_overlay(pixels, evidence, 1.0),
        )
        predictions.append(prediction)
    return ErrorImage(
        pixels, str(arrays["names"][row]), str(arrays["labels"][row]), tuple(predictions)
    )
