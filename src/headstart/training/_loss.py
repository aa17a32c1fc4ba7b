"""The loss, and what one update saw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headstart.classifier import Outcome, best_device, expand_binary_logit
from headstart.data import Dataset
from headstart.models.recipes import Recipe
from headstart.training import _distributed


class CrossEntropy(nn.Module):
    """Mean cross-entropy `(N, outputs)` logits against `(N,)` classes, with class weights and smoothed targets.

    One output is the logit of the second of two classes. Where several processes share a batch, the mean is over all of it.
    """

    def __init__(self, weights: Tensor, smoothing: float) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.weights: Tensor
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(
            expand_binary_logit(logits), labels, self.weights, label_smoothing=self.smoothing
        )
        return loss * _distributed.share_of(self.weights[labels].sum())


def loss_function(recipe: Recipe, labels: NDArray[np.int64], classes: int) -> CrossEntropy:
    """The loss of a recipe on these training labels."""
    counts = np.bincount(labels, minlength=classes)
    weights = torch.ones(classes)
    if recipe.class_weights == "balanced":  # as scikit-learn's: n / (classes * count)
        weights = torch.from_numpy(
            counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        ).float()
    return CrossEntropy(weights, recipe.label_smoothing).to(best_device())


def labels_of(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor:
    """The classes of this process's part of a batch, on the device."""
    return torch.from_numpy(dataset.labels[_distributed.own_part(rows)]).to(best_device())


def update(
    forward: Callable[[Tensor], Tensor],
    inputs: Tensor,
    labels: Tensor,
    loss_of: nn.Module,
    optimizers: list[torch.optim.Optimizer],
) -> Outcome:
    """One step of the optimizers on one batch; nothing changes if loss or gradient are not finite."""
    logits = forward(inputs)
    loss = loss_of(logits, labels)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    weights = [
        weight
        for optimizer in optimizers
        for group in optimizer.param_groups
        for weight in group["params"]
    ]
    norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    with torch.no_grad():
        scores = expand_binary_logit(logits)
        plain = functional.cross_entropy(
            scores, labels, reduction="sum"
        )  # as validation's: no smoothing, no class weights
        seen = torch.stack(
            [plain, (scores.argmax(1) == labels).sum(), plain.new_tensor(len(labels))]
        )
        # One copy to the processor for all four numbers: each would wait for the device.
        total, right, count, finite = torch.cat(
            [_distributed.total(seen), torch.isfinite(loss * norm).float()[None]]
        ).tolist()
    if finite:
        for optimizer in optimizers:
            optimizer.step()
    return Outcome(total, int(right), int(count), bool(finite))
