"""A linear head on frozen features, solved for at once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.classifier import Classifier, Outcome, expand_binary_logit
from headstart.features._linear_probe import MOST_TO_CHOOSE, choose_penalty, fit
from headstart.models.recipes import Recipe

# Of one image, feature and class in one evaluation of loss and slope; from 8,500 CIFAR-10 images on one core, 0.03 s each.
# The choice of the penalty costs as much as so many images.
_SECONDS, _EVALUATIONS, _TO_CHOOSE = 3e-10, 70, 12_000


def solve_head(
    classifier: Classifier,
    inputs: Tensor,
    labels: NDArray[np.int64],
    recipe: Recipe,
    weights: Tensor | None = None,
) -> Outcome:
    """Fit the linear head of `classifier` to all training images, and put it in place.

    Args:
        inputs: `(n, size)` standardised features.
        labels: `(n,)` from 0.
        weights: `(K,)` of the classes; None: all alike.

    Returns:
        What the fitted head makes of these images.
    """
    rows, classes = inputs.cpu().numpy(), len(classifier.class_names)
    penalty = choose_penalty(rows, labels) if recipe.l2 is None else recipe.l2
    of_images = None if weights is None else weights.cpu().numpy()[labels]
    found = torch.from_numpy(fit(rows, labels, classes, penalty, of_images))
    head = [module for module in classifier.net.modules() if isinstance(module, nn.Linear)][-1]
    if head.out_features == 1:  # the logit of the second of two classes
        found = found[:, 1:] - found[:, :1]
    with torch.no_grad():
        head.weight.copy_(found[:-1].T)
        head.bias.copy_(found[-1])
        logits = expand_binary_logit(inputs.cpu() @ found[:-1] + found[-1])
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="sum").item()
    return Outcome(
        loss, int((logits.argmax(1).numpy() == labels).sum()), len(labels), bool(np.isfinite(loss))
    )


def seconds_to_solve(images: int, features: int, classes: int, recipe: Recipe) -> float:
    """What `solve_head` will take, about."""
    choice = min(images / MOST_TO_CHOOSE, 1) * _TO_CHOOSE if recipe.l2 is None else 0
    return _SECONDS * (images + choice) * features * max(classes, 4) * _EVALUATIONS
