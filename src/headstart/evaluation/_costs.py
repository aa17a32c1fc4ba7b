"""Decisions that minimise the expected cost, and the cost of these decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation._metrics import check_predictions
from headstart.evaluation._seed_aware_tests import mean_interval

_LEVEL = 0.95


@dataclass(frozen=True)
class ExpectedCost:
    """The mean cost per image of a classifier's decisions.

    Attributes:
        mean: Mean cost per image, in the unit of the costs.
        interval: Its 95% t interval over images, or over groups of images. None for one image.
        most_probable: Mean cost if the most probable class were predicted instead.
        n: Number of images.
    """

    mean: float
    interval: tuple[float, float] | None
    most_probable: float
    n: int


def decide(
    probabilities: NDArray[np.floating], costs: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """Return the class with the least expected cost for each image, int64 of shape (N,).

    Args:
        probabilities: Calibrated class probabilities of shape (N, K).
        costs: Costs of shape (K, K), one row per true class and one column per predicted class.
            None for the most probable class.

    References:
        Elkan (2001), "The foundations of cost-sensitive learning", equation 1.
    """
    decisions: NDArray[np.int64] = (
        probabilities.argmax(1)
        if costs is None
        else (probabilities.astype(np.float64) @ costs).argmin(1)
    )
    return decisions


def expected_cost(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    costs: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
) -> ExpectedCost:
    """Return the mean cost of the decisions that minimise the expected cost.

    Args:
        labels: True classes of shape (N,).
        probabilities: Calibrated class probabilities of shape (N, K).
        costs: Costs of shape (K, K).
        groups: Groups of the images, int64 of shape (N,), or None.

    Raises:
        InputError: The arrays do not match.
    """
    check_predictions(labels, probabilities)
    paid = costs[labels, decide(probabilities, costs)]
    interval = None
    if len(labels) > 1:
        interval = mean_interval(paid, _LEVEL, groups=groups)
    return ExpectedCost(
        mean=float(paid.mean()),
        interval=interval,
        most_probable=float(costs[labels, probabilities.argmax(1)].mean()),
        n=len(labels),
    )
