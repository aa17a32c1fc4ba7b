"""A grid of recipes and seeds: its cost, the part that fits into a time limit, and its runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import SplitDataset, with_train
from headstart.errors import InputError, RunFailed
from headstart.evaluation import accuracy_interval
from headstart.execution import Executor, Job, run_all
from headstart.features import prepare_features
from headstart.formatting import approximate_duration
from headstart.models import is_backbone
from headstart.models.recipes import Recipe, resolve
from headstart.results import (
    EvaluationPart,
    PartMetrics,
    SeedFailure,
    SeedScores,
    SeedSpread,
    read_metrics,
)
from headstart.studies._reuse import copy_finished_runs
from headstart.studies._study import StudyContext
from headstart.training import expected_seconds, read_correct

_RESERVED_SHARE = 0.1  # of the time limit: costs are measured on a few steps
_REPORT_SECONDS = 8.0
_FEWEST_SEEDS = 2
_FEWEST_EPOCHS = 1.0


@dataclass
class Variant:
    """One recipe of a grid.

    Attributes:
        name: The name, unique in the grid and valid as a file name.
        recipe: The recipe.
        rank: The order in which variants are dropped if time is short, highest first. Variants of
            rank 0 are kept.
        train_indices: Dataset indices of the training images, by seed; empty for all of the split.
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

    def seed_failures(self) -> tuple[SeedFailure, ...]:
        """Return the failed runs, in the order of their seeds."""
        failures = sorted(self.failures.items())
        return tuple(SeedFailure(seed=seed, message=reason) for seed, reason in failures)

    def failure_sentences(self) -> tuple[str, ...]:
        """Return one sentence per failed run, in the order of their seeds."""
        return tuple(f"seed {seed}: {reason}" for seed, reason in sorted(self.failures.items()))


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
    """

    variants: list[Variant]
    seeds: tuple[int, ...]
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def has_one_seed(self) -> bool:
        """True if differences are about trained models, because no variance over seeds is known."""
        return len(self.seeds) == 1

    def correct_predictions(self, part: EvaluationPart) -> dict[str, NDArray[np.bool_]]:
        """Return which images are correctly classified, `(S, N)` by the name of the variant.

        Variants with a failed run are left out: only their successful runs would count.
        """
        complete = [
            variant for variant in self.variants if all(seed in variant.runs for seed in self.seeds)
        ]
        return {
            variant.name: np.stack([read_correct(variant.runs[seed], part) for seed in self.seeds])
            for variant in complete
        }


def plan_grid(grid: Grid, context: StudyContext, time_limit: float | None, slots: int) -> Grid:
    """Decide which runs fit into the time limit, before the first of them starts.

    The plan is kept in `budget.json`, so that a resumed study follows it. If time is short, the
    plan drops seeds down to two, then variants by rank, then the second seed. At last it shortens
    all runs.

    Args:
        grid: The wanted recipes and seeds. Its notes are kept.
        context: The study.
        time_limit: Seconds for everything; None without a limit.
        slots: The number of runs that execute at the same time.

    Returns:
        The grid as planned, with the expected time of its runs.

    Raises:
        InputError: Less than one epoch of each run fits into the time limit.
    """
    data, folder = context.data, context.folder
    variants = [replace(variant, recipe=_resolved(variant, data)) for variant in grid.variants]
    grid = Grid(variants, grid.seeds, list(grid.notes))

    plan = follow_plan(grid, folder)
    if plan is None:
        _fit_into_time(grid, context, time_limit, slots)
    else:
        _shorten(grid, plan.length)
        grid.seconds = plan.seconds

    copy_finished_grid_runs(grid, data, folder)
    _announce(grid, folder, slots)
    return grid


def _fit_into_time(grid: Grid, context: StudyContext, time_limit: float | None, slots: int) -> None:
    """Time the recipes, reduce the grid to what fits, and write the plan."""
    seconds = _measure_costs(grid.variants, context.data)

    def total() -> float:
        return _total_seconds(grid.variants, seconds, grid, slots)

    length = 1.0
    if time_limit is not None:
        left = time_limit - context.seconds_spent() - _REPORT_SECONDS
        available = left * (1 - _RESERVED_SHARE)
        shrink(grid, total, available)
        if total() > available:
            length = _fitting_length(grid, seconds, slots, available, time_limit)
            all_iterative = all(variant.is_iterative for variant in grid.variants)
            which = "all runs" if all_iterative else "all iterative runs"
            grid.notes.append(f"The time limit shortens {which} to {length:.0%} of their epochs.")
            _shorten(grid, length)

    for variant in grid.variants:
        cost = seconds[variant.name] * (length if variant.is_iterative else 1)
        grid.seconds[variant.name] = round(cost, 3)
    plan = GridPlan(tuple(grid.seconds), grid.seeds, tuple(grid.notes), length, dict(grid.seconds))
    store.write_json(context.folder / "budget.json", asdict(plan))


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
    wanted = len(grid.seeds)
    while total() > seconds and len(grid.seeds) > _FEWEST_SEEDS:
        grid.seeds = grid.seeds[:-1]
    if len(grid.seeds) < wanted:
        grid.notes.append(f"The time limit allows {len(grid.seeds)} seeds of {wanted}.")

    while total() > seconds:
        highest = max(variant.rank for variant in grid.variants)
        if highest == 0:
            break
        dropped = [variant.name for variant in grid.variants if variant.rank == highest]
        grid.variants = [variant for variant in grid.variants if variant.rank < highest]
        grid.notes.append(f"Left out for the time limit: {', '.join(dropped)}.")

    if total() > seconds and len(grid.seeds) > 1:
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
            if not (run_folder(folder, variant, seed) / "metrics.json").exists():
                unfinished.append(variant.name)

    done = f", {runs - len(unfinished)} of them done" if len(unfinished) < runs else ""
    seconds = sum(grid.seconds[name] for name in unfinished) / slots
    progress.say(f"{runs} runs{done}, about {approximate_duration(seconds)} on this machine.")


def run_folder(folder: Path, variant: Variant, seed: int) -> Path:
    """Return the folder in which a study keeps a run."""
    return folder / "runs" / f"{variant.name}-seed{seed}"


def _resolved(variant: Variant, data: SplitDataset) -> Recipe:
    train_images = len(variant.visible_data(data).split.train)
    return resolve(variant.recipe, train_images, data.class_names)


def _total_seconds(
    variants: Sequence[Variant], seconds: Mapping[str, float], grid: Grid, slots: int
) -> float:
    return sum(seconds[variant.name] for variant in variants) * len(grid.seeds) / slots


def _fitting_length(
    grid: Grid, seconds: Mapping[str, float], slots: int, available: float, time_limit: float
) -> float:
    """Return the fraction of its epochs that each iterative run keeps.

    Args:
        grid: The grid.
        seconds: Seconds of one run, by the name of the variant.
        slots: The number of runs that execute at the same time.
        available: Seconds that are available for all runs.
        time_limit: The time limit of the study, in seconds.

    Raises:
        InputError: Less than one epoch of each run fits, or the runs without epochs do not fit.
    """
    iterative = [variant for variant in grid.variants if variant.is_iterative]
    iterative_seconds = _total_seconds(iterative, seconds, grid, slots)
    fixed_seconds = _total_seconds(grid.variants, seconds, grid, slots) - iterative_seconds
    epochs = min((variant.recipe.epochs or 0 for variant in iterative), default=1.0)

    length = max(available - fixed_seconds, 0) / iterative_seconds if iterative else 0.0
    shortest = min(_FEWEST_EPOCHS / epochs, 1)
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


def _shorten(grid: Grid, length: float) -> None:
    if length >= 1:
        return
    for variant in grid.variants:
        if variant.is_iterative:
            epochs = round((variant.recipe.epochs or 1) * length, 3)
            variant.recipe = variant.recipe.model_copy(update={"epochs": epochs})


def _measure_costs(variants: Sequence[Variant], data: SplitDataset) -> dict[str, float]:
    """Return the seconds of one run of each variant.

    Variants that differ only in values of the optimizer cost the same and are timed once.
    """
    known: dict[tuple[str, int], float] = {}
    costs = {}
    with progress.task("timing a few steps", len(variants), "recipes") as task, progress.muted():
        for variant in variants:
            visible = variant.visible_data(data)
            same_cost = {
                "lr": 1.0,
                "l2": float(bool(variant.recipe.l2)),
                "label_smoothing": 0.0,
            }
            digest = variant.recipe.model_copy(update=same_cost).digest
            key = (digest, len(visible.split.train))
            if key not in known:
                known[key] = expected_seconds(variant.recipe, visible)
            costs[variant.name] = known[key]
            task.advance()
    return costs


def copy_finished_grid_runs(grid: Grid, data: SplitDataset, folder: Path) -> None:
    """Copy runs that neighbouring folders hold into the run folders of the grid."""
    jobs = [job for _, job in _jobs(grid, folder).values()]
    copy_finished_runs(jobs, data, folder)


def _jobs(grid: Grid, folder: Path) -> dict[str, tuple[Variant, Job]]:
    """Return all runs of a grid by the names of their folders, seed by seed."""
    jobs = {}
    for seed in grid.seeds:
        for variant in grid.variants:
            path = run_folder(folder, variant, seed)
            name = f"{variant.name}, seed {seed}"
            indices = variant.train_indices.get(seed)
            jobs[path.name] = (variant, Job(name, variant.recipe, seed, path, train=indices))
    return jobs


def run_grid(grid: Grid, executor: Executor, folder: Path, title: str) -> None:
    """Execute all runs, seed by seed, and record them and their failures in the variants.

    Args:
        grid: The grid, whose variants are changed.
        executor: Where runs execute.
        folder: The study folder.
        title: The title of the progress bar.

    Raises:
        RunFailed: No run finished.
    """
    jobs = _jobs(grid, folder)
    # The bar counts expected seconds where they are known: in a study of labels the first runs take
    # a second and the last ones minutes.
    size = {variant.name: grid.seconds.get(variant.name, 1.0) for variant in grid.variants}
    total = sum(size[variant.name] for variant, _ in jobs.values())
    unit = "s of runs" if grid.seconds else "runs"
    with progress.task(title, total, unit) as task:
        outcomes = run_all(executor, [job for _, job in jobs.values()])
        for number, outcome in enumerate(outcomes, 1):
            variant, job = jobs[outcome.job.folder.name]
            if outcome.reason is None:
                variant.runs[job.seed] = job.folder
            else:
                variant.failures[job.seed] = outcome.message
                progress.say(f"{job.name}: {outcome.message}")
            task.note(f"{number} of {len(jobs)} runs")
            task.advance(size[variant.name])

    if not any(variant.runs for variant in grid.variants):
        reasons = set[str]()
        for variant in grid.variants:
            reasons.update(variant.failures.values())
        raise RunFailed(f"no run of the study finished: {'; '.join(sorted(reasons)[:3])}")


def seed_scores(variant: Variant, part: EvaluationPart) -> SeedScores | None:
    """Return accuracy and loss of a variant over its finished runs; None if not measured.

    The band of the accuracy is its 95% interval: over images and, with several runs, over seeds.
    That of the loss reaches from the lowest to the highest seed.
    """
    scores = finished_scores(variant, part)
    if not scores:
        return None
    correct = np.stack([read_correct(run, part) for run in variant.runs.values()])
    low, high = accuracy_interval(correct)
    accuracies = [score.accuracy for score in scores]
    losses = [score.loss for score in scores]
    return SeedScores(
        accuracy=SeedSpread(
            mean=float(np.mean(accuracies)), low=low, high=high, per_seed=tuple(accuracies)
        ),
        loss=SeedSpread(
            mean=float(np.mean(losses)),
            low=min(losses),
            high=max(losses),
            per_seed=tuple(losses),
        ),
    )


def finished_scores(variant: Variant, part: EvaluationPart) -> list[PartMetrics]:
    """Return the metrics of the finished runs on one part; empty if it was not measured."""
    parts = [read_metrics(run).part(part) for run in variant.runs.values()]
    return [scores for scores in parts if scores is not None]


def grid_fields(
    grid: Grid, context: StudyContext, part: EvaluationPart, time_limit: float | None
) -> dict[str, Any]:
    """Return the fields that the findings of all grids share, as keyword arguments."""
    runs = sum(len(variant.runs) for variant in grid.variants)
    budget = context.budget(time_limit, grid.seeds)
    common = context.common_fields(part, runs if part == "test" else 0, budget)
    return {**common, "seeds": grid.seeds}


def with_features(recipe: Recipe, data: SplitDataset) -> Recipe:
    """Compute the features of a backbone and return the recipe with its image size decided.

    Recipes without a backbone are returned unchanged.
    """
    if not is_backbone(recipe.model):
        return recipe
    prepared, _ = prepare_features(recipe, data, 0, None)
    return prepared
