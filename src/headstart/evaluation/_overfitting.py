"""Diagnosis of overfitting and underfitting from training curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.formatting import percent

# The thresholds are our own choice.
_LOSS_INCREASE = 0.05  # relative; a smaller increase is noise with a few hundred validation images
_WIDE_GAP = 0.02  # in accuracy; a smaller one matters little, however many images show it
_STANDARD_ERRORS = 2.0  # a smaller gap is within the noise of the images
_FITTED = 0.995  # training accuracy
_POOR = 0.9  # training accuracy; a model below it has something left to learn


@dataclass(frozen=True)
class FitDiagnosis:
    """Diagnosis of one training curve.

    Attributes:
        words: The diagnosis in words.
        train_accuracy: Training accuracy of the last epoch, a fraction.
        validation_accuracy: Validation accuracy after the last epoch, a fraction.
        gap: Training accuracy minus validation accuracy.
        standard_error: Standard error of the gap over images.
    """

    words: str
    train_accuracy: float
    validation_accuracy: float
    gap: float
    standard_error: float


def diagnose_fit(
    train_accuracy: Sequence[float],
    validation_accuracy: Sequence[float],
    validation_loss: Sequence[float],
    *,
    train_images: int,
    validation_images: int,
    is_clean: bool = False,
) -> FitDiagnosis:
    """Diagnose overfitting (high variance) or underfitting (high bias).

    A model overfits if training accuracy is above validation accuracy by at least two points and
    more than two standard errors, or if the validation loss is at least 5% above its minimum.

    A model underfits if it is poor on both: it misclassifies more than a tenth of its training
    images, and its training accuracy is less than two points above its validation accuracy.
    Whether the gap is positive or negative says nothing more, because a small one is noise.
    Augmentation and dropout also lower the training accuracy that is measured while they act.
    Underfitting is therefore diagnosed from a clean training accuracy only.

    Args:
        train_accuracy: One fraction per epoch. The last one is diagnosed.
        validation_accuracy: One fraction per epoch.
        validation_loss: One loss per epoch.
        train_images: Number of training images.
        validation_images: Number of validation images.
        is_clean: Whether the training accuracy was measured after training, without augmentation
            and dropout.

    Returns:
        The diagnosis, and a sentence with the numbers behind it.

    References:
        Standard error: Agresti and Caffo (2000), with one correct and one incorrect
        pseudo-observation per accuracy. Otherwise it would be 0 at 100%.
    """
    train, validation = train_accuracy[-1], validation_accuracy[-1]
    gap = train - validation
    variance = _variance(train, train_images) + _variance(validation, validation_images)
    standard_error = variance**0.5
    lowest = min(validation_loss)
    fewer = min(train_images, validation_images)  # two scores side by side have the same decimals
    accuracies = (
        f"training accuracy {percent(train, fewer)}, "
        f"validation accuracy {percent(validation, fewer)}"
    )

    if validation_loss[-1] > (1 + _LOSS_INCREASE) * lowest:
        epoch = list(validation_loss).index(lowest) + 1
        words = f"overfits (variance): validation loss increased after epoch {epoch}; {accuracies}"
    elif gap >= _WIDE_GAP and gap > _STANDARD_ERRORS * standard_error:
        words = f"overfits (variance): {accuracies}"
    elif train >= _FITTED:
        words = f"fits well: {accuracies}"
    elif is_clean and train < _POOR and gap < _WIDE_GAP:
        words = f"underfits (bias): {accuracies}"
    elif is_clean:
        words = f"shows no sign of overfitting or underfitting: {accuracies}"
    else:
        words = f"shows no sign of overfitting: {accuracies}"
    return FitDiagnosis(words, train, validation, gap, standard_error)


def _variance(accuracy: float, images: int) -> float:
    """Return the variance of an accuracy over images, which is never 0."""
    share = (accuracy * images + 1) / (images + 2)
    return share * (1 - share) / (images + 2)
