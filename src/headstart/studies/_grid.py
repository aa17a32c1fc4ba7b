"""A grid of recipes over seeds: what it costs, what a time limit leaves of it, and its runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from headstart.models.recipes import Recipe, resolve
from headstart.studies._reuse import adopt
from headstart.training import expected_seconds, read_correct, read_metrics

_KEPT_BACK = 0.1  # of the time: runs were timed on a few steps
_REPORT_SECONDS = 8.0
_FEWEST_SEEDS, _SHORTEST_EPOCHS = 2, 1.0


@dataclass
class Variant:
    """One recipe of a grid.

    Attributes:
        name: unique, and fit for a file name.
        rank: 0 stays; where time is short, the highest ranks are left out first.
        train: by seed, dataset indices of the training images, where they are not all of the split's.
        of, per_class: the contender and its labels a class, in a study of labels.
        runs, failures: run folders and reasons, by seed.
    """

    name: str
    recipe: Recipe
    rank: int = 0
    train: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)
    of: str = ""
    per_class: int = 0
    runs: dict[int, Path] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def learns_by_steps(self) -> bool:
        """A head that is solved for at once has no epochs to shorten."""
        return self.recipe.optimizer != "lbfgs"

    def visible_data(self, data: SplitDataset, seed: int = 0) -> SplitDataset:
        """Return what its run with this seed may see."""
        return with_train(data, self.train[seed]) if self.train else data


@dataclass
class Grid:
    """The recipes and seeds of a study, as far as time allows.

    Attributes:
        notes: what time did not allow.
        seconds: what one run of each variant is expected to take, by name; empty where nobody planned it.
    """

    variants: list[Variant]
    seeds: tuple[int, ...]
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def correct(self, part: str) -> dict[str, NDArray[np.bool_]]:
        """`(S, N)` booleans by name of those variants that finished with every seed: of others only the good ones would count."""
        whole = [one for one in self.variants if all(seed in one.runs for seed in self.seeds)]
        return {
            one.name: np.stack([read_correct(one.runs[seed], part) for seed in self.seeds])
            for one in whole
        }


def plan_grid(
    variants: Sequence[Variant],
    seeds: tuple[int, ...],
    time_limit: float | None,
    data: SplitDataset,
    folder: Path,
    slots: int,
    started: float,
    notes: Sequence[str] = (),
) -> Grid:
    """Decide everything before the first run, and say how long it will take; kept in `budget.json` for a later start.

    A time limit costs, in this order: seeds down to two; the variants of the highest rank, and so on down to rank 0; the second
    seed; the length of all runs.

    Args:
        notes: what was decided before.

    Raises:
        InputError: not even one epoch of each fits into the time.
    """
    grid = Grid([replace(one, recipe=_decided(one, data)) for one in variants], seeds, list(notes))
    if (kept := follow(grid, folder)) is not None:
        _shorten(grid, kept["length"])
        grid.seconds = kept["seconds"]
    else:
        _fit(grid, time_limit, data, folder, slots, started)
    take_over(grid, data, folder)
    _say_how_long(grid, folder, slots)
    return grid


def _fit(
    grid: Grid,
    time_limit: float | None,
    data: SplitDataset,
    folder: Path,
    slots: int,
    started: float,
) -> None:
    """Time the recipes, leave of the grid what fits, and keep the plan."""
    seconds = _costs(grid.variants, data)

    def total() -> float:
        return _total(grid.variants, seconds, grid, slots)

    length = 1.0
    if time_limit is not None:
        left = (time_limit - (time.perf_counter() - started) - _REPORT_SECONDS) * (1 - _KEPT_BACK)
        shrink(grid, total, left)
        if total() > left:
            length = _fitting_length(grid, seconds, slots, left, time_limit)
            whom = (
                "all runs"
                if all(one.learns_by_steps for one in grid.variants)
                else "all runs that learn by steps"
            )
            grid.notes.append(f"The time limit shortens {whom} to {length:.0%} of their epochs.")
            _shorten(grid, length)
    grid.seconds = {
        one.name: round(seconds[one.name] * (length if one.learns_by_steps else 1), 3)
        for one in grid.variants
    }
    facts = {
        "variants": list(grid.seconds),
        "seeds": grid.seeds,
        "notes": grid.notes,
        "length": length,
    }
    store.write_json(folder / "budget.json", {**facts, "seconds": grid.seconds})


def follow(grid: Grid, folder: Path) -> dict[str, Any] | None:
    """Narrow the grid to the plan that an earlier start left, and return that plan; None where there is none."""
    kept: dict[str, Any] | None = store.read_json_or(folder / "budget.json", None)
    if kept is not None:
        grid.variants = [one for one in grid.variants if one.name in kept["variants"]]
        grid.seeds, grid.notes = tuple(kept["seeds"]), kept["notes"]
    return kept


def shrink(grid: Grid, total: Callable[[], float], seconds: float) -> None:
    """Take away until `total` is no more than `seconds`: seeds down to two; variants, highest ranks first; the second seed."""
    asked = len(grid.seeds)
    while total() > seconds and len(grid.seeds) > _FEWEST_SEEDS:
        grid.seeds = grid.seeds[:-1]
    if len(grid.seeds) < asked:
        grid.notes.append(f"The time limit allows {len(grid.seeds)} seeds of {asked}.")
    while total() > seconds and (highest := max(one.rank for one in grid.variants)):
        gone = [one.name for one in grid.variants if one.rank == highest]
        grid.variants = [one for one in grid.variants if one.rank < highest]
        grid.notes.append(f"Left out for the time limit: {', '.join(gone)}.")
    if total() > seconds and len(grid.seeds) > 1:
        grid.seeds = grid.seeds[:1]
        grid.notes.append(
            "The time limit allows one seed: differences are about these trained models, not their recipes."
        )


def _say_how_long(grid: Grid, folder: Path, slots: int) -> None:
    """The notes, the number of runs, and the time that those take that are still to be made."""
    for note in grid.notes:
        progress.say(note)
    runs = [
        (one.name, run_folder(folder, one, seed)) for one in grid.variants for seed in grid.seeds
    ]
    waiting = [name for name, run in runs if not (run / "metrics.json").exists()]
    done = f", {len(runs) - len(waiting)} of them done" if len(waiting) < len(runs) else ""
    left = sum(grid.seconds[name] for name in waiting) / slots
    progress.say(f"{len(runs)} runs{done}, about {approximate_duration(left)} on this machine.")


def run_folder(folder: Path, variant: Variant, seed: int) -> Path:
    """Where a study keeps a run."""
    return folder / "runs" / f"{variant.name}-seed{seed}"


def _decided(one: Variant, data: SplitDataset) -> Recipe:
    return resolve(one.recipe, len(one.visible_data(data).split.train), data.class_names)


def _total(
    variants: Sequence[Variant], seconds: Mapping[str, float], grid: Grid, slots: int
) -> float:
    return sum(seconds[one.name] for one in variants) * len(grid.seeds) / slots


def _fitting_length(
    grid: Grid, seconds: Mapping[str, float], slots: int, left: float, time_limit: float
) -> float:
    """The part of its epochs that each run keeps so that all end in what is `left`; heads that are solved for have none to lose.

    Raises:
        InputError: not even one epoch of each fits, or the heads that are solved for do not.
    """
    learning = [one for one in grid.variants if one.learns_by_steps]
    by_steps, whole = (
        _total(learning, seconds, grid, slots),
        min((one.recipe.epochs or 0 for one in learning), default=1.0),
    )
    fixed = _total(grid.variants, seconds, grid, slots) - by_steps
    length, shortest = (
        max(left - fixed, 0) / by_steps if learning else 0.0,
        min(_SHORTEST_EPOCHS / whole, 1),
    )
    if length < shortest:
        leaves = (
            f"{length * whole:.2g} epochs for each of {len(learning)} runs"
            if learning
            else "too little for the runs"
        )
        needed = (fixed + by_steps * shortest - left) / (1 - _KEPT_BACK)
        raise InputError(
            f"a time limit of {time_limit:g} s leaves {leaves}.",
            f"Give --time-limit {math.ceil(time_limit + needed)}s or more.",
        )
    return length


def _shorten(grid: Grid, length: float) -> None:
    for one in grid.variants:
        if length < 1 and one.learns_by_steps:
            one.recipe = one.recipe.model_copy(
                update={"epochs": round((one.recipe.epochs or 1) * length, 3)}
            )


def _costs(variants: Sequence[Variant], data: SplitDataset) -> dict[str, float]:
    """Seconds of a run of each variant; those that differ only in numbers of the optimizer cost the same."""
    known: dict[tuple[str, int], float] = {}
    found = {}
    with progress.task("timing a few steps", len(variants), "recipes") as task, progress.muted():
        for one in variants:
            visible = one.visible_data(data)
            like = one.recipe.model_copy(
                update={"lr": 1.0, "l2": float(bool(one.recipe.l2)), "label_smoothing": 0.0}
            )
            key = (like.digest, len(visible.split.train))
            if key not in known:
                known[key] = expected_seconds(one.recipe, visible)
            found[one.name] = known[key]
            task.advance()
    return found


def take_over(grid: Grid, data: SplitDataset, folder: Path) -> None:
    """Copy what was made before, beside the study, into the grid's run folders."""
    adopt([job for _, job in _jobs(grid, folder).values()], data, folder)


def _jobs(grid: Grid, folder: Path) -> dict[str, tuple[Variant, Job]]:
    """All runs of a grid by the names of their folders, seed by seed."""
    found = {}
    for seed in grid.seeds:
        for one in grid.variants:
            path = run_folder(folder, one, seed)
            found[path.name] = (
                one,
                Job(f"{one.name}, seed {seed}", one.recipe, seed, path, train=one.train.get(seed)),
            )
    return found


def run_grid(grid: Grid, executor: Executor, folder: Path, title: str) -> None:
    """Make all runs, seed by seed, and note them in the variants. Runs that fail are noted with their reason."""
    jobs = _jobs(grid, folder)
    # The bar goes by expected seconds, where they are known: the first runs of a study of labels take one, the last ones minutes.
    size = {one.name: grid.seconds.get(one.name, 1.0) for one in grid.variants}
    total, unit = (
        sum(size[one.name] for one, _ in jobs.values()),
        "s of runs" if grid.seconds else "runs",
    )
    with progress.task(title, total, unit) as task:
        for number, outcome in enumerate(run_all(executor, [job for _, job in jobs.values()]), 1):
            one, job = jobs[outcome.job.folder.name]
            if outcome.reason is None:
                one.runs[job.seed] = job.folder
            else:
                one.failures[job.seed] = outcome.message
                progress.say(f"{job.name}: {outcome.message}")
            task.note(f"{number} of {len(jobs)} runs")
            task.advance(size[one.name])
    if not any(one.runs for one in grid.variants):
        reasons = sorted({text for one in grid.variants for text in one.failures.values()})
        raise RunFailed(f"no run of the study finished: {'; '.join(reasons[:3])}")


def scores(variant: Variant, part: str) -> dict[str, Any] | None:
    """Accuracy and loss of a variant on a part: mean over seeds, a band, and each seed. None where it was not measured.

    The band of accuracy is its 95% interval, over images and, where there are several runs, seeds; that of loss reaches from the
    lowest to the highest seed.
    """
    measured = [read_metrics(run)[part] for run in variant.runs.values()]
    if not measured or measured[0] is None:
        return None
    low, high = accuracy_interval(
        np.stack([read_correct(run, part) for run in variant.runs.values()])
    )
    accuracies, losses = [one["accuracy"] for one in measured], [one["loss"] for one in measured]
    return {
        "accuracy": {
            "mean": float(np.mean(accuracies)),
            "low": low,
            "high": high,
            "per_seed": accuracies,
        },
        "loss": {
            "mean": float(np.mean(losses)),
            "low": min(losses),
            "high": max(losses),
            "per_seed": losses,
        },
    }


def common_facts(grid: Grid, part: str, time_limit: float | None, spent: float) -> dict[str, Any]:
    """The keys that the findings of all grids share."""
    runs = sum(len(one.runs) for one in grid.variants)
    return {
        "seeds": list(grid.seeds),
        "judged_on": part,
        "test_reads": runs if part == "test" else 0,
        "budget": {
            "time_limit": time_limit,
            "seeds": list(grid.seeds),
            "seconds_spent": round(spent, 1),
        },
    }


def with_features(recipe: Recipe, data: SplitDataset) -> Recipe:
    """The recipe; where it has a backbone, with its features computed and the size of its images decided."""
    return prepare_features(recipe, data, 0, None)[0] if recipe.net.is_backbone else recipe


def relative(runs: Mapping[int, Path], folder: Path) -> list[str]:
    """Run folders as findings name them."""
    return [str(run.relative_to(folder)) for run in runs.values()]
