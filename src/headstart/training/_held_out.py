"""The measurements of a classifier that was trained on its validation images as well.

They come from predictions of models that had not seen the images: those of folds, or an earlier fit
on the training images alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import InferenceMetadata, load_network, replace_metadata
from headstart.data import SplitDataset
from headstart.evaluation import apply_temperature
from headstart.training._inference_metadata import collect_set_scores, fit_calibration


@dataclass(frozen=True)
class HeldOut:
    """Predictions of images by models that had not seen them.

    Attributes:
        rows: Int64 dataset indices of shape (N,), ascending. They include the validation images.
        probabilities: Class probabilities, float32 of shape (N, K), not calibrated.
    """

    rows: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def select(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the probabilities of some of the images, of shape (n, K)."""
        return self.probabilities[np.searchsorted(self.rows, rows)]


def measure_on_held_out(
    metadata: InferenceMetadata, data: SplitDataset, held_out: HeldOut
) -> InferenceMetadata:
    """Return metadata with temperature, prediction sets and validation accuracy from held-out data.

    Args:
        metadata: What the classifier has besides its network.
        data: The images.
        held_out: Predictions by models that had not seen the images.
    """
    labels = data.dataset.labels[held_out.rows]
    calibration = fit_calibration(labels, held_out.probabilities)
    calibrated = apply_temperature(held_out.probabilities, calibration.temperature)
    summary = metadata.training
    if summary is not None:
        accuracy = float((held_out.probabilities.argmax(1) == labels).mean())
        summary = summary.model_copy(update={"validation_accuracy": accuracy})
    return metadata.model_copy(
        update={
            "calibration": calibration,
            "set_scores": collect_set_scores(data, calibrated, held_out.rows),
            "training": summary,
        }
    )


def measure_last_fit(folder: Path, earlier: Path, data: SplitDataset, held_out: HeldOut) -> None:
    """Give a run that was trained on all images the measurements of models that had not seen them.

    Args:
        folder: The finished run, trained on training and validation images together.
        earlier: The run of the same recipe on the training images alone. Its OOD limits are kept.
        data: The images.
        held_out: Predictions by models that had not seen the images.
    """
    limits = load_network(earlier).metadata.ood_threshold
    own = load_network(folder).metadata.model_copy(update={"ood_threshold": limits})
    replace_metadata(folder, measure_on_held_out(own, data, held_out))
