"""One run, from job to result. `train` is the main path, which calls the named steps in order."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from headstart import store
from headstart.classifier import fewer_threads_under_load, prepare_process
from headstart.results import RunMetrics, RunSummary
from headstart.training import _distributed
from headstart.training._check import check_recipe
from headstart.training._checkpoints import FOLDER, Checkpoints
from headstart.training._evaluate import evaluate_and_save
from headstart.training._group_intervals import with_group_intervals
from headstart.training._identity import RunIdentity, load_finished_run, run_identity
from headstart.training._job import TrainingJob
from headstart.training._keep_better import keep_better
from headstart.training._loop import fit
from headstart.training._memory_errors import translate_memory_errors
from headstart.training._observe import RunObserver, observed_run
from headstart.training._planned_run import plan_run, resume
from headstart.training._progress_file import remove_progress
from headstart.training._read_run import run_summary
from headstart.training._run_files import start_run_folder


def train(job: TrainingJob) -> RunSummary:
    """Train one model and leave its results in `job.folder`.

    A run that was stopped or killed resumes from its last checkpoint. On a CPU it ends with the
    weights of an uninterrupted run. Under torchrun, all processes train one model together, and the
    main process writes.

    Args:
        job: What to train. On a CPU, the same seed and number of threads give the same weights bit
            for bit, unless a time limit decides the number of steps. A folder that holds the same
            run, finished, is read instead of trained again.

    Returns:
        The summary of the run, which `headstart train --json` prints.

    Raises:
        InputError: The folder holds another run, or data and recipe do not fit.
        RunFailed: The loss is not finite.
        ResourceError: The folder is in use or cannot be written.
        Stopped: A signal asked to stop, and everything is saved.
    """
    started = time.perf_counter()
    identity = run_identity(job.recipe, job.data, job.seed, job.after)
    metrics = load_finished_run(job.folder, identity, job.data)
    if metrics is not None and not _is_left_over(job.folder):
        return _report_finished_run(job, metrics)
    check_recipe(job.recipe, job.data)

    with (
        _distributed.process_group(),
        _distributed.claim_folder(job.folder),
        translate_memory_errors(),
        _preserve_random_state(),
        fewer_threads_under_load() if job.recipe.time_limit else nullcontext(),
    ):
        metrics = _finish_killed_run(job, identity)
        if metrics is not None:
            return _report_finished_run(job, metrics)

        prepare_process()
        warnings: list[str] = []
        if _distributed.is_main_process():
            warnings = start_run_folder(job.folder, identity, job.data)
            _record_command(job)

        run = plan_run(job, identity, started)  # written to disk before the first step
        if _distributed.is_main_process():
            run.checkpoints.require_space(run.state)
        resumed = resume(run)
        with observed_run(job.folder, run.state.curve) as observer:
            fit(run, observer, started)
            run.choice = keep_better(run)
            warnings = (warnings if resumed else []) + observer.problems
            metrics = evaluate_and_save(run, resumed=resumed, warnings=warnings)
            if _distributed.is_main_process():
                run.checkpoints.keep_final(job.folder)
                _forget_progress(job.folder)
            observer.end(metrics)
        return _summarise(job.folder, metrics, observer, reused=False)


def _record_command(job: TrainingJob) -> None:
    """Record the command that resumes the run, if typing it once is all that it takes."""
    if job.data.dataset.source and _distributed.world_size() == 1:
        store.record_command(job.folder, job.command)


def _forget_progress(folder: Path) -> None:
    """Remove what only an unfinished run needs. The command is in its metrics."""
    remove_progress(folder)
    store.forget_command(folder)


def _is_left_over(folder: Path) -> bool:
    """Return whether the process that finished a run was killed before it had cleaned up."""
    return (folder / FOLDER).exists() or store.has_debris(folder)


def _finish_killed_run(job: TrainingJob, identity: RunIdentity) -> RunMetrics | None:
    """Return the metrics of a run that has been finished meanwhile; None if there is none.

    Another process finished it, or it was killed between its last result and the removal of its
    checkpoints, which this completes.
    """
    metrics = None
    if _distributed.is_main_process():
        metrics = load_finished_run(job.folder, identity, job.data)
    if metrics is not None:
        store.clear_debris(job.folder)
        Checkpoints(job.folder, identity.key).keep_final(job.folder)
        _forget_progress(job.folder)
    return _distributed.broadcast(metrics)


def _report_finished_run(job: TrainingJob, metrics: RunMetrics) -> RunSummary:
    """Return the summary of a run that was finished before, and report it to its observer."""
    folder = job.folder
    metrics = with_group_intervals(folder, metrics, job.data)
    observer = RunObserver(folder)
    observer.report_finished_run(metrics)
    return _summarise(folder, metrics, observer, reused=True)


def _summarise(
    folder: Path, metrics: RunMetrics, observer: RunObserver, *, reused: bool
) -> RunSummary:
    """Return the summary of a run, with the problems of its observer."""
    summary = run_summary(folder, metrics, reused=reused)
    known = summary.warnings
    late = [problem for problem in observer.problems if problem not in known]
    return summary.model_copy(update={"warnings": (*known, *late)})


def _preserve_random_state() -> AbstractContextManager[None]:
    """Restore the caller's random state when the block ends."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))
