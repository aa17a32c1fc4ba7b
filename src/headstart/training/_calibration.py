"""What a finished run learns from its validation images for the use of its classifier: calibration, and what looks unfamiliar."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import (
    Calibration,
    InferenceMetadata,
    OodThreshold,
    Preprocessing,
    TrainingSummary,
)
from headstart.data import Split, SplitDataset
from headstart.evaluation import apply_temperature, compute_metrics, fit_temperature
from headstart.training._inputs import Source
from headstart.training._state import State

UNFAMILIAR = 0.01  # of the validation images: so many false alarms among images like those of the training are accepted
_MOST_IMAGES = 1_000  # fix that quantile well enough, and take no time that anybody notices
_FEWEST_IMAGES = 100  # fewer say nothing about one in a hundred


def collect_inference_metadata(
    state: State,
    source: Source,
    data: SplitDataset,
    validation: NDArray[np.float32] | None,
    measured: dict[str, Any],
) -> InferenceMetadata:
    """How the classifier of a run is to be used.

    Args:
        validation: probabilities of the validation images, `(n, K)`, if there are any.
        measured: the metrics by part.
    """
    accuracies = {
        part: None if found is None else found["accuracy"] for part, found in measured.items()
    }
    return InferenceMetadata(
        preprocessing=Preprocessing(
            **{key: data.dataset.options.get(key) for key in Preprocessing.model_fields}
        ),
        calibration=None
        if validation is None
        else _calibration(data.validation_labels, validation),
        ood_threshold=_ood_threshold(state, source, data.split),
        training=TrainingSummary(
            dataset=data.dataset.name,
            train_images=len(data.split.train),
            epochs=state.plan.epochs,
            seconds=round(state.seconds + state.reused_seconds, 3),
            validation_accuracy=accuracies["validation"],
            test_accuracy=accuracies["test"],
        ),
    )


def _calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Calibration:
    temperature = fit_temperature(labels, probabilities)
    return Calibration(
        temperature=temperature,
        images=len(labels),
        loss=compute_metrics(labels, probabilities).loss,
        calibrated_loss=compute_metrics(labels, apply_temperature(probabilities, temperature)).loss,
    )


def _ood_threshold(state: State, source: Source, split: Split) -> OodThreshold | None:
    if len(split.validation) < _FEWEST_IMAGES:
        return None
    rows = np.sort(np.random.default_rng(0).permutation(split.validation)[:_MOST_IMAGES])
    found = source.energy_scores(state.classifier, rows)
    return OodThreshold(
        threshold=float(np.quantile(found, UNFAMILIAR)), quantile=UNFAMILIAR, images=len(rows)
    )
