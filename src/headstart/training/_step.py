"""One training step: the loss, its gradient, and the update of the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headstart.classifier import (
    best_device,
    expand_binary_logit,
    to_device,
    without_denormals,
)
from headstart.data import Dataset, SplitDataset
from headstart.models.recipes import COUNT_CLASSES_ALIKE, Recipe
from headstart.training import _distributed

# `class_weights="auto"` weighs classes whose training images differ by this factor or more.
IMBALANCED_FROM = 1.5


@dataclass(frozen=True)
class StepResult:
    """The result of one training step, measured before its update.

    Attributes:
        loss: Cross-entropy summed over the batch, without label smoothing and class weights.
        correct: Number of correctly classified images.
        count: Number of images.
        is_finite: Whether loss and gradient are finite.
    """

    loss: float
    correct: int
    count: int
    is_finite: bool

    @classmethod
    def read(cls, outcome: Tensor) -> StepResult:
        """Wait for what `compute_gradients` returned, and read it."""
        total, correct, count, is_finite = outcome.tolist()
        return cls(total, int(correct), int(count), bool(is_finite))


class CrossEntropy(nn.Module):
    """Mean cross-entropy with class weights and label smoothing.

    Where several processes share a batch, the mean is taken over the whole batch.
    """

    def __init__(self, class_weights: Tensor, smoothing: float) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights)
        self.class_weights: Tensor
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of logits of shape (N, K), or (N, 1) for two classes."""
        weight = self.class_weights[labels].sum()
        # With smoothed labels, PyTorch's own mean waits for the GPU, and no CUDA graph can hold
        # that. On a CPU it is used, because the other way rounds differently.
        is_summed = logits.device.type == "cuda"
        loss = functional.cross_entropy(
            expand_binary_logit(logits),
            labels,
            self.class_weights,
            reduction="sum" if is_summed else "mean",
            label_smoothing=self.smoothing,
        )
        return (loss / weight if is_summed else loss) * _distributed.mean_scale(weight)


def make_loss(recipe: Recipe, data: SplitDataset) -> CrossEntropy:
    """Return the loss of a recipe; balanced class weights follow from the training labels."""
    num_classes = len(data.class_names)
    weights = torch.ones(num_classes)
    counts = np.bincount(data.train_labels, minlength=num_classes)
    if _uses_balanced_weights(recipe, counts):  # as in scikit-learn: n / (classes * count)
        balanced = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        weights = torch.from_numpy(balanced).float()
    return CrossEntropy(weights, recipe.label_smoothing).to(best_device())


def _uses_balanced_weights(recipe: Recipe, counts: NDArray[np.int64]) -> bool:
    """Return whether classes are weighed by their inverse frequency.

    Args:
        recipe: The recipe.
        counts: Number of training images of each class, int64 of shape (K,).
    """
    if recipe.class_weights != "auto":
        return recipe.class_weights == "balanced"
    is_imbalanced = _imbalance(counts) >= IMBALANCED_FROM
    return is_imbalanced and recipe.metric in COUNT_CLASSES_ALIKE


def _imbalance(counts: NDArray[np.int64]) -> float:
    """Return how many times more images the largest class has than the smallest."""
    present = counts[counts > 0]
    return float(present.max() / present.min())


def describe_class_weights(recipe: Recipe, data: SplitDataset) -> str | None:
    """Return the sentence that says what `class_weights="auto"` decided; None for other values."""
    if recipe.class_weights != "auto":
        return None
    counts = np.bincount(data.train_labels, minlength=len(data.class_names))
    decision = "balanced" if _uses_balanced_weights(recipe, counts) else "none"
    return (
        f"class weights: {decision}. The largest class has {_imbalance(counts):.3g} times the "
        f"training images of the smallest, and the metric is {recipe.metric}."
    )


def shard_labels(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor:
    """Return the labels of this process's shard of a batch, on the device."""
    return to_device(torch.from_numpy(dataset.labels[_distributed.shard(rows)]))


@without_denormals()
def training_step(
    forward: Callable[[Tensor], Tensor],
    inputs: Tensor,
    labels: Tensor,
    loss_function: nn.Module,
    optimizers: list[torch.optim.Optimizer],
) -> StepResult:
    """Update the weights on one batch; not if the loss or its gradient is not finite.

    The arguments are those of `compute_gradients`.
    """
    result = StepResult.read(compute_gradients(forward, inputs, labels, loss_function, optimizers))
    if result.is_finite:
        for optimizer in optimizers:
            optimizer.step()
    return result


def compute_gradients(
    forward: Callable[[Tensor], Tensor],
    inputs: Tensor,
    labels: Tensor,
    loss_function: nn.Module,
    optimizers: list[torch.optim.Optimizer],
) -> Tensor:
    """Compute the gradients of all weights on one batch.

    Args:
        forward: Maps inputs to logits.
        inputs: Tensor of shape (n, ...): this process's shard of the batch.
        labels: int64 tensor of shape (n,).
        loss_function: Maps logits and labels to a scalar.
        optimizers: Optimizers that together update all weights.

    Returns:
        The four numbers of a `StepResult`, float32 of shape (4,), on the device. One tensor,
        because each copy to the CPU would wait for the device.
    """
    logits = forward(inputs)
    loss = loss_function(logits, labels)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()

    gradients = []
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            gradients += [weight.grad for weight in group["params"] if weight.grad is not None]
    norm = nn.utils.get_total_norm(gradients)

    with torch.no_grad():
        scores = expand_binary_logit(logits)
        plain_loss = functional.cross_entropy(scores, labels, reduction="sum")
        correct = (scores.argmax(1) == labels).sum()
        counts = torch.stack([plain_loss, correct, torch.full_like(plain_loss, len(labels))])
        is_finite = torch.isfinite(loss * norm).float()[None]
        return torch.cat([_distributed.all_reduce_sum(counts), is_finite])
