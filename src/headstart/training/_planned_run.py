"""A run between its plan and its results: planned, resumed or continued, ready to be trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from headstart import progress
from headstart.classifier import decide_bfloat16, decide_precision
from headstart.errors import InputError
from headstart.formatting import approximate_duration
from headstart.results import StartingPoint as StartingPointResult
from headstart.training import _distributed
from headstart.training._checkpoints import Checkpoints, load_final_state
from headstart.training._cost import measure_cost
from headstart.training._depth import Depth, choose_depth, freeze_below
from headstart.training._identity import RunIdentity
from headstart.training._inputs import TrainingInputs, prepare_training
from headstart.training._job import TrainingJob
from headstart.training._optimizers import make_optimizers
from headstart.training._plan import Cost, Plan, fit_to_time, least_epochs, plan_steps
from headstart.training._resolve import check_mirror, resolve_recipe
from headstart.training._run_files import read_plan, write_plan
from headstart.training._starting_point import StartingPoint, copy_starting_point
from headstart.training._state import TrainingState

if TYPE_CHECKING:
    from headstart.classifier import DecidedPrecision

# Shorter runs are not worth an announcement.
ANNOUNCED_SECONDS = 2.0


@dataclass
class PlannedRun:
    """Everything that training and evaluation of one run need.

    Attributes:
        job: The job.
        identity: Its identity, as in `recipe.json`.
        state: Its classifier, optimizers and plan, and the position in the plan.
        model: The network as all processes train it; see `wrap_model`.
        inputs: What the network is trained on.
        checkpoints: Its checkpoints.
        start: The network before fine-tuning; None if its head was not fitted before.
        choice: Whether the run keeps it, decided after training.
    """

    job: TrainingJob
    identity: RunIdentity
    state: TrainingState
    model: nn.Module
    inputs: TrainingInputs
    checkpoints: Checkpoints
    start: StartingPoint | None = None
    choice: StartingPointResult | None = None

    def write_plan(self) -> None:
        """Write `plan.json`."""
        write_plan(self.job.folder, self.identity, self.state.plan, self.state.classifier)


def plan_run(job: TrainingJob, identity: RunIdentity, started: float) -> PlannedRun:
    """Decide everything that the recipe leaves open, and write it down.

    A plan that was already written, by this run or by the run to repeat, is followed.

    Args:
        job: The job.
        identity: Its identity.
        started: `time.perf_counter()` when the run began.

    Raises:
        InputError: The run to repeat or to continue does not fit.
    """
    written = _distributed.broadcast(_written_plan(job, identity))
    train_images = len(job.data.split.train)
    if written is None:
        depth = Depth(resolve_recipe(job.recipe, job.data))
        if job.after is None:
            depth = _distributed.broadcast(choose_depth(depth.recipe, job.data))
        plan = plan_steps(depth.recipe, train_images)
        plan.stages = depth.stages
        plan.augmentation = check_mirror(job.recipe, job.data)
        if plan.augmentation is not None:
            progress.say(plan.augmentation.sentence)
    else:
        plan = written
    plan.precision = _distributed.broadcast(_decide_precision(plan, job))

    classifier, inputs = prepare_training(plan.executed_recipe, job.data, job.seed)
    freeze_below(classifier.net, plan.stages)
    start = copy_starting_point(classifier, inputs.start)
    model = _distributed.wrap_model(classifier.net)
    # With "auto", the plan decides for Muon as well: two machines may measure different speeds.
    is_rounded = plan.precision == "bfloat16" if plan.recipe.precision == "auto" else None
    optimizers = make_optimizers(classifier.net, plan.recipe, is_rounded=is_rounded)
    state = TrainingState(classifier, optimizers, plan)
    if job.after is not None:
        _continue_from(job.after, state)

    if written is None:
        cost = measure_cost(plan, classifier, inputs, job.data)
        fit_to_time(plan, started, cost)
        if _distributed.world_size() > 1:
            plan.deadline = None  # each process has its own clock: the agreed steps stay
        _announce_cost(plan, cost, train_images)
        _warn_if_short(plan)

    checkpoints = Checkpoints(job.folder, identity.key)
    run = PlannedRun(job, identity, state, model, inputs, checkpoints, start)
    if _distributed.is_main_process():
        run.write_plan()
    return run


def resume(run: PlannedRun) -> bool:
    """Restore the newest intact checkpoint; return whether there was one.

    Raises:
        InputError: The checkpoint belongs to another network.
    """
    state, checkpoints = run.state, run.checkpoints
    newest = checkpoints.load_newest() if _distributed.is_main_process() else None
    saved = _distributed.broadcast(newest)
    if saved is None:
        if run.job.after is None:
            state.reused_seconds = run.inputs.reused_seconds
        return False

    try:
        state.restore(*saved)
    except (KeyError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{checkpoints.folder} cannot be resumed: {str(error).splitlines()[0]}",
            "Remove that folder and run again. It may belong to another version of Headstart.",
        ) from error
    progress.say(f"resumed after step {state.plan.done:,} of {state.plan.steps:,}.")
    return True


def _written_plan(job: TrainingJob, identity: RunIdentity) -> Plan | None:
    """Return the plan of this run or of the run to repeat; None if there is neither."""
    plan = read_plan(job.folder, identity)
    if plan is not None or job.repeat is None:
        return plan

    plan = read_plan(job.repeat, identity)
    if plan is None:
        raise InputError(
            f"{job.repeat} is not a run of this recipe, data, split and seed, so its steps cannot "
            "be repeated.",
            "Leave out all other options: `headstart train --repeat RUN`.",
        )
    return plan


def _decide_precision(plan: Plan, job: TrainingJob) -> DecidedPrecision:
    """Return the precision of the written plan, of the study, or of this machine, in this order."""
    if plan.precision is not None:
        return plan.precision
    if plan.recipe.precision == "auto" and job.precision is not None:
        return job.precision
    return decide_precision(plan.recipe.precision)


def _continue_from(run: Path, state: TrainingState) -> None:
    """Restore the final state of a finished run, so that training continues from it."""
    if state.plan.recipe.optimizer == "lbfgs":
        raise InputError(
            f"the head of {run} was solved: more epochs change nothing.",
            "Choose --optimizer adam, or --transfer finetune.",
        )
    saved = _distributed.broadcast(load_final_state(run))
    if saved is None:
        raise InputError(
            f"{run} does not hold an intact training state to continue from.",
            "Train again with more --epochs. The state was damaged or removed.",
        )

    steps = state.plan.steps
    state.restore(*saved)
    state.stopped, state.plan.steps = None, steps
    # The learning rate continues where it would be in the longer run.
    state.plan.position = state.plan.done / steps


def _warn_if_short(plan: Plan) -> None:
    """Warn before the first step if a time limit leaves fewer than the recipe's minimum epochs."""
    limit = plan.recipe.time_limit
    epochs, least = plan.steps / plan.steps_per_epoch, least_epochs(plan.recipe)
    if limit is None or epochs >= least:
        return
    needed = math.ceil(limit * least / epochs / 10) * 10
    progress.say(
        f"WARNING: the time limit leaves {epochs:.2g} epochs, and this recipe needs at least "
        f"{least:.2g} to learn. Pass --time-limit {needed}s, or a smaller --preset or --epochs."
    )


def _announce_cost(plan: Plan, cost: Cost, train_images: int) -> None:
    """Report the expected duration of a run, unless it is short."""
    seconds = cost.remaining_seconds(plan)
    if seconds < ANNOUNCED_SECONDS:
        return
    epochs = (plan.steps - plan.done) / plan.steps_per_epoch
    speed = plan.batch / cost.step
    progress.say(
        f"{plan.recipe.model}: {epochs:.3g} epochs of {train_images:,} images, about "
        f"{approximate_duration(seconds)} on this machine ({speed:,.0f} images/s; "
        f"{plan.precision}: {decide_bfloat16().reason})."
    )
