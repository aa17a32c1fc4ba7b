"""Over- and underfitting, read off the curves of a run, in words: variance and bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_ROSE = 0.05  # of its lowest value: less is the noise of a few hundred validation images
_WIDE_GAP, _NO_GAP = (
    0.02,
    0.0,
)  # of accuracy; a gap of two points on a few thousand images is many standard errors
_FITTED = 0.995  # of the training images


@dataclass(frozen=True)
class FitDiagnosis:
    """How a run fitted its training images and what that did for new ones.

    Attributes:
        words: a sentence.
        train_accuracy: of the last epoch, measured while learning: with dropout and augmentation on, if there are any.
        validation_accuracy: after the last epoch.
        gap: the first minus the second.
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
    """Read the curves of a run, one value an epoch.

    It overfits (variance) where training accuracy is two points or more above validation accuracy, or validation loss has risen
    from its lowest value by a twentieth; it underfits (bias) where it fits training images no better than new ones. The
    thresholds are ours.
    """
    train, judged = train_accuracy[-1], validation_accuracy[-1]
    gap, lowest = train - judged, min(validation_loss)
    shown = f"training {train:.1%}, validation {judged:.1%}"
    if validation_loss[-1] > (1 + _ROSE) * lowest:
        at = list(validation_loss).index(lowest) + 1
        words = f"overfits (variance): validation loss rose after epoch {at}; {shown}"
    elif gap >= _WIDE_GAP:
        words = f"overfits (variance): {shown}"
    elif gap <= _NO_GAP and train < _FITTED:
        words = f"underfits (bias): {shown}"
    else:
        words = f"fits well: {shown}"
    return FitDiagnosis(words, train, judged, gap)
