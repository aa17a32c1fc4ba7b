"""A grid of recipes and seeds: its cost, the part that fits into a time limit, and its runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import SplitDataset, with_train
from headstart.errors import InputError, RunFailed
from headstart.execution import Executor, Job, run_all
from headstart.formatting import approximate_duration
from headstart.models.recipes import Recipe, resolve
from headstart.results import (
    EvaluationPart,
    SeedFailure,
)
from headstart.studies._folds import StudyFolds
from headstart.studies._grid_clock import GridClock
from headstart.studies._reuse import copy_finished_runs
from headstart.studies._study import StudyContext
from headstart.studies._time_limit import TimeLimit, WhenSlow, prediction_seconds
from headstart.training import expected_seconds, least_epochs, read_correct

_RESERVED_SHARE = 0.05  # of the time limit: costs are measured on a few steps
_REPORT_SECONDS = 4.0
_EXTRA_SHARE = 0.1  # of the time limit, at most, for steps besides the runs
_FEWEST_SEEDS = 2

# Recipes are timed so often, unless this takes more than a share of the time limit.
_TIMINGS, _TIMING_SHARE = 3, 0.05

# The plan is corrected if the first run takes so many times as long as expected.
_SLOWER, _FASTER = 1.33, 0.75


@dataclass
class Variant:
    """One recipe of a grid.

    Attributes:
        name: The name, unique in the grid and valid as a file name.
        recipe: The recipe.
        rank: The order in which variants are dropped if time is short, highest first. Variants of
            rank 0 are kept.
        train_indices: Dataset indices of the training images, by seed or number of the run; empty
            for all of the split.
        runs: Folders of the finished runs, by seed.
        failures: Reasons of the failed runs, by seed.
    """

    name: str
    recipe: Recipe
    rank: int = 0
    train_indices: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)
    runs: dict[int, Path] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def is_iterative(self) -> bool:
        """True if it trains in epochs. A linear head that L-BFGS solves for has none to shorten."""
        return self.recipe.optimizer != "lbfgs"

    def visible_data(self, data: SplitDataset, seed: int = 0) -> SplitDataset:
        """Return the data that its run with this seed sees."""
        return with_train(data, self.train_indices[seed]) if self.train_indices else data

    def relative_runs(self, folder: Path) -> tuple[str, ...]:
        """Return the paths of the finished runs, relative to the study folder."""
        return tuple(str(run.relative_to(folder)) for run in self.runs.values())

    def seed_failures(self, folds: StudyFolds | None) -> tuple[SeedFailure, ...]:
        """Return the failed runs, in the order of their seeds.

        Args:
            folds: The folds of the study, or None.
        """
        failures = []
        for number, reason in sorted(self.failures.items()):
            if folds is not None:
                reason = f"{folds.run(number).name}: {reason}"
            seed = number if folds is None else folds.run(number).seed
            failures.append(SeedFailure(seed=seed, message=reason))
        return tuple(failures)

    def failure_sentences(self, folds: StudyFolds | None) -> tuple[str, ...]:
        """Return one sentence per failed run, in the order of their seeds.

        Args:
            folds: The folds of the study, or None.
        """
        sentences = []
        for number, reason in sorted(self.failures.items()):
            name = f"seed {number}" if folds is None else folds.run(number).name
            sentences.append(f"{name}: {reason}")
        return tuple(sentences)


@dataclass(frozen=True)
class GridPlan:
    """The part of a grid that fits into the time limit: the content of `budget.json`.

    Attributes:
        variants: Names of the variants.
        seeds: The seeds of each variant.
        notes: Sentences about what was dropped.
        length: The fraction of their epochs that iterative runs keep.
        seconds: Expected seconds of one run, by the name of the variant.
    """

    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    notes: tuple[str, ...]
    length: float
    seconds: dict[str, float]


@dataclass
class Grid:
    """The recipes and seeds of a study, as far as time allows.

    Attributes:
        variants: The recipes.
        seeds: The seeds of each recipe.
        notes: Sentences about what was dropped for the time limit.
        seconds: Expected seconds of one run, by the name of the variant; empty if not planned.
        clock: The time that is left while the grid is trained; None without a time limit.
        whole: The grid before the time limit reduced it; None without one.
        folds: The folds of a cross-validation, whose runs are numbered in the place of seeds; None
            for one split.
    """

    variants: list[Variant]
    seeds: tuple[int, ...]
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    clock: GridClock | None = None
    whole: Grid | None = None
    folds: StudyFolds | None = None

    @property
    def has_one_seed(self) -> bool:
        """True if differences are about trained models, because no variance over seeds is known."""
        return len(self.seeds) == 1

    @property
    def runs_per_seed(self) -> int:
        """The number of runs that test all images: one, or one per fold."""
        return 1 if self.folds is None else self.folds.folds.count

    @property
    def repeats(self) -> tuple[int, ...]:
        """With folds, the repeats of the cross-validation that the time allows."""
        return () if self.folds is None else self.folds.complete_repeats(self.seeds)

    @property
    def fold_of(self) -> NDArray[np.int64] | None:
        """The fold of each image in each repeat, int64 of shape (R, N); None for one split."""
        return None if self.folds is None else self.folds.fold_of[list(self.repeats)]

    @property
    def seeds_of_runs(self) -> tuple[int, ...]:
        """The seeds of the runs: with folds, one per repeat."""
        if self.folds is None:
            return self.seeds
        return tuple(self.folds.seeds[repeat] for repeat in self.repeats)

    def correct_predictions(self, part: EvaluationPart) -> dict[str, NDArray[np.bool_]]:
        """Return which images are correctly classified, `(S, N)` by the name of the variant.

        With folds, there is one row per repeat. Variants with a failed run are left out: only their
        successful runs would count.
        """
        complete = [
            variant for variant in self.variants if all(seed in variant.runs for seed in self.seeds)
        ]
        if self.folds is not None:
            repeats = self.repeats
            return {
                variant.name: self.folds.read_correct(variant.runs, repeats) for variant in complete
            }
        return {
            variant.name: np.stack([read_correct(variant.runs[seed], part) for seed in self.seeds])
            for variant in complete
        }


def plan_grid(
    grid: Grid,
    context: StudyContext,
    time_limit: float | None,
    slots: int,
    *,
    when_slow: WhenSlow = "shorten",
    extra_steps: int = 0,
) -> Grid:
    """Decide which runs fit into the time limit, before the first of them starts.

    The plan is kept in `budget.json`, so that a resumed study follows it. If time is short, the
    plan drops seeds down to two, then variants by rank, then the second seed. At last it shortens
    all runs.

    Args:
        grid: The wanted recipes and seeds. Its notes are kept.
        context: The study.
        time_limit: Seconds for everything; None without a limit.
        slots: The number of runs that execute at the same time.
        when_slow: What a machine that slows down costs; see `TimeLimit`.
        extra_steps: Steps of the first variant that the study takes besides its runs.

    Returns:
        The grid as planned, with the expected time of its runs.

    Raises:
        InputError: The fewest epochs of each run do not fit into the time limit.
    """
    data, folder = context.data, context.folder
    variants = [replace(variant, recipe=_resolved(variant, data)) for variant in grid.variants]
    grid = Grid(variants, grid.seeds, list(grid.notes), folds=grid.folds)

    if time_limit is not None:
        limit = TimeLimit(time_limit, when_slow)
        runs = len(grid.variants) * len(grid.seeds)
        report = _REPORT_SECONDS + prediction_seconds(data, runs)
        grid.clock = GridClock(limit, time_limit, context, slots, report, extra_steps)
        whole = [replace(variant) for variant in grid.variants]
        grid.whole = Grid(whole, grid.seeds, list(grid.notes), folds=grid.folds)
    plan = follow_plan(grid, folder)
    if plan is None:
        costs = _measure_costs(grid.variants, data, time_limit)
        if grid.clock is not None:
            grid.clock.costs = costs
        _fit_into_time(grid, costs, folder, slots)
    else:
        _shorten(grid, plan.length)
        grid.seconds = plan.seconds

    copy_finished_grid_runs(grid, data, folder)
    _announce(grid, folder, slots)
    return grid


def _fit_into_time(grid: Grid, costs: Mapping[str, float], folder: Path, slots: int) -> None:
    """Reduce the grid to what fits, and write the plan.

    Args:
        grid: The grid.
        costs: Seconds of one whole run, by the name of the variant.
        folder: The study folder.
        slots: The number of runs that execute at the same time.
    """

    def total() -> float:
        return _total_seconds(grid.variants, costs, grid, slots)

    length = 1.0
    if grid.clock is not None:
        grid.clock.extra_seconds = _extra_seconds(grid, costs)
        available = grid.clock.left_seconds() - _RESERVED_SHARE * grid.clock.seconds
        shrink(grid, total, available)
        if total() > available:
            length = _fitting_length(grid, costs, slots, available)
            all_iterative = all(variant.is_iterative for variant in grid.variants)
            which = "all runs" if all_iterative else "all iterative runs"
            grid.notes.append(f"The time limit shortens {which} to {length:.0%} of their epochs.")
            _shorten(grid, length)

    grid.seconds = {}
    for variant in grid.variants:
        cost = costs[variant.name] * (length if variant.is_iterative else 1)
        grid.seconds[variant.name] = round(cost, 3)
    plan = GridPlan(tuple(grid.seconds), grid.seeds, tuple(grid.notes), length, dict(grid.seconds))
    store.write_json(folder / "budget.json", asdict(plan))


def _extra_seconds(grid: Grid, costs: Mapping[str, float]) -> float:
    """Return the seconds of the steps that the study takes besides its runs."""
    assert grid.clock is not None, "there is a time limit"
    variant = grid.variants[0]
    images = len(variant.visible_data(grid.clock.context.data).split.train)
    recipe = variant.recipe
    steps = (recipe.epochs or 1.0) * max(1, images // (recipe.batch or images))
    seconds = grid.clock.extra_steps * costs[variant.name] / max(1.0, steps)
    return min(seconds, _EXTRA_SHARE * grid.clock.seconds)


def follow_plan(grid: Grid, folder: Path) -> GridPlan | None:
    """Reduce the grid to the plan of an earlier start and return it; None without a plan."""
    content = store.read_json_or(folder / "budget.json", None)
    if content is None:
        return None
    plan = GridPlan(**{**content, "seeds": tuple(content["seeds"])})
    grid.variants = [variant for variant in grid.variants if variant.name in plan.variants]
    grid.seeds = plan.seeds
    grid.notes = list(plan.notes)
    return plan


def shrink(grid: Grid, total: Callable[[], float], seconds: float) -> None:
    """Drop seeds and variants until the grid takes no more than `seconds`.

    Seeds are dropped down to two, then variants by rank, then the second seed.

    Args:
        grid: The grid, which is changed.
        total: Returns the seconds that the grid takes now.
        seconds: The seconds that are available.
    """
    runs = grid.runs_per_seed
    wanted = len(grid.seeds)
    # One repeat of a cross-validation has a variance over its folds.
    fewest = _FEWEST_SEEDS if grid.folds is None else runs
    while total() > seconds and len(grid.seeds) > fewest:
        grid.seeds = grid.seeds[:-runs]
    if len(grid.seeds) < wanted:
        what = "seeds" if grid.folds is None else "repeats"
        grid.notes.append(
            f"The time limit allows {len(grid.seeds) // runs} {what} of {wanted // runs}."
        )

    while total() > seconds:
        highest = max(variant.rank for variant in grid.variants)
        if highest == 0:
            break
        dropped = [variant.name for variant in grid.variants if variant.rank == highest]
        grid.variants = [variant for variant in grid.variants if variant.rank < highest]
        grid.notes.append(f"Left out for the time limit: {', '.join(dropped)}.")

    if total() > seconds and len(grid.seeds) > 1 and grid.folds is None:
        grid.seeds = grid.seeds[:1]
        grid.notes.append(
            "The time limit allows one seed. Differences are about these trained models, not "
            "about their recipes."
        )


def _announce(grid: Grid, folder: Path, slots: int) -> None:
    """Report the notes, the number of runs, and the expected time of those that remain."""
    for note in grid.notes:
        progress.say(note)

    runs = 0
    unfinished = []
    for variant in grid.variants:
        for seed in grid.seeds:
            runs += 1
            if not (_job(grid, variant, seed, folder).folder / "metrics.json").exists():
                unfinished.append(variant.name)

    done = f", {runs - len(unfinished)} of them done" if len(unfinished) < runs else ""
    seconds = sum(grid.seconds[name] for name in unfinished) / slots
    progress.say(f"{runs} runs{done}, about {approximate_duration(seconds)} on this machine.")


def run_folder(folder: Path, variant: Variant, seed: int) -> Path:
    """Return the folder in which a study keeps a run."""
    return folder / "runs" / f"{variant.name}-seed{seed}"


def _resolved(variant: Variant, data: SplitDataset) -> Recipe:
    train_images = len(variant.visible_data(data).split.train)
    return resolve(variant.recipe, train_images)


def _total_seconds(
    variants: Sequence[Variant], seconds: Mapping[str, float], grid: Grid, slots: int
) -> float:
    return sum(seconds[variant.name] for variant in variants) * len(grid.seeds) / slots


def _fitting_length(
    grid: Grid, seconds: Mapping[str, float], slots: int, available: float
) -> float:
    """Return the fraction of its epochs that each iterative run keeps.

    Args:
        grid: The grid.
        seconds: Seconds of one run, by the name of the variant.
        slots: The number of runs that execute at the same time.
        available: Seconds that are available for all runs.

    Raises:
        InputError: The fewest epochs of each run do not fit, or the runs without epochs do not.
    """
    assert grid.clock is not None, "there is a time limit"
    time_limit = grid.clock.seconds
    iterative = [variant for variant in grid.variants if variant.is_iterative]
    iterative_seconds = _total_seconds(iterative, seconds, grid, slots)
    fixed_seconds = _total_seconds(grid.variants, seconds, grid, slots) - iterative_seconds
    epochs = min((variant.recipe.epochs or 0 for variant in iterative), default=1.0)

    length = max(available - fixed_seconds, 0) / iterative_seconds if iterative else 0.0
    shortest = max((_least_length(variant.recipe) for variant in iterative), default=1.0)
    if length >= shortest:
        return length

    if iterative:
        remainder = f"{length * epochs:.2g} epochs for each of {len(iterative)} runs"
    else:
        remainder = "too little time for the runs"
    shortage = fixed_seconds + iterative_seconds * shortest - available
    needed = time_limit + shortage / (1 - _RESERVED_SHARE)
    raise InputError(
        f"a time limit of {time_limit:g} s leaves {remainder}.",
        f"Give --time-limit {math.ceil(needed)}s or more.",
    )


def _least_length(recipe: Recipe) -> float:
    """Return the minimum number of epochs of a recipe, as a fraction of its epochs."""
    return least_epochs(recipe) / (recipe.epochs or 1.0)


def _shorten(grid: Grid, length: float) -> None:
    if length >= 1:
        return
    for variant in grid.variants:
        if variant.is_iterative:
            epochs = round((variant.recipe.epochs or 1) * length, 3)
            variant.recipe = variant.recipe.model_copy(update={"epochs": epochs})


def _measure_costs(
    variants: Sequence[Variant], data: SplitDataset, time_limit: float | None
) -> dict[str, float]:
    """Return the seconds of one run of each variant: the median of several timings.

    Variants that differ only in values of the optimizer cost the same and are timed once. One
    timing of all comes before the next of all, so that a slow moment does not decide about one.
    """
    keys = {variant.name: _cost_key(variant, data) for variant in variants}
    timed = {keys[variant.name]: variant for variant in variants}
    timings: dict[tuple[str, int], list[float]] = {key: [] for key in timed}
    started = time.perf_counter()
    with progress.task("timing a few steps", len(timed), "recipes") as task, progress.muted():
        for number in range(_TIMINGS):
            for key, variant in timed.items():
                visible = variant.visible_data(data)
                timings[key].append(expected_seconds(variant.recipe, visible, 1))
                if number == 0:
                    task.advance()
            # Without a limit the cost is only announced.
            if time_limit is None or time.perf_counter() - started > _TIMING_SHARE * time_limit:
                break
    return {name: median(timings[key]) for name, key in keys.items()}


def _cost_key(variant: Variant, data: SplitDataset) -> tuple[str, int]:
    """Return what the cost of a variant depends on."""
    same_cost = {"lr": 1.0, "l2": float(bool(variant.recipe.l2)), "label_smoothing": 0.0}
    digest = variant.recipe.model_copy(update=same_cost).digest
    return digest, len(variant.visible_data(data).split.train)


def copy_finished_grid_runs(grid: Grid, data: SplitDataset, folder: Path) -> None:
    """Copy runs that neighbouring folders hold into the run folders of the grid."""
    jobs = [job for _, _, job in _jobs(grid, folder).values()]
    copy_finished_runs(jobs, data, folder)


def _jobs(grid: Grid, folder: Path) -> dict[str, tuple[Variant, int, Job]]:
    """Return all runs of a grid by the names of their folders, seed by seed.

    Returns:
        The variant, the seed or number of the run, and its job.
    """
    jobs = {}
    for seed in grid.seeds:
        for variant in grid.variants:
            job = _job(grid, variant, seed, folder)
            jobs[job.folder.name] = (variant, seed, job)
    return jobs


def _job(grid: Grid, variant: Variant, seed: int, folder: Path) -> Job:
    if grid.folds is not None:
        run = grid.folds.run(seed)
        path = folder / "runs" / f"{variant.name}-{run.suffix}"
        split = run.data.split
        train = variant.train_indices.get(seed)
        name = f"{variant.name}, {run.name}"
        return Job(name, variant.recipe, run.seed, path, train=train, split=split)
    path = run_folder(folder, variant, seed)
    name = f"{variant.name}, seed {seed}"
    return Job(name, variant.recipe, seed, path, train=variant.train_indices.get(seed))


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
    jobs = _jobs(grid, folder)
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
        reasons = set[str]()
        for variant in grid.variants:
            reasons.update(variant.failures.values())
        raise RunFailed(f"no run of the study finished: {'; '.join(sorted(reasons)[:3])}")


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
            yield _job(grid, variant, seed, folder)


def _correct_by_first_run(grid: Grid, executor: Executor, folder: Path) -> None:
    """Execute the first run, and correct the plan of all runs if it had another pace.

    If the length of the runs changes, the first run is repeated at the new length.
    """
    clock, whole, variant = grid.clock, grid.whole, grid.variants[0]
    job = _job(grid, variant, grid.seeds[0], folder)
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
        _fit_into_time(corrected, clock.costs, folder, executor.slots)
    except InputError:
        return  # nothing fits any more: the study keeps its plan and takes longer
    grid.variants, grid.seeds = corrected.variants, corrected.seeds
    grid.notes, grid.seconds = corrected.notes, corrected.seconds

    if grid.variants[0].recipe != variant.recipe:
        store.remove_folder(job.folder)
