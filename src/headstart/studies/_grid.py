"""A grid of recipes and seeds, and the jobs of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data import SplitDataset, with_train
from headstart.execution import Job
from headstart.models.recipes import Recipe
from headstart.results import (
    EvaluationPart,
    SeedFailure,
)
from headstart.studies._folds import StudyFolds
from headstart.studies._grid_clock import GridClock
from headstart.studies._reuse import copy_finished_runs
from headstart.training import read_correct


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


def copy_finished_grid_runs(grid: Grid, data: SplitDataset, folder: Path) -> None:
    """Copy runs that neighbouring folders hold into the run folders of the grid."""
    jobs = [job for _, _, job in grid_jobs(grid, folder).values()]
    copy_finished_runs(jobs, data, folder)


def grid_jobs(grid: Grid, folder: Path) -> dict[str, tuple[Variant, int, Job]]:
    """Return all runs of a grid by the names of their folders, seed by seed.

    Returns:
        The variant, the seed of the run, or its number with folds, and its job.
    """
    jobs = {}
    for seed in grid.seeds:
        for variant in grid.variants:
            job = grid_job(grid, variant, seed, folder)
            jobs[job.folder.name] = (variant, seed, job)
    return jobs


def grid_job(grid: Grid, variant: Variant, seed: int, folder: Path) -> Job:
    """Return the job of one run.

    Args:
        grid: The grid.
        variant: The variant.
        seed: The seed of the run, or its number with folds.
        folder: The study folder.
    """
    if grid.folds is not None:
        run = grid.folds.run(seed)
        path = folder / "runs" / f"{variant.name}-{run.suffix}"
        split = run.data.split
        train = variant.train_indices.get(seed)
        name = f"{variant.name}, {run.name}"
        return Job(name, variant.recipe, run.seed, path, train=train, split=split)
    path = folder / "runs" / f"{variant.name}-seed{seed}"
    name = f"{variant.name}, seed {seed}"
    return Job(name, variant.recipe, seed, path, train=variant.train_indices.get(seed))
