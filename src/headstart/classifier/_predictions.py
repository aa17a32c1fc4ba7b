"""Predictions: probabilities, energy scores and labels of images. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headstart.data import take
from headstart.evaluation import decide
from headstart.results import JsonObject

_ROWS_PER_READ = 256


@dataclass(frozen=True)
class Predictions:
    """Predictions for N images.

    Attributes:
        class_names: K names.
        probabilities: `(N, K)` float32, in the order of `class_names`.
        energy_scores: `(N,)` float32. Low for images that are unlike the training images.
        ood_threshold: Images with a lower energy score count as out-of-distribution (OOD). None if
            unknown: the run had fewer than 100 validation images, or its classifier has format 2.
        has_odd_brightness: Boolean array of shape (N,). True for images that are darker or brighter
            than any of the training run, such as dark digits on white paper where the training
            images were bright on black. They count as OOD as well. None if unknown.
        ood_scores: Float64 array of shape (N,): 0 for typical images, above 1 for OOD ones. It is
            the larger score of two: of the energy score, and of image statistics that need no
            network. None if unknown, as in classifiers of earlier versions.
        costs: Costs of shape (K, K), one row per true class and one column per predicted class.
            The predicted class has the least expected cost. None for the most probable class.
    """

    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    energy_scores: NDArray[np.float32]
    ood_threshold: float | None = None
    has_odd_brightness: NDArray[np.bool_] | None = None
    ood_scores: NDArray[np.float64] | None = None
    costs: NDArray[np.float64] | None = None

    @property
    def labels(self) -> list[str]:
        """The predicted class of each image: the most probable one, or the one that costs least."""
        return [self.class_names[index] for index in decide(self.probabilities, self.costs)]

    @property
    def is_out_of_distribution(self) -> NDArray[np.bool_] | None:
        """Mask `(N,)` of the out-of-distribution images; None without a threshold."""
        if self.ood_threshold is None:
            return None
        is_ood = self.energy_scores < self.ood_threshold
        if self.has_odd_brightness is not None:
            is_ood = is_ood | self.has_odd_brightness
        if self.ood_scores is not None:
            is_ood = is_ood | (self.ood_scores > 1)
        return is_ood

    def as_json(self, names: Sequence[str], top: int | None = None) -> list[JsonObject]:
        """Return one object per image.

        Its keys are `image`, `label`, `probabilities` by class name, and `unfamiliar`. The most
        probable class comes first. `unfamiliar` is `is_out_of_distribution`.

        Args:
            names: Names of the N images.
            top: Number of classes per image; None for all. The predicted class is always among
                them: with costs, it need not be one of the most probable ones.
        """
        is_ood = self.is_out_of_distribution
        flags = [None] * len(names) if is_ood is None else is_ood.tolist()
        rows = []
        decided = decide(self.probabilities, self.costs)
        for name, predicted, row, flag in zip(
            names, decided, self.probabilities, flags, strict=True
        ):
            label = self.class_names[predicted]
            order = np.argsort(-row, kind="stable")[:top]
            if predicted not in order:
                order[-1] = predicted
            probabilities = {
                self.class_names[index]: round(float(row[index]), 6) for index in order
            }
            rows.append(
                {"image": name, "label": label, "probabilities": probabilities, "unfamiliar": flag}
            )
        return rows


def concatenate_predictions(batches: Sequence[Predictions]) -> Predictions:
    """Join the predictions of one or more batches of the same model.

    Args:
        batches: Predictions of the same model, at least one.

    Returns:
        The predictions of all images, in the same order.
    """
    odd = [batch.has_odd_brightness for batch in batches if batch.has_odd_brightness is not None]
    scores = [batch.ood_scores for batch in batches if batch.ood_scores is not None]
    return Predictions(
        batches[0].class_names,
        np.concatenate([batch.probabilities for batch in batches]),
        np.concatenate([batch.energy_scores for batch in batches]),
        batches[0].ood_threshold,
        np.concatenate(odd) if odd else None,
        np.concatenate(scores) if scores else None,
        batches[0].costs,
    )


def with_mean_rows(predictions: Predictions, rows: Sequence[int]) -> Predictions:
    """Insert rows for images without a prediction, with the mean probabilities of the others.

    Args:
        predictions: Predictions for N images, at least one.
        rows: Where the K new rows are among the N + K, ascending. They are not out-of-distribution.
    """
    places = np.array(rows) - np.arange(len(rows))
    mean = predictions.probabilities.mean(axis=0, dtype=np.float64).astype(np.float32)
    odd, scores = predictions.has_odd_brightness, predictions.ood_scores
    return replace(
        predictions,
        probabilities=np.insert(predictions.probabilities, places, mean, axis=0),
        energy_scores=np.insert(predictions.energy_scores, places, np.inf),
        has_odd_brightness=None if odd is None else np.insert(odd, places, False),
        ood_scores=None if scores is None else np.insert(scores, places, 0.0),
    )


def mean_brightness(
    images: NDArray[np.uint8], rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return the mean of the pixels of each image, from 0 to 1.

    Args:
        images: Uint8 array of shape (N, H, W, C).
        rows: Indices of n images; None for all.

    Returns:
        Float64 array of shape (n,).
    """
    chosen = np.arange(len(images)) if rows is None else rows
    means: list[float] = []
    for start in range(0, len(chosen), _ROWS_PER_READ):
        # Single rows of a large memory map would make up to 2 MB resident each.
        block = take(images, chosen[start : start + _ROWS_PER_READ])
        means += [float(image.mean()) / 255 for image in block]
    return np.array(means, np.float64)


def find_odd_brightness(
    images: NDArray[np.uint8],
    limits: tuple[float, float] | None,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_] | None:
    """Return which images are darker or brighter than the limits; None without limits.

    Args:
        images: Uint8 array of shape (N, H, W, C).
        limits: The lowest and the highest usual mean of an image's pixels, from 0 to 1.
        rows: Indices of n images; None for all.

    Returns:
        Boolean array of shape (n,), or None.
    """
    if limits is None:
        return None
    brightness = mean_brightness(images, rows)
    lowest, highest = limits
    return (brightness < lowest) | (brightness > highest)
