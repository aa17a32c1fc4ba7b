"""The nouns of this room, and one attempt at a run, which is the same wherever it happens."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data import SplitDataset, with_train, without_test
from headstart.errors import InputError, ResourceError, RunFailed, Stopped, TooLittleMemory
from headstart.models.recipes import Recipe
from headstart.training import TrainingJob, finished, identity, run_summary

Reason = Literal["not finite", "memory", "crashed", "hung", "input", "error"]


@dataclass(frozen=True)
class Job:
    """One run to make.

    Attributes:
        name: unique in the study, for people.
        folder: the run folder, on the machine of the study.
        reads_test: whether the test images are looked at; what only serves to choose must not see them.
        train: dataset indices of those training images that this run learns from; None for all of the split.
    """

    name: str
    recipe: Recipe
    seed: int
    folder: Path
    reads_test: bool = True
    train: NDArray[np.int64] | None = None

    def visible_data(self, data: SplitDataset) -> SplitDataset:
        """Return what this run may see of the data that all jobs share."""
        if self.train is not None:
            data = with_train(data, self.train)
        return data if self.reads_test else without_test(data)


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        summary: what `headstart.training.train` returned; None when the run failed.
        reason: why it failed, in one word or two; None when it did not. Three failures in a row with one reason mean something.
        message: the words of the failure.
    """

    job: Job
    summary: dict[str, Any] | None
    reason: Reason | None
    message: str = ""


@dataclass(frozen=True)
class Where:
    """Where the runs of a study execute.

    Attributes:
        workers: processes of this machine, which share its cores; 1 is this process itself.
        ray: the address of a Ray cluster; "auto" is the one that `ray start` left or RAY_ADDRESS names, else one of this machine.
        memory_gb: what each of several workers may use, 1e9 bytes; None: its share of what is free at the start. Linux only.
            torch alone takes 0.8 of it.
        hung_seconds: a worker that shows no progress for so long is given up.
    """

    workers: int = 1
    ray: str | None = None
    memory_gb: float | None = None
    hung_seconds: float = 600.0

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(
                f"--workers is {self.workers}, but one worker or more is needed.",
                "Leave it out for one.",
            )
        if self.ray is not None and self.workers > 1:
            raise InputError(
                "--workers counts processes of this machine, and --ray uses a cluster.",
                "Give one of the two.",
            )
        for name in ("memory_gb", "hung_seconds"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise InputError(f"{name} is {value}, but it must be above 0.")


class Executor(Protocol):
    """Makes runs. Exactly one outcome comes back for each job, in the order in which they end.

    Both methods raise what concerns more than one run, and then the study stops, to be taken up again: ResourceError (the folder
    is in use, the disk is full), Stopped (a signal; what was in hand is saved).
    """

    @property
    def slots(self) -> int:
        """How many runs go on at once."""

    def submit(self, job: Job) -> None:
        """Take on a run. More of them than there are slots wait for their turn."""

    def next_done(self) -> Outcome:
        """Wait for the next run to end.

        Raises:
            LookupError: nothing was submitted that has not come back.
        """


def attempt(job: Job, data: SplitDataset) -> Outcome:
    """Make the run here. A run that fails is an outcome; what is not the run's own failure is raised."""
    from headstart.training import train  # with torch: seconds

    data = job.visible_data(data)
    try:
        with progress.muted():  # the study says what it plans and what came of it
            return Outcome(job, train(TrainingJob(job.recipe, data, job.seed, job.folder)), None)
    except RunFailed as error:
        return Outcome(job, None, "not finite", str(error))
    except (TooLittleMemory, MemoryError) as error:
        return Outcome(job, None, "memory", str(error) or "there is not enough memory.")
    except InputError as error:
        return Outcome(job, None, "input", str(error))
    except (ResourceError, Stopped, KeyboardInterrupt, SystemExit):
        raise
    except (
        BaseException
    ) as error:  # Rust's panics are no Exceptions: safetensors' where memory ends
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(
            job,
            None,
            "error",
            f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})",
        )


def already_there(job: Job, data: SplitDataset) -> Outcome | None:
    """The outcome of a run that is finished, or whose folder holds something else: known without training anything."""
    try:
        metrics = finished(
            job.folder,
            identity(job.recipe, job.visible_data(data), job.seed),
        )
    except InputError as error:
        return Outcome(job, None, "input", str(error))
    return (
        None
        if metrics is None
        else Outcome(job, run_summary(job.folder, metrics, reused=True), None)
    )
