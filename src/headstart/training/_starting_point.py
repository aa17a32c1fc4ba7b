"""The starting point of fine-tuning: a backbone with a head that was fitted to its features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from headstart.classifier import Classifier


@dataclass(frozen=True)
class StartingPoint:
    """The network before fine-tuning: a backbone with a head that was fitted to its features.

    Attributes:
        weights: The weights by name.
        validation: Probabilities of the validation images, float32 of shape (n, K), computed from
            the features; empty without validation images.
    """

    weights: dict[str, Tensor]
    validation: NDArray[np.float32]


def copy_starting_point(
    classifier: Classifier, fitted: StartingPoint | None
) -> StartingPoint | None:
    """Copy the weights of a classifier before its training.

    Args:
        classifier: The classifier.
        fitted: The weights of the head that was fitted; None if none was, so that there is nothing
            to keep.
    """
    if fitted is None:
        return None
    weights = {name: tensor.clone() for name, tensor in classifier.net.state_dict().items()}
    return StartingPoint({**weights, **fitted.weights}, fitted.validation)
