"""Predictions: probabilities, energy scores and labels of images. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """Predictions for N images.

    Attributes:
        class_names: K names.
        probabilities: `(N, K)` float32, in the order of `class_names`.
        energy_scores: `(N,)` float32. Low for images that are unlike the training images.
        ood_threshold: Images with a lower energy score count as out-of-distribution (OOD). None if
            unknown: the run had fewer than 100 validation images, or its classifier has format 2.
    """

    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    energy_scores: NDArray[np.float32]
    ood_threshold: float | None = None

    @property
    def labels(self) -> list[str]:
        """The most probable class of each image."""
        return [self.class_names[index] for index in self.probabilities.argmax(1)]

    @property
    def is_out_of_distribution(self) -> NDArray[np.bool_] | None:
        """Mask `(N,)` of the out-of-distribution images; None without a threshold."""
        return None if self.ood_threshold is None else self.energy_scores < self.ood_threshold

    def as_json(self, names: Sequence[str], top: int | None = None) -> list[dict[str, Any]]:
        """Return one object per image.

        Its keys are `image`, `label`, `probabilities` by class name, and `unfamiliar`. The most
        probable class comes first. `unfamiliar` is `is_out_of_distribution`.

        Args:
            names: Names of the N images.
            top: Number of classes per image; None for all.
        """
        is_ood = self.is_out_of_distribution
        flags = [None] * len(names) if is_ood is None else is_ood.tolist()
        rows = []
        for name, label, row, flag in zip(
            names, self.labels, self.probabilities, flags, strict=True
        ):
            order = np.argsort(-row, kind="stable")[:top]
            probabilities = {
                self.class_names[index]: round(float(row[index]), 6) for index in order
            }
            rows.append(
                {"image": name, "label": label, "probabilities": probabilities, "unfamiliar": flag}
            )
        return rows


def concatenate_predictions(batches: Sequence[Predictions]) -> Predictions:
    """Join the predictions of one or more batches of the same model."""
    return Predictions(
        batches[0].class_names,
        np.concatenate([batch.probabilities for batch in batches]),
        np.concatenate([batch.energy_scores for batch in batches]),
        batches[0].ood_threshold,
    )
