"""The schedule of a run: its number of steps and their learning rates.

It is decided and written down before the first step, and followed by every repetition.
"""

from __future__ import annotations

import bisect
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NotRequired, TypedDict

from headstart.models.recipes import Recipe
from headstart.results import AugmentationCheck, JsonObject

if TYPE_CHECKING:
    from headstart.classifier import DecidedPrecision

# Fraction of the time limit for what was not measured: saving, a busy machine.
_RESERVED_FRACTION = 0.04

# Fraction of the training time in which speed is only observed: the first steps are the noisiest.
_SETTLING_FRACTION = 0.1

# Changes of the remaining steps below this fraction are not made. Near the end the fraction is that
# of a quarter of the run: the time at stake is small, and every change is written to disk.
_TOLERANCE, _LEAST_REMAINDER = 0.02, 0.25

# A plan that is done is extended if the time allows more than this fraction of its steps.
_TOLERANCE_AT_END = 0.1

# Fraction of the training time between two marks of the pace.
_MARK_FRACTION = 0.01

# Fine-tuning with fewer steps has a lower peak learning rate, in proportion. The first steps of
# Adam are as long as the rate, whatever the gradient, and few steps do not make good what they
# spoil (benchmarks/never_below.md).
_STEPS_OF_FULL_RATE = 60

# The most that writing the results takes.
_WRITING_SECONDS = 0.5

# A plan that lost more than a twentieth of its steps counts as shortened.
_SHORTENED_BELOW = 0.95

# Fewer epochs than this fraction of a recipe's say little about it. The short runs of `tune` have
# this length. On three datasets they ranked recipes as well as any other length did
# (benchmarks/tuning.md), and a twelfth ranked them worse on one (CIFAR-10: rank 4 of 5).
_LEAST_FRACTION = 1 / 6
_LEAST_EPOCHS = 1.0


class PlanValues(TypedDict):
    """The values of a plan in `plan.json`, besides its recipe.

    Attributes:
        batch: Images per step.
        steps_per_epoch: Steps per pass over the training images.
        steps: Steps of the whole run as first planned.
        changes: Pairs (steps done, steps of the whole run), one per later change.
        precision: The decided precision. Version 0.1 wrote none.
        augmentation: The check that decided on horizontal flips, if the recipe left them open.
        stages: Stages of a backbone that learn, from the top; None for all.
    """

    batch: int
    steps_per_epoch: int
    steps: int
    changes: list[tuple[int, int]]
    precision: NotRequired[DecidedPrecision | None]
    augmentation: NotRequired[JsonObject | None]
    stages: NotRequired[int | None]


@dataclass(frozen=True)
class Cost:
    """The cost of a run on this machine, measured before it starts.

    Attributes:
        step: Seconds per step.
        validation: Seconds per evaluation on the validation images.
        end: Seconds of the final evaluation and of writing the results.
        end_images: Images of the final evaluation; 0 if unknown.
    """

    step: float
    validation: float
    end: float
    end_images: int = 0

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
        augmentation: The check that decided on horizontal flips; None if the recipe did.
        stages: Stages of a backbone that learn, from the top; None for all.
        deadline: `time.perf_counter()` by which the run should end. None without a time limit, and
            for a run that follows a plan already written.
        end_seconds: Seconds of the final evaluation and of writing the results, as measured.
        end_images: Images of the final evaluation; 0 if unknown.
        done: Steps done.
        position: Position in the schedule, from 0 to 1.
        changes: Pairs (steps done, steps of the whole run), one wherever a time limit made the run
            shorter or longer on its way.
        planned: Steps of the whole run as first planned.
        most: Steps of the recipe's epochs: a time limit never allows more.
    """

    recipe: Recipe
    batch: int
    steps_per_epoch: int
    steps: int
    precision: DecidedPrecision | None = None
    augmentation: AugmentationCheck | None = None
    stages: int | None = None
    deadline: float | None = None
    end_seconds: float = 0.0
    end_images: int = 0
    done: int = 0
    position: float = 0.0
    changes: list[tuple[int, int]] = field(default_factory=list)
    planned: int = 0
    most: int = 0
    _started: float = field(default_factory=time.perf_counter)
    _marks: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.planned = self.planned or self.steps
        self.most = self.most or self.steps

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

    def as_json(self) -> PlanValues:
        """Return what another run needs to take the same steps."""
        check = self.augmentation
        return {
            "batch": self.batch,
            "steps_per_epoch": self.steps_per_epoch,
            "steps": self.planned,
            "changes": self.changes,
            "precision": self.precision,
            "augmentation": check.model_dump(mode="json") if check is not None else None,
            "stages": self.stages,
        }

    def start(self) -> None:
        """Start the clock: training begins now, or resumes."""
        self._started = time.perf_counter()
        self._marks = [(self._started, self.done)]

    def relative_rate(self) -> float:
        """Return the learning rate of the next step, relative to the peak learning rate.

        It is the rate at the middle of the step.
        """
        recipe = self.recipe
        middle = self.position + 0.5 * (1 - self.position) / max(1, self.steps - self.done)
        rate = relative_rate_at(recipe.schedule, recipe.warmup, middle)
        if recipe.net.is_pretrained and recipe.net.learns_end_to_end:
            rate *= min(1.0, self.steps / _STEPS_OF_FULL_RATE)
        return rate

    def advance(self) -> bool:
        """Advance by one step.

        Where the machine is faster or slower than measured, the number of remaining steps changes
        to what the time allows, but never to more than the recipe's epochs. The learning rate still
        runs through its whole schedule. A plan that an earlier run wrote is followed, change by
        change.

        Returns:
            Whether the plan changed, so that it must be written again.
        """
        self.position += (1 - self.position) / max(1, self.steps - self.done)
        self.done += 1
        for done, steps in self.changes:
            if done == self.done:
                self._change_steps(steps)

        if self.deadline is None:
            return False
        affordable = self._affordable_steps(time.perf_counter())
        if affordable is None:
            return False
        self._change_steps(affordable)
        self.changes.append((self.done, affordable))
        return True

    def _change_steps(self, steps: int) -> None:
        """Change the steps of the whole run.

        A longer run continues where it would be if it had been planned so from the start: a
        learning rate that had fallen rises again. A shorter one falls faster from where it is.
        """
        if steps > self.steps:
            self.position = min(self.position, self.done / steps)
        self.steps = steps

    def _affordable_steps(self, now: float) -> int | None:
        """Return the steps that the time allows; None if the plan should stay as it is."""
        assert self.deadline is not None
        elapsed, total = now - self._started, self.deadline - self._started
        if now - self._marks[-1][0] >= _MARK_FRACTION * total:
            self._marks.append((now, self.done))
        is_settled = elapsed >= _SETTLING_FRACTION * total
        # Steps that were timed at a slow moment are soon done: there is nothing to wait for.
        is_half_done = self.steps - self.done <= self.done - self._marks[0][1]
        if not (is_settled or is_half_done):
            return None

        pace = self._pace(now)
        affordable = int((self.deadline - now - self._end_seconds(pace)) / pace)
        is_at_end = self.done >= self.steps
        steps = min(self.most, self.done + max(0 if is_at_end else 1, affordable))
        remainder = max(self.steps - self.done, _LEAST_REMAINDER * self.steps)
        tolerance = _TOLERANCE_AT_END * self.steps if is_at_end else _TOLERANCE * remainder
        return None if abs(steps - self.steps) <= tolerance else steps

    def _pace(self, now: float) -> float:
        """Return the seconds per step of the recent half of the run, validation included.

        A slow moment at the start is thus forgotten.
        """
        middle = (self._started + now) / 2
        number = bisect.bisect_right(self._marks, (middle, self.done))
        seconds, done = self._marks[max(0, number - 1)]
        return (now - seconds) / (self.done - done)

    def _end_seconds(self, pace: float) -> float:
        """Return the seconds of the final evaluation.

        Predicting an image takes less time than training on it, so a prediction that was timed at
        a slow moment does not count for more.
        """
        if not self.end_images:
            return self.end_seconds
        return min(self.end_seconds, self.end_images * pace / self.batch + _WRITING_SECONDS)


def least_epochs(recipe: Recipe) -> float:
    """Return the minimum number of epochs of a recipe.

    A shorter run is undertrained: its score says little about the recipe. The minimum is
    one sixth of the recipe's epochs, and at least one, unless the recipe itself has fewer. A head
    that is solved at once needs its one pass.

    Args:
        recipe: A resolved recipe.
    """
    assert recipe.epochs is not None, "resolve the recipe first"
    return min(recipe.epochs, max(_LEAST_EPOCHS, _LEAST_FRACTION * recipe.epochs))


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


def plan_from_json(recipe: Recipe, content: PlanValues) -> Plan:
    """Return the plan that `Plan.as_json` described, at its beginning.

    Version 0.1 wrote no precision. Its runs decide it again.
    """
    check = content.get("augmentation")
    return Plan(
        recipe,
        content["batch"],
        content["steps_per_epoch"],
        content["steps"],
        precision=content.get("precision"),
        augmentation=None if check is None else AugmentationCheck.model_validate(check),
        stages=content.get("stages"),
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

    plan.deadline = started + limit * (1 - _RESERVED_FRACTION)
    plan.end_seconds, plan.end_images = cost.end, cost.end_images
    seconds = plan.deadline - cost.end - time.perf_counter()
    epoch_seconds = plan.steps_per_epoch * cost.step + cost.validation
    epochs = max(0, int(seconds / epoch_seconds))

    # A last, incomplete epoch is evaluated like a complete one.
    left = seconds - epochs * epoch_seconds - cost.validation
    extra_steps = max(0, int(left / cost.step))
    affordable = plan.done + epochs * plan.steps_per_epoch + extra_steps
    # Two steps at least: after the first one, `advance` can correct the plan.
    steps = min(plan.most, max(plan.done + 2, affordable))
    plan.steps = plan.planned = max(plan.done + 1, steps)
    plan.position = plan.done / plan.steps
