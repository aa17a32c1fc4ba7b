"""Prediction sets of a model, calibrated on the validation images of its run."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.classifier import Predictions
from headstart.deploy._model import Model
from headstart.errors import InputError
from headstart.evaluation import (
    SetCalibration,
    apply_temperature,
    class_thresholds,
    coverage_interval,
    least_calibration_images,
    prediction_sets,
)
from headstart.results import JsonObject

_LOWEST_COVERAGE = 0.5


class ImageSet(TypedDict):
    """The set of one image, and whether the image is uncertain."""

    set: list[str]
    uncertain: bool


@dataclass(frozen=True)
class PredictionSets:
    """How to form the sets of a model.

    Attributes:
        coverage: The wanted share of sets that contain the true class.
        thresholds: Per class, the probability from which on it is in the set; see
            `evaluation.class_thresholds`. Float64 of shape (K,).
        class_names: K names.
        images: Number of calibration images.
        groups: Number of groups of these images; None if they are independent.
    """

    coverage: float
    thresholds: NDArray[np.float64]
    class_names: tuple[str, ...]
    images: int
    groups: int | None

    def as_json(self) -> JsonObject:
        """Return the calibration: thresholds by class name, images, groups and their coverage."""
        thresholds = {
            name: round(threshold, 6)
            for name, threshold in zip(self.class_names, self.thresholds.tolist(), strict=True)
        }
        units = self.images if self.groups is None else self.groups
        low, high = coverage_interval(units, self.coverage)
        return {
            "images": self.images,
            "groups": self.groups,
            "coverage_interval": [round(low, 4), round(high, 4)],
            "thresholds": thresholds,
        }

    def describe(self, predictions: Predictions) -> list[ImageSet]:
        """Return `set` and `uncertain` of each image.

        The most probable class of a set comes first. An image is uncertain if its set has several
        classes, or if it is out-of-distribution: the coverage does not hold for such images.

        Args:
            predictions: Predictions for N images.
        """
        is_ood = predictions.is_out_of_distribution
        flags = [False] * len(predictions.labels) if is_ood is None else is_ood.tolist()
        rows = []
        members = prediction_sets(predictions.probabilities, self.thresholds)
        for is_member, row, flag in zip(members, predictions.probabilities, flags, strict=True):
            order = np.argsort(-row, kind="stable")
            names = [self.class_names[index] for index in order if is_member[index]]
            rows.append(ImageSet(set=names, uncertain=flag or len(names) > 1))
        return rows


def check_coverage(coverage: float) -> None:
    """Raise InputError unless a coverage lies from 0.5 to below 1."""
    if not isinstance(coverage, int | float) or not _LOWEST_COVERAGE <= coverage < 1:
        raise InputError(
            f"invalid --coverage: expected a number from 0.5 to below 1, got {coverage!r}.",
            "Write the share of sets that contain the true class, such as --coverage 0.95",
        )


def calibrate_sets(model: Model, run: Path | None, coverage: float) -> PredictionSets:
    """Calibrate prediction sets on the validation images of a model's run.

    Args:
        model: The model that predicts.
        run: Its run folder or exported file, if it was opened from one. The `predictions.csv` of a
            run replaces scores that an earlier version did not store with the classifier.
        coverage: The wanted share of sets that contain the true class.

    Returns:
        The thresholds of the sets, with the number of images behind them.

    Raises:
        InputError: The coverage is invalid, or there are no or too few validation images for it.
    """
    check_coverage(coverage)
    if model.set_scores is not None:
        calibration: SetCalibration | None = model.set_scores.calibration
    else:
        calibration = _read_calibration(model, run)
    if calibration is None or not len(calibration.labels):
        raise _no_calibration(run)

    _require_enough(calibration, coverage)
    has_groups = calibration.groups is not None
    return PredictionSets(
        coverage=coverage,
        thresholds=class_thresholds(calibration, coverage),
        class_names=model.class_names,
        images=len(calibration.labels),
        groups=calibration.independent_units if has_groups else None,
    )


def _require_enough(calibration: SetCalibration, coverage: float) -> None:
    units, least = calibration.independent_units, least_calibration_images(coverage)
    if units >= least:
        return
    kind = "validation images" if calibration.groups is None else "groups of validation images"
    largest = math.floor(1000 * units / (units + 1)) / 1000
    hint = "Train with more validation images, such as --validation 0.3"
    if largest >= _LOWEST_COVERAGE:
        hint = f"Use --coverage {largest:g} or less, or train with a larger --validation."
    raise InputError(
        f"invalid --coverage {coverage:g}: expected a run with {least:,} {kind} or more, "
        f"got {units:,}.",
        hint,
    )


def _read_calibration(model: Model, run: Path | None) -> SetCalibration | None:
    """Read the calibration images of a run whose classifier does not store their scores.

    Returns:
        The images; None if there are none, or if they come in groups, which no file records.
    """
    from headstart.classifier import Classifier
    from headstart.training import read_probabilities

    if run is None or not (run / "predictions.csv").exists() or not isinstance(model, Classifier):
        return None
    options = store.read_json_or(run / "data.json", {}).get("options", {})
    if not isinstance(options, dict) or options.get("group_by"):
        return None
    labels, probabilities = read_probabilities(run, "validation", model.class_names)
    if not len(labels):
        return None
    calibrated = apply_temperature(probabilities, model.metadata.temperature)
    return SetCalibration.from_predictions(labels, calibrated)


def _no_calibration(run: Path | None) -> InputError:
    if run is None:
        repeat = "Open a run that was trained with validation images."
    elif run.suffix.lower() == ".onnx":
        repeat = "Export a run that has validation images again: headstart export RUN"
    else:
        repeat = (
            "Train it again, with validation images: "
            f"headstart train --repeat {shlex.quote(str(run))}"
        )
    return InputError(
        "--coverage needs the scores of validation images, which this classifier does not hold: "
        "its run had none, or an earlier version wrote it.",
        repeat,
    )


def set_cells(rows: Sequence[ImageSet]) -> list[tuple[str, str]]:
    """Return the cells `set` and `uncertain` of a CSV for each image."""
    return [(" | ".join(row["set"]), "yes" if row["uncertain"] else "no") for row in rows]
