"""Probabilities that mean what they say: of images said to be 80% sure, 80% are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-30  # of a probability, so that its logarithm is finite in float32
_SHARPEST, _FLATTEST = 0.1, 10.0  # temperatures looked at


@overload
def apply_temperature(probabilities: Tensor, temperature: float) -> Tensor: ...


@overload
def apply_temperature(
    probabilities: NDArray[np.float32], temperature: float
) -> NDArray[np.float32]: ...


def apply_temperature(
    probabilities: NDArray[np.float32] | Tensor, temperature: float
) -> NDArray[np.float32] | Tensor:
    """Probabilities `(N, K)` at a temperature: their logarithms divided by it, and normalised again.

    The order of the classes stays as it is. Of a softmax this is temperature scaling; of the mean over an image and its mirror
    image it scales that mean.
    """
    if temperature == 1:
        return probabilities
    if not isinstance(probabilities, np.ndarray):  # a tensor: in a graph, which has no NumPy
        return (probabilities.clamp_min(_LEAST).log() / temperature).softmax(1)

    logs = np.log(np.maximum(probabilities, _LEAST)) / np.float32(temperature)
    powers = np.exp(logs - logs.max(1, keepdims=True))
    found: NDArray[np.float32] = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    return found


def fit_temperature(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """The temperature at which probabilities of images that were not trained on fit their labels best.

    Cross-entropy is minimised over one number, so little can be overfitted. Its targets are not quite one and zero, but
    (n + 1) / (n + 2) for the true class: a few images that are all right must not make the classifier certain.

    Args:
        labels: `(n,)` true classes; probabilities: `(n, K)`.

    Returns:
        Between 0.1 and 10; above 1 the classifier was too sure of itself.

    Source: Guo et al. (2017), arXiv:1706.04599, section 4.2; the targets as in Platt (1999), section 2.2.
    """
    from scipy.optimize import minimize_scalar

    logs = np.log(np.maximum(probabilities.astype(np.float64), _LEAST))
    n, classes = logs.shape
    doubt = 1 / (n + 2)
    true = logs[np.arange(n), labels]
    linear = ((1 - doubt) * true + doubt / (classes - 1) * (logs.sum(1) - true)).mean()

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        top = scaled.max(1)
        normaliser = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float(normaliser.mean() - linear / np.exp(log_temperature))

    found = minimize_scalar(loss, bounds=(np.log(_SHARPEST), np.log(_FLATTEST)), method="bounded")
    return float(np.exp(found.x))
