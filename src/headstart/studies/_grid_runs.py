"""The runs of a grid, as jobs that an executor carries out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from headstart import progress, store
from headstart.errors import InputError, RunFailed
from headstart.execution import Executor, Job, run_all
from headstart.studies._grid import Grid, grid_job, grid_jobs
from headstart.studies._grid_plan import fit_into_time

# The plan is corrected if the first run takes so many times as long as expected.
_SLOWER, _FASTER = 1.33, 0.75
_SHOWN_REASONS = 3


def run_grid(grid: Grid, executor: Executor, folder: Path, title: str) -> None:
    """Execute all runs, seed by seed, and record them and their failures in the variants.

    With a time limit, the first run corrects the plan of all if the costs were measured at another
    pace. A further seed that would end too late is left out for all variants.

    Args:
        grid: The grid, whose variants are changed.
        executor: Where runs execute.
        folder: The study folder.
        title: The title of the progress bar.

    Raises:
        RunFailed: No run finished.
    """
    _correct_by_first_run(grid, executor, folder)
    jobs = grid_jobs(grid, folder)
    # The bar counts expected seconds where they are known: in a study of labels the first runs take
    # a second and the last ones minutes.
    size = {variant.name: grid.seconds.get(variant.name, 1.0) for variant in grid.variants}
    total = sum(size[variant.name] for variant, _, _ in jobs.values())
    unit = "s of runs" if grid.seconds else "runs"
    with progress.task(title, total, unit) as task:
        outcomes = run_all(executor, _affordable_jobs(grid, folder))
        for number, outcome in enumerate(outcomes, 1):
            variant, seed, job = jobs[outcome.job.folder.name]
            if outcome.reason is None:
                variant.runs[seed] = job.folder
            else:
                variant.failures[seed] = outcome.message
                progress.say(f"{job.name}: {outcome.message}")
            if grid.clock is not None:
                grid.clock.record(size[variant.name], outcome)
            task.note(f"{number} of {len(jobs)} runs")
            task.advance(size[variant.name])

    for variant in grid.variants:
        variant.runs = {seed: variant.runs[seed] for seed in grid.seeds if seed in variant.runs}
    if grid.clock is not None:
        grid.notes += grid.clock.notes()
    if not any(variant.runs for variant in grid.variants):
        raise _no_run(grid)


def _no_run(grid: Grid) -> RunFailed:
    """Return the error of a study without a finished run: its reasons, and what to do."""
    hint_of: dict[str, str] = {}
    for variant in grid.variants:
        for text in variant.failures.values():
            reason, _, hint = text.partition("\n")
            hint_of.setdefault(reason, hint.strip())
    reasons = sorted(hint_of)[:_SHOWN_REASONS]
    hint = hint_of[reasons[0]] if reasons else ""
    return RunFailed(f"no run of the study finished: {' '.join(reasons)}", hint)


def _affordable_jobs(grid: Grid, folder: Path) -> Iterator[Job]:
    """Yield the jobs seed by seed, as long as a further seed of all variants ends in time."""
    seeds, runs = grid.seeds, grid.runs_per_seed
    of_a_seed = sum(grid.seconds.get(variant.name, 0.0) for variant in grid.variants)
    for number, seed in enumerate(seeds):
        round_number, fold = divmod(number, runs)
        for place, variant in enumerate(grid.variants):
            waiting = sum(grid.seconds.get(other.name, 0.0) for other in grid.variants[place:])
            waiting += (runs - 1 - fold) * of_a_seed
            is_begun = place > 0 or fold > 0
            is_late = grid.clock is not None and grid.clock.is_late(waiting, is_begun=is_begun)
            if round_number and is_late:
                grid.seeds = seeds[: round_number * runs]
                what = "seeds" if grid.folds is None else "repeats"
                grid.notes.append(
                    f"The time limit left time for {round_number} of {len(seeds) // runs} {what}."
                )
                return
            yield grid_job(grid, variant, seed, folder)


def _correct_by_first_run(grid: Grid, executor: Executor, folder: Path) -> None:
    """Execute the first run, and correct the plan of all runs if it had another pace.

    If the length of the runs changes, the first run is repeated at the new length.
    """
    clock, whole, variant = grid.clock, grid.whole, grid.variants[0]
    job = grid_job(grid, variant, grid.seeds[0], folder)
    is_known = (job.folder / "metrics.json").exists()
    if clock is None or whole is None or not clock.costs or is_known:
        return
    outcome = next(run_all(executor, [job]))
    pace = clock.record(grid.seconds[variant.name], outcome)
    is_slower = pace > _SLOWER and clock.limit.when_slow == "shorten"
    if not (pace < _FASTER or is_slower):
        return

    variants = [replace(other) for other in whole.variants]
    corrected = Grid(variants, whole.seeds, list(whole.notes), clock=clock, folds=grid.folds)
    clock.costs = {name: pace * seconds for name, seconds in clock.costs.items()}
    clock.restart()
    try:
        fit_into_time(corrected, clock.costs, folder, executor.slots)
    except InputError:
        return  # nothing fits any more: the study keeps its plan and takes longer
    grid.variants, grid.seeds = corrected.variants, corrected.seeds
    grid.notes, grid.seconds = corrected.notes, corrected.seconds

    if grid.variants[0].recipe != variant.recipe:
        store.remove_folder(job.folder)
