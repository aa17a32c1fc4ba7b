"""How many steps a run takes and at which rates: decided before the first step, from measured speed where time is limited."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from headstart.training._recipe import Recipe

_TIME_KEPT_BACK = 0.04  # of the limit, for what was not measured: saving, a busy machine
_SETTLING_SHARE = 0.1  # of the time for training, in which speed is only watched: the first steps are the noisiest
_TOLERANCE = 0.02  # of the remaining steps, below which they are left alone


@dataclass
class Plan:
    """The schedule of one run.

    Attributes:
        batch: images a step.
        steps_per_epoch, steps: of one pass, of the whole run.
        deadline: `time.perf_counter()` by which the last step should be done; None without a time limit.
    """

    recipe: Recipe
    batch: int
    steps_per_epoch: int
    steps: int
    deadline: float | None = None
    done: int = 0
    position: float = 0.0  # in the schedule, 0 to 1
    _started: float = field(default_factory=time.perf_counter)
    _planned: int = 0

    @property
    def epochs(self) -> float:
        """Passes over the training images that were done."""
        return round(self.done / self.steps_per_epoch, 2)

    @property
    def was_shortened(self) -> bool:
        """Whether the machine became slower than measured, by more than a twentieth, so that the time limit cost steps."""
        return self.steps < 0.95 * self._planned

    def start(self) -> None:
        """Training begins now."""
        self._started, self._planned = time.perf_counter(), self.steps

    def rate(self) -> float:
        """Learning rate of the next step, relative to the highest: the rate at the middle of the step."""
        return rate_at(
            self.recipe.schedule, self.recipe.warmup, self.position + 0.5 * (1 - self.position) / max(1, self.steps - self.done)
        )

    def step_done(self) -> None:
        """Move on by one step; where the speed is not what was measured, spread the rest over as many steps as there is time for.

        The learning rate still runs through its whole schedule. There are never more steps than first planned.
        """
        self.position += (1 - self.position) / max(1, self.steps - self.done)
        self.done += 1
        if self.deadline is None or self.done >= self.steps:
            return
        now = time.perf_counter()
        if now - self._started < _SETTLING_SHARE * (self.deadline - self._started):
            return
        affordable = max(1, int((self.deadline - now) / ((now - self._started) / self.done)))
        wanted = min(self._planned, self.done + affordable)
        if abs(wanted - self.steps) > _TOLERANCE * (self.steps - self.done):
            self.steps = wanted


def rate_at(schedule: str, warmup: float, position: float) -> float:
    """Learning rate relative to the highest, at `position` in [0, 1].

    Rises linearly during the first `warmup` of the run; then stays (constant), falls linearly, or along half a cosine
    (Loshchilov & Hutter 2017, without restarts), both to zero.
    """
    if position < warmup:
        return position / warmup
    rest = (position - warmup) / (1 - warmup)
    match schedule:
        case "linear":
            return 1 - rest
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * rest))
        case _:
            return 1.0


def plan_steps(recipe: Recipe, train_images: int) -> Plan:
    """The plan without a time limit: the recipe's epochs, in whole batches; a shorter last batch is left for another epoch."""
    assert recipe.batch is not None and recipe.epochs is not None, "resolve the recipe first"
    batch = min(recipe.batch, train_images)
    steps_per_epoch = max(1, train_images // batch)
    return Plan(recipe, batch, steps_per_epoch, max(1, round(recipe.epochs * steps_per_epoch)))


def fit_to_time(plan: Plan, started: float, step_seconds: float, epoch_seconds: float, end_seconds: float) -> None:
    """Shorten the plan so that the run ends within the recipe's time limit.

    Args:
        started: `time.perf_counter()` when the run began: what it spent before training counts.
        step_seconds, epoch_seconds: measured cost of a training step, and of what follows each epoch (validation).
        end_seconds: cost of the final evaluation.
    """
    limit = plan.recipe.time_limit
    if limit is None:
        return
    plan.deadline = started + limit * (1 - _TIME_KEPT_BACK) - end_seconds
    left = plan.deadline - time.perf_counter()
    whole_epoch = plan.steps_per_epoch * step_seconds + epoch_seconds
    epochs = max(0, int(left / whole_epoch))
    rest = max(0, int((left - epochs * whole_epoch - epoch_seconds) / step_seconds))  # the last part is judged like a whole one
    plan.steps = max(1, min(plan.steps, epochs * plan.steps_per_epoch + rest))
