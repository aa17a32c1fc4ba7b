"""Everything that changes while a run trains: kept in one place, so that it can be saved and taken up again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.classifier import Classifier, Outcome
from headstart.models.recipes import Recipe
from headstart.training._plan import Plan

Row = dict[str, float | None]


@dataclass
class Best:
    """Early stopping: the weights of the epoch with the lowest validation loss, kept only where the recipe has patience."""

    loss: float | None = None
    epochs_since: int = 0
    weights: dict[str, Tensor] | None = None

    def after(self, row: Row, classifier: Classifier, recipe: Recipe) -> str | None:
        """Why to stop after this epoch, or None."""
        loss, accuracy = row["validation_loss"], row["validation_accuracy"]
        if loss is None or accuracy is None:
            return None
        if recipe.target is not None and accuracy >= recipe.target:
            self.weights = None
            return f"validation accuracy {accuracy:.4f} reached the target {recipe.target:g}"
        if recipe.patience is None:
            return None
        if self.loss is None or loss < self.loss:
            self.loss, self.epochs_since = loss, 0
            self.weights = {
                name: tensor.clone() for name, tensor in classifier.net.state_dict().items()
            }
            return None
        self.epochs_since += 1
        return (
            f"validation loss did not fall for {self.epochs_since} epochs"
            if self.epochs_since >= recipe.patience
            else None
        )

    def restore(self, classifier: Classifier) -> bool:
        """Take the best weights back, if any were kept; whether so."""
        if self.weights is None:
            return False
        classifier.net.load_state_dict(self.weights)
        return True


@dataclass
class State:
    """A run in progress. Random numbers have no state: each step draws its own from the seed and its number.

    Attributes:
        curve: one row an epoch.
        loss, right, count: sums over the images of the epoch in progress.
        seconds: spent on training, by all processes that worked on it one after the other.
        reused_seconds: what earlier runs had spent on its features when it began; its own are in `seconds`.
        stopped: why training ended; None while it has not.
        validation: `(n, K)` probabilities under the present weights, where they are known; computing them took `predict_seconds`.
    """

    classifier: Classifier
    optimizers: list[torch.optim.Optimizer]
    plan: Plan
    best: Best = field(default_factory=Best)
    curve: list[Row] = field(default_factory=list)
    loss: float = 0.0
    right: int = 0
    count: int = 0
    seconds: float = 0.0
    reused_seconds: float = 0.0
    stopped: str | None = None
    validation: NDArray[np.float32] | None = None
    predict_seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train."""
        return self.plan.done >= self.plan.steps or self.stopped is not None

    def see(self, outcome: Outcome) -> None:
        """Count what one step saw."""
        self.loss, self.right, self.count = (
            self.loss + outcome.loss,
            self.right + outcome.right,
            self.count + outcome.count,
        )

    def end_epoch(self, learning_rate: float, validation: tuple[float, float] | None) -> Row:
        """Close the epoch: its row of the curve, with (loss, accuracy) on the validation images, and whether to stop."""
        row: Row = {
            "epoch": self.plan.epochs,
            "seconds": self.seconds,
            "learning_rate": learning_rate,
            "train_loss": self.loss / self.count,
            "train_accuracy": self.right / self.count,
            "validation_loss": None if validation is None else validation[0],
            "validation_accuracy": None if validation is None else validation[1],
        }
        self.curve.append(row)
        self.loss, self.right, self.count = 0.0, 0, 0
        self.stopped = self.best.after(row, self.classifier, self.plan.recipe)
        return row

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, by names that `restore` understands."""
        found = {f"net.{name}": tensor for name, tensor in self.classifier.net.state_dict().items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, weight in enumerate(_weights(optimizer)):
                for key, value in optimizer.state[weight].items():
                    if isinstance(value, Tensor):
                        found[f"optimizer.{number}.{index}.{key}"] = value
        if self.best.weights is not None:
            found |= {f"best.{name}": tensor for name, tensor in self.best.weights.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def facts(self) -> dict[str, Any]:
        """All numbers, as JSON."""
        return {
            "done": self.plan.done,
            "position": self.plan.position,
            "steps": self.plan.steps,
            "curve": self.curve,
            "loss": self.loss,
            "right": self.right,
            "count": self.count,
            "seconds": self.seconds,
            "reused_seconds": self.reused_seconds,
            "stopped": self.stopped,
            "best_loss": self.best.loss,
            "epochs_since_best": self.best.epochs_since,
        }

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Become the state that `tensors` and `facts` describe.

        Raises:
            KeyError, RuntimeError: they are of another network or optimizer.
        """
        net = self.classifier.net
        net.load_state_dict(_under("net.", tensors))
        for number, optimizer in enumerate(self.optimizers):
            weights = _weights(optimizer)
            for name, value in _under(f"optimizer.{number}.", tensors).items():
                index, key = name.split(".", 1)
                weight = weights[int(index)]
                # In the memory layout of its weight, as the optimizer made it: sums over it then come out the same to the bit.
                kept = (
                    torch.empty_like(weight)
                    if value.shape == weight.shape
                    else torch.empty_like(value)
                )
                optimizer.state[weight][key] = kept.copy_(value)
        best = _under("best.", tensors)
        self.best = Best(
            facts["best_loss"],
            facts["epochs_since_best"],
            {k: v.clone() for k, v in best.items()} or None,
        )
        self.plan.done, self.plan.position, self.plan.steps = (
            facts["done"],
            facts["position"],
            facts["steps"],
        )
        self.curve, self.seconds, self.stopped = (
            list(facts["curve"]),
            facts["seconds"],
            facts["stopped"],
        )
        self.loss, self.right, self.count = facts["loss"], facts["right"], facts["count"]
        self.reused_seconds = facts["reused_seconds"]


def _weights(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
