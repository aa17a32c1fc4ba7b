"""Calibration and OOD threshold of a classifier, derived from the validation images of its run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import (
    Calibration,
    InferenceMetadata,
    MeasuredImages,
    OodThreshold,
    Preprocessing,
    SetScores,
    TrainingSummary,
    fit_ood_threshold,
    measure_images,
)
from headstart.data import SplitDataset
from headstart.evaluation import (
    SetCalibration,
    apply_temperature,
    cross_entropy,
    fit_temperature,
)
from headstart.results import PartMetrics
from headstart.training._inputs import TrainingInputs
from headstart.training._state import TrainingState

# So many images fix the quantile of 1% well enough, in a time that nobody notices.
_MOST_IMAGES = 1_000

# Fewer images say nothing about one in a hundred.
_LEAST_IMAGES = 100

# The measurements of the last images, by a digest of which they are.
_measured: dict[str, MeasuredImages] = {}


def collect_inference_metadata(
    state: TrainingState,
    inputs: TrainingInputs,
    data: SplitDataset,
    validation: NDArray[np.float32] | None,
    metrics: Mapping[str, PartMetrics | None],
) -> InferenceMetadata:
    """Collect what the classifier of a run needs besides its network.

    Args:
        state: The finished run.
        inputs: Its inputs.
        data: The images.
        validation: Probabilities of the validation images, float32 of shape (n, K), if there are
            any.
        metrics: The metrics of "validation" and "test"; None where there are no images.
    """
    accuracies = {}
    for part, scores in metrics.items():
        accuracies[part] = None if scores is None else scores.accuracy

    calibration = sets = None
    if validation is not None:
        calibration = fit_calibration(data.validation_labels, validation)
        sets = collect_set_scores(data, apply_temperature(validation, calibration.temperature))
    return InferenceMetadata(
        preprocessing=preprocessing_of(data),
        calibration=calibration,
        ood_threshold=_fit_ood_threshold(state, inputs, data),
        set_scores=sets,
        training=TrainingSummary(
            dataset=data.dataset.name,
            train_images=len(data.split.train),
            epochs=state.plan.epochs,
            seconds=round(state.seconds + state.reused_seconds, 3),
            validation_accuracy=accuracies["validation"],
            test_accuracy=accuracies["test"],
        ),
    )


def preprocessing_of(data: SplitDataset) -> Preprocessing:
    """Return how the images of a dataset were prepared."""
    options = data.dataset.options
    return Preprocessing(**{key: options.get(key) for key in Preprocessing.model_fields})


def fit_calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Calibration:
    """Fit the temperature of probabilities (n, K), which are not calibrated."""
    temperature = fit_temperature(labels, probabilities)
    calibrated = apply_temperature(probabilities, temperature)
    return Calibration(
        temperature=temperature,
        images=len(labels),
        loss=float(cross_entropy(labels, probabilities).mean()),
        calibrated_loss=float(cross_entropy(labels, calibrated).mean()),
    )


def collect_set_scores(
    data: SplitDataset,
    probabilities: NDArray[np.float32],
    rows: NDArray[np.int64] | None = None,
) -> SetScores:
    """Return the scores of images that trained nothing, from their calibrated probabilities (n, K).

    Args:
        data: The images.
        probabilities: Calibrated probabilities.
        rows: Their dataset indices of shape (n,); None for the validation images.
    """
    rows = data.split.validation if rows is None else rows
    labels, groups = data.dataset.labels[rows], data.dataset.groups
    if groups is not None:
        _, groups = np.unique(groups[rows], return_inverse=True)
    calibration = SetCalibration.from_predictions(labels, probabilities, groups)
    return SetScores.from_calibration(calibration)


def _fit_ood_threshold(
    state: TrainingState, inputs: TrainingInputs, data: SplitDataset
) -> OodThreshold | None:
    """Return the limits beyond which images are OOD; None for few validation images."""
    rows = choose_ood_images(data)
    if rows is None:
        return None
    return fit_ood_limits(inputs.energy_scores(state.classifier, rows), rows, data)


def fit_ood_limits(
    energy_scores: NDArray[np.float32], rows: NDArray[np.int64], data: SplitDataset
) -> OodThreshold:
    """Return the limits beyond which images are OOD.

    Args:
        energy_scores: Energy scores of validation images, float32 of shape (n,).
        rows: Their dataset indices of shape (n,).
        data: The images.
    """
    return fit_ood_threshold(energy_scores, _measure_images(rows, data))


def _measure_images(rows: NDArray[np.int64], data: SplitDataset) -> MeasuredImages:
    """Measure the images, unless the last run had the same ones.

    The runs of a study share them. It took 0.06 to 2.1 processor seconds, more than some heads.
    """
    train = data.split.train
    digest = hashlib.sha256(data.dataset.fingerprint.encode())
    for part in (rows, train):
        digest.update(hashlib.sha256(part.tobytes()).digest())
    key = digest.hexdigest()

    measured = _measured.get(key)
    if measured is None:
        measured = measure_images(data.dataset.images, rows, train)
        _measured.clear()
        _measured[key] = measured
    return measured


def choose_ood_images(data: SplitDataset) -> NDArray[np.int64] | None:
    """Return the validation images that decide the OOD limits; None if there are too few."""
    validation = data.split.validation
    if len(validation) < _LEAST_IMAGES:
        return None
    return np.sort(np.random.default_rng(0).permutation(validation)[:_MOST_IMAGES])
