"""A rung of the ladder: one run to train, and its result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.models.recipes import Recipe, read_recipe, resolve
from headstart.results import JsonObject, PartScores, RunMetrics

CNN = "cnn"
FROZEN, FINE_TUNED = "frozen", "fine-tuned"
_SHORT, _SEED, _LONGER = ", short", ", seed", ", longer"


@dataclass(frozen=True)
class Rung:
    """One run of the ladder.

    Attributes:
        name: Name for people, unique in the study.
        family: "cnn", "frozen" or "fine-tuned".
        recipe: How to train. Its time limit is the time that the rung may take.
        seconds: Seconds that it is expected to take.
        reason: Why it is entered.
        seed: Seed of the run.
    """

    name: str
    family: str
    recipe: Recipe
    seconds: float
    reason: str
    seed: int = 0

    @property
    def is_short(self) -> bool:
        """True if it only tries a family."""
        return self.name.endswith(_SHORT)

    def as_json(self) -> JsonObject:
        """Return the rung as it is written to `ladder.json`."""
        return {**vars(self), "recipe": self.recipe.model_dump(mode="json")}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Rung:
        """Return the rung that `as_json` described."""
        return cls(**{**content, "recipe": read_recipe(content["recipe"])})


@dataclass(frozen=True, eq=False)
class FoldScores:
    """The scores of a rung on the training and validation images together, from folds.

    Each image is predicted by the model of the fold that had not seen it.

    Attributes:
        labels: Labels of these N images, int64 of shape (N,).
        raw: Class probabilities as the networks give them, float32 of shape (N, K).
        probabilities: The same, calibrated by one temperature.
        score: The score by the metric of the selection; higher is better.
        parts: Accuracy, interval and loss of the raw probabilities.
        seconds: Seconds of all folds.
    """

    labels: NDArray[np.int64]
    raw: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    score: float
    parts: PartScores
    seconds: float

    @property
    def rank(self) -> tuple[float, float]:
        """The key that orders results: by score, and by loss among equal scores."""
        return self.score, -self.parts.loss


@dataclass(frozen=True, eq=False)
class RungResult:
    """The result of a finished rung.

    Attributes:
        rung: The rung.
        folder: Its run folder.
        metrics: The metrics of its run.
        raw: Class probabilities of the validation images as the network gives them, float32 of
            shape (N, K).
        probabilities: The same, calibrated.
        score: Its score by the metric of the selection; higher is better.
        seconds: Seconds that it took, without folds.
        folds: Its scores by cross-validation; None without folds.
    """

    rung: Rung
    folder: Path
    metrics: RunMetrics
    raw: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    score: float
    seconds: float
    folds: FoldScores | None = None

    @property
    def family(self) -> str:
        """The family of its rung."""
        return self.rung.family

    @property
    def loss(self) -> float:
        """Mean cross-entropy of the validation images, in nats."""
        assert self.metrics.validation is not None, "fit needs validation images"
        return self.metrics.validation.loss

    @property
    def rank(self) -> tuple[float, float]:
        """The key that orders results: by score, and by loss among equal scores."""
        return self.score, -self.loss

    @property
    def is_head_only(self) -> bool:
        """True if the time of a fine-tuning allowed no more than a head on frozen features."""
        return self.family == FINE_TUNED and self.is_solved

    @property
    def ended_as_head(self) -> bool:
        """True if a fine-tuning is no more than a head on frozen features in the end.

        Its time allowed no more, or its steps did not improve on the head that it started from.
        """
        start = self.metrics.start
        return self.is_head_only or (start is not None and start.is_kept)

    @property
    def is_head(self) -> bool:
        """True if it is a head on frozen features, of either family of a backbone."""
        return self.family == FROZEN or self.ended_as_head

    @property
    def head_note(self) -> str:
        """Words that follow the name of a fine-tuning that ended as a head; empty for others."""
        if not self.ended_as_head:
            return ""
        why = "its steps did not improve on the head that it started from"
        if self.is_head_only:
            why = "less than one epoch fitted into its time"
        return f"ended as a head on frozen features, because {why}; it is in no average"

    @property
    def is_solved(self) -> bool:
        """True if it is a head that was solved at once, on frozen features."""
        return self.metrics.recipe.get("optimizer") == "lbfgs"

    @property
    def seconds_with_folds(self) -> float:
        """Seconds that it took, folds included."""
        return self.seconds + (0.0 if self.folds is None else self.folds.seconds)

    @property
    def seconds_per_epoch(self) -> float:
        """Seconds of training per pass over the training images."""
        seconds = self.metrics.seconds
        return max(0.0, seconds.train - seconds.prepare) / max(self.metrics.epochs, 1e-9)


@dataclass(frozen=True)
class FailedRung:
    """A rung whose run failed.

    Attributes:
        rung: The rung.
        message: The reason.
        seconds: Seconds that it took.
    """

    rung: Rung
    message: str
    seconds: float


def base_name(name: str) -> str:
    """Return the name of a rung without what tells it from others of the same recipe."""
    for end in (_SHORT, _SEED, _LONGER):
        name = name.partition(end)[0]
    return name


def name_of_longer(name: str, taken: Collection[str]) -> str:
    """Return a name for a longer run of the same recipe: the plain one unless it is taken.

    Args:
        name: The name of a run of the recipe.
        taken: The names of all rungs.
    """
    longer, number = base_name(name), 1
    while longer in taken:
        longer = base_name(name) + _LONGER + (f" {number}" if number > 1 else "")
        number += 1
    return longer


def input_px_of(recipe: Recipe) -> int:
    """Return the image size of a backbone's recipe in pixels, which the ladder decided."""
    px = recipe.flat()["input_px"]
    assert isinstance(px, int), "the ladder decides the image size"
    return px


def full_epochs(recipe: Recipe, train_images: int) -> float:
    """Return the epochs of a recipe without a time limit."""
    return resolve(recipe, train_images).epochs or 1.0


def is_complete(result: RungResult, train_images: int) -> bool:
    """Return whether a run had all epochs of its recipe, so that more time changes nothing."""
    epochs = full_epochs(result.rung.recipe, train_images)
    return result.metrics.epochs >= 0.97 * epochs
