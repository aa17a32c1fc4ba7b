"""Accuracy computed again without the test images that leaked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import wilson_interval


@dataclass(frozen=True)
class LeakFreeAccuracy:
    """Accuracy on all test images, and on those without a copy in another part.

    Attributes:
        accuracy: Share of all test images that are classified correctly, in [0, 1].
        interval: 95% Wilson interval of it.
        images: Number of all test images.
        clean_accuracy: The same for the images without leaks; None if all leaked.
        clean_interval: 95% Wilson interval of it; None if all leaked.
        clean_images: Number of images without leaks.
        leaked_accuracy: The same for the images that leaked; None if none did.
    """

    accuracy: float
    interval: tuple[float, float]
    images: int
    clean_accuracy: float | None
    clean_interval: tuple[float, float] | None
    clean_images: int
    leaked_accuracy: float | None


def accuracy_without_leaks(
    correct: NDArray[np.bool_], test: NDArray[np.int64], leaked: NDArray[np.int64]
) -> LeakFreeAccuracy:
    """Compute the accuracy on all test images, and without those that leaked.

    Args:
        correct: Boolean array of shape (n,). True where a test image is classified correctly.
        test: Int64 array of shape (n,), the indices of the test images in the same order.
        leaked: Indices of leaked images, as in `Duplicates.leaked`. Others than test images are
            ignored.

    Returns:
        Both accuracies, with their 95% intervals and numbers of images.

    Raises:
        InputError: The arrays have different lengths or are empty.
    """
    if len(correct) != len(test) or not len(test):
        raise InputError(
            "invalid predictions: expected one per test image, and at least one, "
            f"got {len(correct):,} predictions for {len(test):,} test images."
        )
    is_leaked = np.isin(test, leaked)
    clean, of_leaked = correct[~is_leaked], correct[is_leaked]
    return LeakFreeAccuracy(
        accuracy=float(correct.mean()),
        interval=wilson_interval(int(correct.sum()), len(correct)),
        images=len(correct),
        clean_accuracy=float(clean.mean()) if len(clean) else None,
        clean_interval=wilson_interval(int(clean.sum()), len(clean)) if len(clean) else None,
        clean_images=len(clean),
        leaked_accuracy=float(of_leaked.mean()) if len(of_leaked) else None,
    )
