"""Temperature scaling of class probabilities.

Probabilities are calibrated if 80% of the images with a predicted probability of 80% are classified
correctly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

# The logarithm of this lower bound is finite in float32. It lies far below `MIN_PROBABILITY`, so
# that a high temperature still distinguishes improbable classes.
MIN_PROBABILITY_FOR_TEMPERATURE = 1e-30
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.1, 10.0
# Standard deviation of the normal prior of log T, whose mean is 0: temperatures of 0.4 to 2.7 are
# within two of them. With 0.25, classifiers that need 2 are corrected too little. With 1, those
# that need no correction lose more (benchmarks/evidence_intervals.md).
_PRIOR_SD = 0.5


@overload
def apply_temperature(probabilities: Tensor, temperature: float) -> Tensor: ...


@overload
def apply_temperature(
    probabilities: NDArray[np.float32], temperature: float
) -> NDArray[np.float32]: ...


def apply_temperature(
    probabilities: NDArray[np.float32] | Tensor, temperature: float
) -> NDArray[np.float32] | Tensor:
    """Return probabilities at another temperature.

    Divides the logarithms by the temperature and normalises the result. The order of the classes
    does not change. For a softmax this is temperature scaling. For the mean over an image and its
    mirror image, it scales that mean.

    Args:
        probabilities: Class probabilities of shape (N, K), an array or a tensor.
        temperature: Positive temperature. Values above 1 make the probabilities less confident.

    Returns:
        Class probabilities of shape (N, K), float32, of the same type as the argument.
    """
    if temperature == 1:
        return probabilities
    if not isinstance(probabilities, np.ndarray):
        # Tensors stay tensors: an exported graph has no NumPy.
        tensor_logs = probabilities.clamp_min(MIN_PROBABILITY_FOR_TEMPERATURE).log()
        return (tensor_logs / temperature).softmax(1)

    clipped = np.maximum(probabilities, MIN_PROBABILITY_FOR_TEMPERATURE)
    logs = np.log(clipped) / np.float32(temperature)
    powers = np.exp(logs - logs.max(1, keepdims=True))
    scaled: NDArray[np.float32] = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    return scaled


def fit_temperature(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Fit the temperature that minimises the cross-entropy on images not used for training.

    The logarithm of the temperature has a normal prior with mean 0 and standard deviation 0.5.
    Without it, a few images that are all classified correctly would make the classifier certain.
    The prior counts as much with sharp probabilities as with flat ones, and it loses its influence
    as the number of images grows.

    Smoothed targets, as in Platt (1999), were used before. They flatten calibrated probabilities:
    the loss of a wrong class grows with the logits, however small its target is.

    Args:
        labels: True classes of shape (N,).
        probabilities: Class probabilities of shape (N, K).

    Returns:
        A temperature between 0.1 and 10. A value above 1 means that the classifier was
        overconfident.

    References:
        Guo et al. (2017), arXiv:1706.04599, section 4.2. The prior is our own choice.
    """
    from scipy.optimize import minimize_scalar

    clipped = np.maximum(probabilities.astype(np.float64), MIN_PROBABILITY_FOR_TEMPERATURE)
    logs = np.log(clipped)
    n = len(logs)
    mean_true_log = float(logs[np.arange(n), labels].mean())

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        scaled = logs / temperature
        largest = scaled.max(1)
        normaliser = largest + np.log(np.exp(scaled - largest[:, None]).sum(1))
        cross_entropy = float(normaliser.mean()) - mean_true_log / temperature
        penalty = log_temperature**2 / (2 * n * _PRIOR_SD**2)
        return float(cross_entropy + penalty)

    bounds = (np.log(_MIN_TEMPERATURE), np.log(_MAX_TEMPERATURE))
    minimum = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(minimum.x))
