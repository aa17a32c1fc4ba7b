"""The schedule of a run: its number of steps and their learning rates.

It is decided and written down before the first step, and followed by every repetition.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headstart.models.recipes import Recipe

if TYPE_CHECKING:
    from headstart.classifier import DecidedPrecision

# Fraction of the time limit for what was not measured: saving, a busy machine.
_RESERVED_FRACTION = 0.04

# Fraction of the training time in which speed is only observed: the first steps are the noisiest.
_SETTLING_FRACTION = 0.1

# Changes of the remaining steps below this fraction are not made.
_TOLERANCE = 0.02

# A plan that lost more than a twentieth of its steps counts as shortened.
_SHORTENED_BELOW = 0.95


@dataclass(frozen=True)
class Cost:
    """The cost of a run on this machine, measured before it starts.

    Attributes:
        step: Seconds per step.
        validation: Seconds per evaluation on the validation images.
        end: Seconds of the final evaluation and of writing the results.
    """

    step: float
    validation: float
    end: float

    def remaining_seconds(self, plan: Plan) -> float:
        """Return the seconds of everything that a plan has left to do."""
        steps = plan.steps - plan.done
        validations = math.ceil(steps / plan.steps_per_epoch)
        return steps * self.step + validations * self.validation + self.end


@dataclass
class Plan:
    """The schedule of one run.

    Attributes:
        recipe: The recipe, with every open value decided.
        batch: Images per step.
        steps_per_epoch: Steps per pass over the training images.
        steps: Steps of the whole run.
        precision: What the recipe's precision stands for in this run; None until it is decided.
        deadline: `time.perf_counter()` by which the last step should be done. None without a time
            limit, and for a run that follows a plan already written.
        done: Steps done.
        position: Position in the schedule, from 0 to 1.
        changes: Pairs (steps done, steps of the whole run), one wherever a time limit made the run
            shorter or longer on its way.
        planned: Steps of the whole run as first planned.
    """

    recipe: Recipe
    batch: int
    steps_per_epoch: int
    steps: int
    precision: DecidedPrecision | None = None
    deadline: float | None = None
    done: int = 0
    position: float = 0.0
    changes: list[tuple[int, int]] = field(default_factory=list)
    planned: int = 0
    _started: float = field(default_factory=time.perf_counter)
    _done_at_start: int = 0

    def __post_init__(self) -> None:
        self.planned = self.planned or self.steps

    @property
    def executed_recipe(self) -> Recipe:
        """The recipe with the decided precision: what the run executes on this machine.

        Results keep `recipe` itself, because a classifier may be used on another machine.
        """
        if self.precision is None:
            return self.recipe
        return self.recipe.model_copy(update={"precision": self.precision})

    @property
    def epochs(self) -> float:
        """Passes over the training images that were done."""
        return round(self.done / self.steps_per_epoch, 2)

    @property
    def epoch(self) -> int:
        """Number of the pass that the next step belongs to, from 0."""
        return self.done // self.steps_per_epoch

    @property
    def is_epoch_end(self) -> bool:
        """True if the last step ended a pass or the run."""
        return self.done % self.steps_per_epoch == 0 or self.done >= self.steps

    @property
    def was_shortened(self) -> bool:
        """True if the machine became slower than measured and the time limit cost steps."""
        return self.steps < _SHORTENED_BELOW * self.planned

    def as_json(self) -> dict[str, Any]:
        """Return what another run needs to take the same steps."""
        return {
            "batch": self.batch,
            "steps_per_epoch": self.steps_per_epoch,
            "steps": self.planned,
            "changes": self.changes,
            "precision": self.precision,
        }

    def start(self) -> None:
        """Start the clock: training begins now, or resumes."""
        self._started, self._done_at_start = time.perf_counter(), self.done

    def relative_rate(self) -> float:
        """Return the learning rate of the next step, relative to the peak learning rate.

        It is the rate at the middle of the step.
        """
        recipe = self.recipe
        middle = self.position + 0.5 * (1 - self.position) / max(1, self.steps - self.done)
        return relative_rate_at(recipe.schedule, recipe.warmup, middle)

    def advance(self) -> bool:
        """Advance by one step.

        Where the machine is faster or slower than measured, the number of remaining steps changes
        to what the time allows, but never to more than first planned. The learning rate still runs
        through its whole schedule. A plan that an earlier run wrote is followed, change by change.

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
        elapsed = now - self._started
        if elapsed < _SETTLING_FRACTION * (self.deadline - self._started):
            return False

        seconds_per_step = elapsed / (self.done - self._done_at_start)
        affordable = max(1, int((self.deadline - now) / seconds_per_step))
        steps = min(self.planned, self.done + affordable)
        if abs(steps - self.steps) <= _TOLERANCE * (self.steps - self.done):
            return False
        self.steps = steps
        self.changes.append((self.done, steps))
        return True


def relative_rate_at(schedule: str, warmup: float, position: float) -> float:
    """Return the learning rate relative to the peak learning rate.

    It rises linearly during the warm-up. Then it stays constant, or falls to zero, linearly or
    along half a cosine.

    Args:
        schedule: "constant", "linear" or "cosine".
        warmup: Fraction of the run in which the rate rises.
        position: Position in the run, from 0 to 1.

    References:
        Cosine without restarts: Loshchilov and Hutter (2017), arXiv:1608.03983.
    """
    if position < warmup:
        return position / warmup
    after_warmup = (position - warmup) / (1 - warmup)
    match schedule:
        case "linear":
            return 1 - after_warmup
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * after_warmup))
        case _:
            return 1.0


def plan_steps(recipe: Recipe, train_images: int) -> Plan:
    """Plan a run without a time limit: the recipe's epochs, in full batches.

    The images of a smaller last batch are left for another epoch. A head that is solved takes one
    step, on all images.

    Args:
        recipe: A resolved recipe.
        train_images: Number of training images.
    """
    assert recipe.batch is not None and recipe.epochs is not None, "resolve the recipe first"
    if recipe.optimizer == "lbfgs":
        return Plan(recipe, train_images, 1, 1)
    batch = min(recipe.batch, train_images)
    steps_per_epoch = max(1, train_images // batch)
    return Plan(recipe, batch, steps_per_epoch, max(1, round(recipe.epochs * steps_per_epoch)))


def plan_from_json(recipe: Recipe, content: dict[str, Any]) -> Plan:
    """Return the plan that `Plan.as_json` described, at its beginning.

    Version 0.1 wrote no precision. Its runs decide it again.
    """
    return Plan(
        recipe,
        content["batch"],
        content["steps_per_epoch"],
        content["steps"],
        precision=content.get("precision"),
        changes=[(int(done), int(steps)) for done, steps in content["changes"]],
    )


def fit_to_time(plan: Plan, started: float, cost: Cost) -> None:
    """Shorten the plan so that the run ends within the recipe's time limit.

    Args:
        plan: The plan to shorten.
        started: `time.perf_counter()` when the run began. What it spent before training counts.
        cost: The measured cost.
    """
    limit = plan.recipe.time_limit
    if limit is None:
        return

    plan.deadline = started + limit * (1 - _RESERVED_FRACTION) - cost.end
    seconds = plan.deadline - time.perf_counter()
    epoch_seconds = plan.steps_per_epoch * cost.step + cost.validation
    epochs = max(0, int(seconds / epoch_seconds))

    # A last, incomplete epoch is evaluated like a complete one.
    left = seconds - epochs * epoch_seconds - cost.validation
    extra_steps = max(0, int(left / cost.step))
    affordable = plan.done + epochs * plan.steps_per_epoch + extra_steps
    plan.steps = plan.planned = max(plan.done + 1, min(plan.steps, affordable))
    plan.position = plan.done / plan.steps
