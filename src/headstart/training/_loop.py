"""The training loop."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart import progress
from headstart.errors import RunFailed, Stopped
from headstart.features import solve_head
from headstart.formatting import percent
from headstart.signals import deferred_signals
from headstart.training import _distributed
from headstart.training._cuda_graph import GraphedStep, can_record_steps
from headstart.training._curve import CurveRow
from headstart.training._evaluate import evaluate_validation, selection_score
from headstart.training._inputs import FeatureInputs
from headstart.training._observe import RunObserver
from headstart.training._optimizers import set_learning_rates
from headstart.training._plan import Plan
from headstart.training._planned_run import PlannedRun
from headstart.training._progress_file import ProgressFile
from headstart.training._random import RngKey, make_generator, seed_step
from headstart.training._step import (
    StepResult,
    describe_class_weights,
    make_loss,
    shard_labels,
    training_step,
)


def fit(run: PlannedRun, observer: RunObserver, started: float) -> None:
    """Train until the plan is done, or early stopping ends the run.

    What step k draws follows from seed and k, so a position is all that a resumed run needs.

    Args:
        run: The run; its state is advanced.
        observer: Receives each epoch.
        started: `time.perf_counter()` when this process began with the run. A new run counts the
            time since then as training, for it prepared the inputs.

    Raises:
        RunFailed: Loss, gradient or weights are not finite.
        Stopped: A signal asked to stop. Everything is saved.
    """
    state, plan, checkpoints = run.state, run.state.plan, run.checkpoints
    is_main = _distributed.is_main_process()
    steps = _Steps(run)
    progress_file = ProgressFile(run.job.folder)
    clock = _Clock(started if not state.seconds else time.perf_counter(), state.seconds)
    title = f"{plan.recipe.model}, seed {run.job.seed}"
    plan.start()
    with (
        progress.task(title, plan.steps * plan.batch, "images") as task,
        deferred_signals() as stop,
    ):
        task.advance(plan.done * plan.batch)
        while not state.is_done:
            relative_rate = plan.relative_rate()
            result = steps.take(relative_rate)
            if not result.is_finite:
                raise _not_finite(result.loss, plan, relative_rate)
            state.accumulate(result)

            if plan.advance():
                run.write_plan()
                task.resize(plan.steps * plan.batch)

            if plan.is_epoch_end:
                row = _end_epoch(run, plan.recipe.lr * relative_rate, clock)
                task.note(_describe_epoch(row, run, state.seconds))
                with clock.paused():  # exclude observer callbacks from training time
                    observer.epoch(len(state.curve), row)

            task.advance(plan.batch)
            state.seconds = clock.seconds()
            if run.job.watch is not None:
                run.job.watch(plan.done, state.seconds)
            if is_main:
                checkpoints.save_if_due(state)
                progress_file.write_if_due(state)

            signum = _distributed.any_signal(stop.signum)
            if signum:
                if is_main:
                    checkpoints.save(state)
                    progress_file.write(state)
                raise _stopped(signum, run)

    # With the last weights. The best ones, if others, are saved beside them.
    if is_main:
        checkpoints.save(state)
    if state.best.restore(state.classifier):
        state.validation = None


def _end_epoch(run: PlannedRun, learning_rate: float, clock: _Clock) -> CurveRow:
    """Evaluate the validation images, and return the row of the epoch."""
    state, data = run.state, run.job.data
    scores = evaluate_validation(state, run.inputs, data)
    state.seconds = clock.seconds()
    return state.end_epoch(learning_rate, scores, selection_score(state, data))


class _Clock:
    """Seconds of training, those before a resume included."""

    def __init__(self, started: float, seconds_before: float) -> None:
        self._zero = started - seconds_before

    def seconds(self) -> float:
        """Return the seconds so far."""
        return time.perf_counter() - self._zero

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block."""
        before = time.perf_counter()
        yield
        self._zero += time.perf_counter() - before


def _make_step(
    forward: Callable[[Tensor], Tensor],
    loss_function: nn.Module,
    optimizers: list[torch.optim.Optimizer],
) -> Callable[[Tensor, Tensor], StepResult]:
    """Return a function that takes one training step on inputs and labels of fixed shapes."""
    if can_record_steps(optimizers):
        return GraphedStep(forward, loss_function, optimizers)
    return lambda inputs, labels: training_step(forward, inputs, labels, loss_function, optimizers)


class _Steps:
    """The steps of a run, one at a time."""

    def __init__(self, run: PlannedRun) -> None:
        self._run = run
        self._state = run.state
        self._loss_function = make_loss(run.state.plan.recipe, run.job.data)
        note = describe_class_weights(run.state.plan.recipe, run.job.data)
        if note is not None:
            progress.say(note)
        forward = functools.partial(run.state.classifier.logits, wrapper=run.model)
        self._step = _make_step(forward, self._loss_function, run.state.optimizers)
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def take(self, relative_rate: float) -> StepResult:
        """Take the next step of the plan at a learning rate relative to the peak learning rate."""
        run, state, plan = self._run, self._state, self._state.plan
        rows = self._rows()
        set_learning_rates(state.optimizers, relative_rate, plan.position)
        state.classifier.train()
        seed_step(run.job.seed, plan.done)
        if plan.recipe.optimizer == "lbfgs":
            return self._solve(np.sort(rows))  # sorted, so that the seed does not matter

        rng_key = RngKey(run.job.seed, plan.done, plan.epoch)
        batch = run.inputs.batch(rows, plan.recipe, rng_key)
        return self._step(batch, shard_labels(run.job.data.dataset, rows))

    def _rows(self) -> NDArray[np.int64]:
        """Return the dataset indices of the next batch."""
        plan, train_rows = self._state.plan, self._run.job.data.split.train
        if plan.epoch != self._epoch:
            self._epoch = plan.epoch
            generator = make_generator(self._run.job.seed, "order", plan.epoch)
            self._order = torch.randperm(len(train_rows), generator=generator).numpy()
        start = plan.done % plan.steps_per_epoch * plan.batch
        return train_rows[self._order[start : start + plan.batch]]

    def _solve(self, rows: NDArray[np.int64]) -> StepResult:
        """Solve the linear head on the features of all training images."""
        run, classifier = self._run, self._state.classifier
        assert isinstance(run.inputs, FeatureInputs)
        features = run.inputs.standardised(rows)
        labels = run.job.data.dataset.labels[rows]
        class_weights = self._loss_function.class_weights
        solved = solve_head(classifier, features, labels, classifier.recipe, class_weights)
        return StepResult(solved.loss, solved.correct, len(rows), math.isfinite(solved.loss))


def _describe_epoch(row: CurveRow, run: PlannedRun, seconds: float) -> str:
    """Return the line of an epoch for the progress bar."""
    plan, split = run.state.plan, run.job.data.split
    images, validation_accuracy, validation = len(split.train), row["validation_accuracy"], ""
    if validation_accuracy is not None:
        images = min(images, len(split.validation))
        validation = f", validation {percent(validation_accuracy, images)}"
    speed = plan.done * plan.batch / seconds
    return (
        f"epoch {row['epoch']:g}: loss {row['train_loss']:.3f}, "
        f"accuracy {percent(row['train_accuracy'], images)}{validation}, "
        f"{speed:,.0f} images/s"
    )


def _not_finite(loss: float, plan: Plan, relative_rate: float) -> RunFailed:
    recipe = plan.recipe
    problem = "the gradient is not finite" if math.isfinite(loss) else f"the loss became {loss}"
    hint = f"Try a lower learning rate: --lr {recipe.lr / 10:.3g}"
    if plan.precision == "bfloat16":
        hint += ", or --precision float32"
    return RunFailed(
        f"{problem} in batch {plan.done % plan.steps_per_epoch + 1} of epoch {plan.epoch + 1} "
        f"(learning rate {recipe.lr * relative_rate:.3g}).",
        f"{hint}.",
    )


def _stopped(signum: int, run: PlannedRun) -> Stopped:
    plan, command = run.state.plan, run.job.command
    return Stopped(
        signum,
        f"stopped after step {plan.done:,} of {plan.steps:,}; everything is saved in "
        f"{run.job.folder}.",
        f"Resume with: {command}" if command else "Run the same command again to resume.",
    )
