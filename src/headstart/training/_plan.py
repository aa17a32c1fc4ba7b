"""How many steps a run takes and at which rates: decided before the first step, written down, followed by every repeat."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

from headstart.models.recipes import Recipe

_TIME_KEPT_BACK = 0.04  # of the limit, for what was not measured: saving, a busy machine
_SETTLING_SHARE = 0.1  # of the time for training, in which speed is only watched: the first steps are the noisiest
_TOLERANCE = 0.02  # of the remaining steps, below which they are left alone


@dataclass(frozen=True)
class Cost:
    """What a run costs on this machine, as measured before it: seconds of a step, of a validation, of the final evaluation."""

    step: float
    validation: float
    end: float

    def of(self, plan: Plan) -> float:
        """Seconds of all that a plan has left to do."""
        left = plan.steps - plan.done
        return (
            left * self.step + math.ceil(left / plan.steps_per_epoch) * self.validation + self.end
        )


@dataclass
class Plan:
    """The schedule of one run.

    Attributes:
        recipe: with nothing left open.
        batch: images a step.
        steps_per_epoch, steps: of one pass, of the whole run.
        deadline: `time.perf_counter()` by which the last step should be done; None without a time limit, and for a run that
            follows a plan already written.
        changes: (steps done, steps in all) wherever a time limit made the run shorter or longer on its way.
    """

    recipe: Recipe
    batch: int
    steps_per_epoch: int
    steps: int
    deadline: float | None = None
    done: int = 0
    position: float = 0.0  # in the schedule, 0 to 1
    changes: list[tuple[int, int]] = field(default_factory=list)
    planned: int = 0
    _started: float = field(default_factory=time.perf_counter)
    _done_before: int = 0

    def __post_init__(self) -> None:
        self.planned = self.planned or self.steps

    @property
    def epochs(self) -> float:
        """Passes over the training images that were done."""
        return round(self.done / self.steps_per_epoch, 2)

    @property
    def epoch(self) -> int:
        """The pass that the next step belongs to, from 0."""
        return self.done // self.steps_per_epoch

    @property
    def is_epoch_end(self) -> bool:
        """Whether the last step ended a pass, or the run."""
        return self.done % self.steps_per_epoch == 0 or self.done >= self.steps

    @property
    def was_shortened(self) -> bool:
        """Whether the machine became slower than measured, by more than a twentieth, so that the time limit cost steps."""
        return self.steps < 0.95 * self.planned

    def as_json(self) -> dict[str, Any]:
        """What another run needs to take the same steps."""
        return {
            "batch": self.batch,
            "steps_per_epoch": self.steps_per_epoch,
            "steps": self.planned,
            "changes": self.changes,
        }

    def start(self) -> None:
        """Training begins now, or goes on."""
        self._started, self._done_before = time.perf_counter(), self.done

    def rate(self) -> float:
        """Learning rate of the next step, relative to the highest: the rate at the middle of the step."""
        return rate_at(
            self.recipe.schedule,
            self.recipe.warmup,
            self.position + 0.5 * (1 - self.position) / max(1, self.steps - self.done),
        )

    def step_done(self) -> bool:
        """Move on by one step; where the speed is not what was measured, spread the rest over as many steps as there is time for.

        The learning rate still runs through its whole schedule. There are never more steps than first planned. A plan that was
        written by an earlier run is followed instead, change by change.

        Returns:
            Whether the plan changed, so that it must be written again.
        """
        self.position += (1 - self.position) / max(1, self.steps - self.done)
        self.done += 1
        for done, steps in self.changes:
            if done == self.done:
                self.steps = steps
        if self.deadline is None or self.done >= self.steps:
            return False
        now = time.perf_counter()
        if now - self._started < _SETTLING_SHARE * (self.deadline - self._started):
            return False
        affordable = max(
            1,
            int((self.deadline - now) / ((now - self._started) / (self.done - self._done_before))),
        )
        wanted = min(self.planned, self.done + affordable)
        if abs(wanted - self.steps) <= _TOLERANCE * (self.steps - self.done):
            return False
        self.steps = wanted
        self.changes.append((self.done, wanted))
        return True


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
    if recipe.optimizer == "lbfgs":  # one step, which solves the problem
        return Plan(recipe, train_images, 1, 1)
    batch = min(recipe.batch, train_images)
    steps_per_epoch = max(1, train_images // batch)
    return Plan(recipe, batch, steps_per_epoch, max(1, round(recipe.epochs * steps_per_epoch)))


def written_plan(recipe: Recipe, written: dict[str, Any]) -> Plan:
    """The plan that `Plan.as_json` described, at its beginning."""
    changes = [(int(done), int(steps)) for done, steps in written["changes"]]
    return Plan(
        recipe, written["batch"], written["steps_per_epoch"], written["steps"], changes=changes
    )


def fit_to_time(plan: Plan, started: float, cost: Cost) -> None:
    """Shorten the plan so that the run ends within the recipe's time limit.

    Args:
        started: `time.perf_counter()` when the run began: what it spent before training counts.
        cost: as measured.
    """
    limit = plan.recipe.time_limit
    if limit is None:
        return
    plan.deadline = started + limit * (1 - _TIME_KEPT_BACK) - cost.end
    left = plan.deadline - time.perf_counter()
    whole_epoch = plan.steps_per_epoch * cost.step + cost.validation
    epochs = max(0, int(left / whole_epoch))
    # The last part is judged like a whole epoch.
    rest = max(0, int((left - epochs * whole_epoch - cost.validation) / cost.step))
    plan.steps = plan.planned = max(
        plan.done + 1, min(plan.steps, plan.done + epochs * plan.steps_per_epoch + rest)
    )
    plan.position = plan.done / plan.steps
