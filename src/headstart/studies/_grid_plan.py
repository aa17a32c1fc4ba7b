"""The part of a grid that fits into a time limit, from steps that are timed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from headstart import progress, store
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.formatting import approximate_duration
from headstart.models.recipes import Recipe, resolve
from headstart.studies._grid import Grid, Variant, copy_finished_grid_runs, grid_job
from headstart.studies._grid_clock import GridClock
from headstart.studies._study import StudyContext
from headstart.studies._time_limit import TimeLimit, WhenSlow, prediction_seconds
from headstart.training import expected_seconds, least_epochs

_RESERVED_SHARE = 0.05  # of the time limit: costs are measured on a few steps
_REPORT_SECONDS = 4.0
_EXTRA_SHARE = 0.1  # of the time limit, at most, for steps besides the runs
_FEWEST_SEEDS = 2

# Recipes are timed so often, unless this takes more than a share of the time limit.
_TIMINGS, _TIMING_SHARE = 3, 0.05


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
        fit_into_time(grid, costs, folder, slots)
    else:
        _shorten(grid, plan.length)
        grid.seconds = plan.seconds

    copy_finished_grid_runs(grid, data, folder)
    _announce(grid, folder, slots)
    return grid


def fit_into_time(grid: Grid, costs: Mapping[str, float], folder: Path, slots: int) -> None:
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

    left_out: list[str] = []
    while total() > seconds:
        highest = max(variant.rank for variant in grid.variants)
        if highest == 0:
            break
        left_out += [variant.name for variant in grid.variants if variant.rank == highest]
        grid.variants = [variant for variant in grid.variants if variant.rank < highest]

    if total() > seconds and len(grid.seeds) > 1 and grid.folds is None:
        grid.seeds = grid.seeds[:1]
    if len(grid.seeds) < wanted:
        what = "seeds" if grid.folds is None else "repeats"
        grid.notes.append(
            f"The time limit allows {len(grid.seeds) // runs} of {wanted // runs} {what}."
        )
    if left_out:
        grid.notes.append(f"Left out for the time limit: {', '.join(left_out)}.")


def _announce(grid: Grid, folder: Path, slots: int) -> None:
    """Report the notes, the number of runs, and the expected time of those that remain."""
    for note in grid.notes:
        progress.say(note)

    runs = 0
    unfinished = []
    for variant in grid.variants:
        for seed in grid.seeds:
            runs += 1
            if not (grid_job(grid, variant, seed, folder).folder / "metrics.json").exists():
                unfinished.append(variant.name)

    done = f", {runs - len(unfinished)} of them done" if len(unfinished) < runs else ""
    seconds = sum(grid.seconds[name] for name in unfinished) / slots
    progress.say(f"{runs} runs{done}, about {approximate_duration(seconds)} on this machine.")


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
        f"Pass --time-limit {math.ceil(needed)}s or more.",
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
