"""Calibration and OOD threshold of a classifier, derived from the validation images of its run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import (
    Calibration,
    InferenceMetadata,
    OodThreshold,
    Preprocessing,
    TrainingSummary,
)
from headstart.data import SplitDataset
from headstart.evaluation import apply_temperature, compute_metrics, fit_temperature
from headstart.results import PartMetrics
from headstart.training._inputs import TrainingInputs
from headstart.training._state import TrainingState

# The accepted false-alarm rate: the fraction of in-distribution images flagged as OOD.
OOD_QUANTILE = 0.01

# So many images fix that quantile well enough, in a time that nobody notices.
_MOST_IMAGES = 1_000

# Fewer images say nothing about one in a hundred.
_LEAST_IMAGES = 100


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
    options = data.dataset.options
    accuracies = {}
    for part, scores in metrics.items():
        accuracies[part] = None if scores is None else scores.accuracy

    calibration = None
    if validation is not None:
        calibration = _fit_calibration(data.validation_labels, validation)
    return InferenceMetadata(
        preprocessing=Preprocessing(
            **{key: options.get(key) for key in Preprocessing.model_fields}
        ),
        calibration=calibration,
        ood_threshold=_fit_ood_threshold(state, inputs, data),
        training=TrainingSummary(
            dataset=data.dataset.name,
            train_images=len(data.split.train),
            epochs=state.plan.epochs,
            seconds=round(state.seconds + state.reused_seconds, 3),
            validation_accuracy=accuracies["validation"],
            test_accuracy=accuracies["test"],
        ),
    )


def _fit_calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Calibration:
    temperature = fit_temperature(labels, probabilities)
    calibrated = apply_temperature(probabilities, temperature)
    return Calibration(
        temperature=temperature,
        images=len(labels),
        loss=compute_metrics(labels, probabilities).loss,
        calibrated_loss=compute_metrics(labels, calibrated).loss,
    )


def _fit_ood_threshold(
    state: TrainingState, inputs: TrainingInputs, data: SplitDataset
) -> OodThreshold | None:
    """Return the energy score below which 1% of the validation images lie; None for few images."""
    validation = data.split.validation
    if len(validation) < _LEAST_IMAGES:
        return None
    rows = np.sort(np.random.default_rng(0).permutation(validation)[:_MOST_IMAGES])
    scores = inputs.energy_scores(state.classifier, rows)
    threshold = float(np.quantile(scores, OOD_QUANTILE))
    return OodThreshold(threshold=threshold, quantile=OOD_QUANTILE, images=len(rows))
