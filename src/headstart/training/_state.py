"""The state of a run in progress: everything that changes during training, ready to be saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.classifier import Classifier
from headstart.models.recipes import SELECTS_BY_LOSS, Recipe
from headstart.training._curve import CurveRow
from headstart.training._plan import Plan
from headstart.training._step import StepResult


class StateValues(TypedDict):
    """The numbers of a `TrainingState`, as a checkpoint holds them.

    Its attributes and those of `Plan` and `BestWeights` say what they mean. `right` is
    `TrainingState.correct`, and `run` is the key of the run's identity. `done`, `position` and
    `steps` belong to the plan, and the last two to the best weights.
    """

    run: NotRequired[str]
    done: int
    position: float
    steps: int
    curve: list[CurveRow]
    loss: float
    right: int
    count: int
    seconds: float
    reused_seconds: float
    stopped: str | None
    best_loss: float | None
    epochs_since_best: int


@dataclass
class BestWeights:
    """Early stopping: the weights of the epoch with the best validation metric.

    They are kept only if the recipe has a patience.

    Attributes:
        loss: The lowest validation loss so far, or the negated best score of another metric. None
            before the first epoch.
        epochs_since: Epochs since it was reached.
        weights: The weights by name; None if none are kept.
    """

    loss: float | None = None
    epochs_since: int = 0
    weights: dict[str, Tensor] | None = None

    def update(
        self, row: CurveRow, score: float | None, classifier: Classifier, recipe: Recipe
    ) -> str | None:
        """Take an epoch into account; return the reason to stop after it, or None.

        Args:
            row: The epoch.
            score: The metric of the recipe on the validation images; higher is better.
            classifier: The classifier, whose weights are copied if they are the best so far.
            recipe: The recipe, with patience, target and metric.
        """
        loss, accuracy = row["validation_loss"], row["validation_accuracy"]
        if recipe.metric != SELECTS_BY_LOSS and score is not None:
            loss = -score
        if loss is None or accuracy is None:
            return None

        if recipe.target is not None and accuracy >= recipe.target:
            self.weights = None
            return f"validation accuracy {accuracy:.4f} reached the target {recipe.target:g}"

        if recipe.patience is None:
            return None
        if self.loss is None or loss < self.loss:
            self.loss, self.epochs_since = loss, 0
            state = classifier.net.state_dict()
            self.weights = {name: tensor.clone() for name, tensor in state.items()}
            return None
        self.epochs_since += 1
        if self.epochs_since < recipe.patience:
            return None
        what = "loss did not fall"
        if recipe.metric != SELECTS_BY_LOSS:
            what = f"{recipe.metric} did not rise"
        return f"validation {what} for {self.epochs_since} epochs"

    def restore(self, classifier: Classifier) -> bool:
        """Load the best weights into the classifier; return whether any were kept."""
        if self.weights is None:
            return False
        classifier.net.load_state_dict(self.weights)
        return True


@dataclass
class TrainingState:
    """A run in progress.

    Random numbers have no state: each step derives its own from the seed and its number.

    Attributes:
        classifier: The classifier in training.
        optimizers: The optimizers of its weights.
        plan: The schedule, and the position in it.
        best: The weights kept for early stopping.
        curve: One row per epoch.
        loss: Cross-entropy summed over the images of the epoch in progress.
        correct: Number of these images that are correctly classified.
        count: Number of these images.
        seconds: Seconds of training, summed over all processes that resumed it.
        reused_seconds: Seconds that earlier runs had spent on its features when it began. Its own
            are in `seconds`.
        stopped: The reason why training ended early; None while it has not.
        validation: Probabilities of the validation images under the present weights, float32 of
            shape (n, K), where they are known.
        predict_seconds: Seconds of computing them.
    """

    classifier: Classifier
    optimizers: list[torch.optim.Optimizer]
    plan: Plan
    best: BestWeights = field(default_factory=BestWeights)
    curve: list[CurveRow] = field(default_factory=list)
    loss: float = 0.0
    correct: int = 0
    count: int = 0
    seconds: float = 0.0
    reused_seconds: float = 0.0
    stopped: str | None = None
    validation: NDArray[np.float32] | None = None
    predict_seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        """True if nothing is left to train."""
        return self.plan.done >= self.plan.steps or self.stopped is not None

    def accumulate(self, result: StepResult) -> None:
        """Add the result of one step to the sums of the epoch."""
        self.loss += result.loss
        self.correct += result.correct
        self.count += result.count

    def end_epoch(
        self,
        learning_rate: float,
        scores: tuple[float, float] | None,
        score: float | None = None,
    ) -> CurveRow:
        """Close the epoch, and decide whether to stop.

        Args:
            learning_rate: Learning rate of the last step.
            scores: Loss and accuracy on the validation images, if there are any.
            score: The metric of the recipe on the same images, if early stopping needs it.

        Returns:
            The row of the learning curve.
        """
        validation_loss, validation_accuracy = (None, None) if scores is None else scores
        row: CurveRow = {
            "epoch": self.plan.epochs,
            "seconds": self.seconds,
            "learning_rate": learning_rate,
            "train_loss": self.loss / self.count,
            "train_accuracy": self.correct / self.count,
            "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy,
        }
        self.curve.append(row)
        self.loss, self.correct, self.count = 0.0, 0, 0
        self.stopped = self.best.update(row, score, self.classifier, self.plan.recipe)
        return row

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors, by names that `restore` understands."""
        tensors = {}
        for name, tensor in self.classifier.net.state_dict().items():
            tensors[f"net.{name}"] = tensor
        for number, optimizer in enumerate(self.optimizers):
            for index, weight in enumerate(_weights(optimizer)):
                for key, value in optimizer.state[weight].items():
                    if isinstance(value, Tensor):
                        tensors[f"optimizer.{number}.{index}.{key}"] = value
        for name, tensor in (self.best.weights or {}).items():
            tensors[f"best.{name}"] = tensor
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def as_json(self) -> StateValues:
        """Return all numbers, as JSON."""
        return {
            "done": self.plan.done,
            "position": self.plan.position,
            "steps": self.plan.steps,
            "curve": self.curve,
            "loss": self.loss,
            "right": self.correct,
            "count": self.count,
            "seconds": self.seconds,
            "reused_seconds": self.reused_seconds,
            "stopped": self.stopped,
            "best_loss": self.best.loss,
            "epochs_since_best": self.best.epochs_since,
        }

    def restore(self, tensors: dict[str, Tensor], values: StateValues) -> None:
        """Restore the state that `tensors` and `as_json` described.

        Raises:
            KeyError: A value is missing: it belongs to another network or optimizer.
            RuntimeError: A tensor has another shape.
        """
        self.classifier.net.load_state_dict(_with_prefix("net.", tensors))
        for number, optimizer in enumerate(self.optimizers):
            _restore_optimizer(optimizer, _with_prefix(f"optimizer.{number}.", tensors))

        best = {name: value.clone() for name, value in _with_prefix("best.", tensors).items()}
        self.best = BestWeights(values["best_loss"], values["epochs_since_best"], best or None)

        self.plan.done = values["done"]
        self.plan.position = values["position"]
        self.plan.steps = values["steps"]
        self.curve = list(values["curve"])
        self.seconds = values["seconds"]
        self.stopped = values["stopped"]
        self.loss = values["loss"]
        self.correct = values["right"]
        self.count = values["count"]
        self.reused_seconds = values["reused_seconds"]


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    weights = _weights(optimizer)
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        weight = weights[int(index)]
        # In the memory layout of the weight, as the optimizer made it. Sums over it then come out
        # the same to the bit.
        like = weight if value.shape == weight.shape else value
        device = weight.device if optimizer.defaults.get("fused") else like.device
        optimizer.state[weight][key] = torch.empty_like(like, device=device).copy_(value)


def _weights(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    weights: list[Tensor] = []
    for group in optimizer.param_groups:
        weights += group["params"]
    return weights


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names start with `prefix`, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
