"""A linear head on frozen features, solved by L-BFGS instead of trained by steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.classifier import Classifier, expand_binary_logit
from headstart.features._linear_probe import MOST_TO_CHOOSE, choose_penalty, fit
from headstart.models.recipes import Recipe

# Seconds per image, feature and class of one evaluation of loss and gradient. From 8,500 CIFAR-10
# images on one core, where an evaluation took 0.03 s.
_SECONDS = 3e-10
_EVALUATIONS = 70

# Choosing the penalty costs as much as so many more images.
_IMAGES_TO_CHOOSE = 12_000

_LEAST_CLASSES = 4  # fewer classes are not faster

# Each class beyond these costs only this share of one of them: reading the features takes most of
# the time. With 200 classes, 840 images took 5.3 s of processor time and 2,000 images 7.2 s.
_CLASSES_AT_FULL_COST, _SHARE_OF_OTHERS = 10, 0.1


@dataclass(frozen=True)
class SolvedHead:
    """The fit of a solved head to its training images.

    Attributes:
        loss: Cross-entropy summed over the images, in nats.
        correct: Number of correctly classified images.
    """

    loss: float
    correct: int


def solve_head(
    classifier: Classifier,
    inputs: Tensor,
    labels: NDArray[np.int64],
    recipe: Recipe,
    class_weights: Tensor | None = None,
) -> SolvedHead:
    """Solve the linear head of a classifier on all training images, and set its weights.

    Args:
        classifier: A classifier whose network ends in a linear layer.
        inputs: Standardised features, float tensor of shape (n, features).
        labels: int64 array of shape (n,), from 0.
        recipe: The penalty `l2`; None chooses it by cross-validation.
        class_weights: Weights of the classes, tensor of shape (K,); None weights them equally.
    """
    features, num_classes = inputs.cpu().numpy(), len(classifier.class_names)
    penalty = choose_penalty(features, labels) if recipe.l2 is None else recipe.l2
    image_weights = None if class_weights is None else class_weights.cpu().numpy()[labels]
    weights = torch.from_numpy(fit(features, labels, num_classes, penalty, image_weights))

    head = [module for module in classifier.net.modules() if isinstance(module, nn.Linear)][-1]
    if head.out_features == 1:  # its output is the logit of the second of two classes
        weights = weights[:, 1:] - weights[:, :1]
    with torch.no_grad():
        head.weight.copy_(weights[:-1].T)
        head.bias.copy_(weights[-1])
        logits = expand_binary_logit(inputs.cpu() @ weights[:-1] + weights[-1])

    targets = torch.from_numpy(labels)
    loss = nn.functional.cross_entropy(logits, targets, reduction="sum").item()
    return SolvedHead(loss, int((logits.argmax(1) == targets).sum()))


def seconds_to_solve(images: int, features: int, classes: int, recipe: Recipe) -> float:
    """Estimate the seconds of `solve_head`."""
    if recipe.l2 is None:
        images_to_choose = min(images / MOST_TO_CHOOSE, 1) * _IMAGES_TO_CHOOSE
    else:
        images_to_choose = 0
    others = max(0, classes - _CLASSES_AT_FULL_COST)
    counted_classes = max(_LEAST_CLASSES, classes - others) + _SHARE_OF_OTHERS * others
    evaluated = (images + images_to_choose) * features * counted_classes
    return _SECONDS * evaluated * _EVALUATIONS
