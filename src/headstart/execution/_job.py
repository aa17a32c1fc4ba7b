"""Jobs, their outcomes, and one attempt at a job, which is the same wherever it executes."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data import Split, SplitDataset, with_train, without_test
from headstart.errors import InputError, ResourceError, RunFailed, Stopped, TooLittleMemory
from headstart.models.recipes import Recipe
from headstart.results import RunSummary
from headstart.training import TrainingJob, load_finished_run, run_identity, run_summary

if TYPE_CHECKING:
    from headstart.classifier import DecidedPrecision

Reason = Literal["not finite", "memory", "crashed", "hung", "input", "error"]


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Attributes:
        name: Name for people, unique in the study.
        recipe: How to train.
        seed: Seed of the run.
        folder: The run folder, on the machine of the study.
        reads_test: Whether test images are read. Runs that serve selection must not read them.
        train: int64 dataset indices of the training images that this run uses; None for all of the
            split.
        split: The split of this run, such as that of a fold; None for that of the study.
        precision: What the recipe's precision stands for in this study. None until the job is sent
            to a worker; see `with_decided_precision`.
        after: Folder of a finished run to continue with more epochs; None for most runs.
    """

    name: str
    recipe: Recipe
    seed: int
    folder: Path
    reads_test: bool = True
    train: NDArray[np.int64] | None = None
    precision: DecidedPrecision | None = None
    split: Split | None = None
    after: Path | None = None

    def visible_data(self, data: SplitDataset) -> SplitDataset:
        """Return what this run may see of the data that all jobs share."""
        if self.split is not None:
            data = replace(data, split=self.split)
        if self.train is not None:
            data = with_train(data, self.train)
        return data if self.reads_test else without_test(data)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job.

    Attributes:
        job: The job.
        summary: What `headstart.training.train` returned; None if the run failed.
        reason: Why it failed, in one or two words; None if it did not. A study stops after three
            failures in a row for one reason.
        message: The message of the failure.
    """

    job: Job
    summary: RunSummary | None
    reason: Reason | None
    message: str = ""


@dataclass(frozen=True)
class Where:
    """Where the runs of a study execute.

    Attributes:
        workers: Number of processes of this machine, which share its cores; 1 is this process
            itself.
        ray: Address of a Ray cluster. "auto" is the one that `ray start` left or RAY_ADDRESS names,
            else one of this machine.
        memory_gb: Memory that each of several workers may use, in 1e9 bytes; torch alone takes 0.8
            of it. None for an equal share of what is free at the start. Linux only.
        hung_seconds: A worker without progress for so long is killed.
    """

    workers: int = 1
    ray: str | None = None
    memory_gb: float | None = None
    hung_seconds: float = 600.0

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(
                f"invalid --workers: expected 1 or more, got {self.workers}.", "Leave it out for 1."
            )
        if self.ray is not None and self.workers > 1:
            raise InputError(
                "--workers counts processes of this machine, and --ray uses a cluster.",
                "Give one of the two.",
            )
        for name in ("memory_gb", "hung_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"invalid {name}: expected a number above 0, got {value}.")


class Executor(Protocol):
    """Executes jobs. Each job has exactly one outcome; they arrive in the order in which runs end.

    Both methods raise what concerns more than one run: ResourceError (the folder is in use, the
    disk is full) and Stopped (a signal; runs in progress are saved). The study then stops, and can
    be resumed.
    """

    @property
    def slots(self) -> int:
        """The number of runs that execute at the same time."""

    def submit(self, job: Job) -> None:
        """Accept a job. When all slots are busy, it waits."""

    def next_done(self) -> Outcome:
        """Wait for the next run to end.

        Raises:
            LookupError: No submitted job is without an outcome.
        """


def with_decided_precision(job: Job) -> Job:
    """Return the job with its precision decided by this process.

    All workers of a study then compute alike, also those that would decide otherwise under load or
    on another node.
    """
    if job.recipe.precision != "auto":
        return job
    from headstart.classifier import decide_precision  # with torch: seconds

    return replace(job, precision=decide_precision(job.recipe.precision))


def attempt(job: Job, data: SplitDataset) -> Outcome:
    """Execute a job in this process.

    A run that fails is an outcome. What is not the run's own failure is raised.
    """
    from headstart.training import train  # with torch: seconds

    visible = job.visible_data(data)
    training_job = TrainingJob(
        job.recipe, visible, job.seed, job.folder, after=job.after, precision=job.precision
    )
    try:
        with progress.muted():  # the study reports its plan and its results
            return Outcome(job, train(training_job), None)
    except RunFailed as error:
        return Outcome(job, None, "not finite", str(error))
    except (TooLittleMemory, MemoryError) as error:
        return Outcome(job, None, "memory", str(error) or "there is not enough memory.")
    except InputError as error:
        return Outcome(job, None, "input", str(error))
    except (ResourceError, Stopped, KeyboardInterrupt, SystemExit):
        raise
    # Rust's panics are not Exceptions; safetensors panics when memory runs out.
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename}, line {frame.lineno}"
        return Outcome(job, None, "error", f"{type(error).__name__}: {error} ({place})")


def known_outcome(job: Job, data: SplitDataset) -> Outcome | None:
    """Return the outcome of a job that needs no training; None if it must be trained.

    Its run is already finished, or its folder holds something else.
    """
    visible = job.visible_data(data)
    identity = run_identity(job.recipe, visible, job.seed, job.after)
    try:
        metrics = load_finished_run(job.folder, identity, visible)
    except InputError as error:
        return Outcome(job, None, "input", str(error))
    if metrics is None:
        return None
    return Outcome(job, run_summary(job.folder, metrics, reused=True), None)
