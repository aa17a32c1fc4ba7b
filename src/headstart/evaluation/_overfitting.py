"""Diagnosis of overfitting and underfitting from training curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# The thresholds are our own choice.
_LOSS_INCREASE = 0.05  # relative; a smaller increase is noise with a few hundred validation images
_WIDE_GAP = 0.02  # in accuracy; many standard errors with a few thousand images
_NO_GAP = 0.0
_FITTED = 0.995  # training accuracy


@dataclass(frozen=True)
class FitDiagnosis:
    """Diagnosis of one training curve.

    Attributes:
        words: The diagnosis in words.
        train_accuracy: Training accuracy of the last epoch, a fraction. It is measured during
            training, with dropout and augmentation.
        validation_accuracy: Validation accuracy after the last epoch, a fraction.
        gap: Training accuracy minus validation accuracy.
    """

    words: str
    train_accuracy: float
    validation_accuracy: float
    gap: float


def diagnose_fit(
    train_accuracy: Sequence[float],
    validation_accuracy: Sequence[float],
    validation_loss: Sequence[float],
) -> FitDiagnosis:
    """Diagnose overfitting (high variance) or underfitting (high bias).

    A model overfits if training accuracy is at least two points above validation accuracy, or if
    the validation loss is at least 5% above its minimum. It underfits if it classifies training
    images no better than validation images.

    Args:
        train_accuracy: One fraction per epoch.
        validation_accuracy: One fraction per epoch.
        validation_loss: One loss per epoch.
    """
    train, validation = train_accuracy[-1], validation_accuracy[-1]
    gap = train - validation
    lowest = min(validation_loss)
    accuracies = f"training accuracy {train:.1%}, validation accuracy {validation:.1%}"

    if validation_loss[-1] > (1 + _LOSS_INCREASE) * lowest:
        epoch = list(validation_loss).index(lowest) + 1
        words = f"overfits (variance): validation loss increased after epoch {epoch}; {accuracies}"
    elif gap >= _WIDE_GAP:
        words = f"overfits (variance): {accuracies}"
    elif gap <= _NO_GAP and train < _FITTED:
        words = f"underfits (bias): {accuracies}"
    else:
        words = f"fits well: {accuracies}"
    return FitDiagnosis(words, train, validation, gap)
