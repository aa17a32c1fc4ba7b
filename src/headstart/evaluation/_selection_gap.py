"""The gap between the score that selected a recipe and the accuracy of the retrained recipe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation._metrics import wilson_interval

_NORMAL_QUANTILE = 1.96  # of 95%


def gap_interval(
    selected: float,
    images: int,
    accuracy: float,
    interval: tuple[float, float],
    per_seed: NDArray[np.float64],
) -> tuple[float, float]:
    """Return a 95% interval of the gap between a score that selected a recipe and its accuracy.

    The score is of one run on validation images, the accuracy of new runs on test images.

    Args:
        selected: The accuracy of the selected run on validation images.
        images: Number of validation images.
        accuracy: Mean accuracy of the new runs on test images.
        interval: 95% interval of that accuracy.
        per_seed: Accuracy of each new run, shape (S,). Their variance is that of the selected run.

    Returns:
        Lower and upper bound of the first minus the second accuracy.

    References:
        The squared distances from each accuracy to the ends of its interval are added: MOVER,
        Newcombe (1998), Zou and Donner (2008).
    """
    low, high = wilson_interval(round(selected * images), images)
    over_seeds = float(per_seed.var(ddof=1)) if len(per_seed) > 1 else 0.0
    seeds = _NORMAL_QUANTILE**2 * over_seeds
    below = ((selected - low) ** 2 + (interval[1] - accuracy) ** 2 + seeds) ** 0.5
    above = ((high - selected) ** 2 + (accuracy - interval[0]) ** 2 + seeds) ** 0.5
    gap = selected - accuracy
    return max(-1.0, gap - below), min(1.0, gap + above)
