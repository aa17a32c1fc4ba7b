"""The design of a study: one split of the images, or folds that test each one once per repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data import SplitDataset, make_folds
from headstart.errors import InputError
from headstart.results import EvaluationPart
from headstart.studies._folds import FoldRun, StudyFolds
from headstart.studies._study import evaluation_part


@dataclass(frozen=True)
class StudyDesign:
    """How a study divides its images, and the runs that this takes.

    Attributes:
        data: The dataset with its split, or with that of the first fold, which serves plans and
            features.
        seeds: The seeds of the study. With folds, each one is a repeat.
        part: The part of the split that evaluates.
        folds: The folds; None for one split.
    """

    data: SplitDataset
    seeds: tuple[int, ...]
    part: EvaluationPart
    folds: StudyFolds | None = None

    @property
    def runs(self) -> tuple[int, ...]:
        """The seeds of the runs of one recipe, or with folds the numbers of these runs."""
        return self.run_numbers(self.seeds)

    @property
    def runs_per_seed(self) -> int:
        """The number of runs that test all images: one, or one per fold."""
        return 1 if self.folds is None else self.folds.folds.count

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """The group of each evaluated image, int64 of shape (N,), for tests over groups.

        None if no groups are known, and with folds: tests over folds need no groups, which are
        whole in each fold.
        """
        return None if self.folds is not None else self.data.groups_of(self.part)

    @property
    def all_data(self) -> list[SplitDataset]:
        """The dataset with each of its splits: one, or one per fold and repeat."""
        if self.folds is None:
            return [self.data]
        return [self.folds.run(number).data for number in self.runs]

    def run_numbers(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """Return the runs with these seeds, as in `runs`."""
        return tuple(seeds) if self.folds is None else self.folds.run_numbers(seeds)

    def run(self, number: int) -> FoldRun:
        """Return the data, the seed and the name of one of `runs`."""
        if self.folds is None:
            return FoldRun(self.data, number, f"seed{number}")
        return self.folds.run(number)

    def notes_of_short_runs(self) -> list[str]:
        """Return what to add about a time limit that leaves a contender undertrained."""
        if self.folds is None:
            return []
        return [
            f"The time is divided between {self.folds.folds.count} folds. With one test part "
            "(--folds none), runs are longer, but fewer images are tested."
        ]


def check_seed_count(seeds: int, what: str) -> None:
    """Check a number of seeds.

    Args:
        seeds: The number.
        what: What needs seeds, such as "each recipe".

    Raises:
        InputError: It is below 1.
    """
    if seeds < 1:
        raise InputError(
            f"invalid --seeds {seeds}: {what} needs at least one seed.",
            "Use three to measure the variance over seeds.",
        )


def design_study(
    data: SplitDataset, folds: int | None, seeds: Sequence[int], *, has_validation: bool = True
) -> StudyDesign:
    """Divide the images of a study.

    Args:
        data: The dataset and its split.
        folds: Number of folds; None for one split.
        seeds: The seeds of the study. With folds, there is one repeat per seed.
        has_validation: Whether each fold has validation images.

    Returns:
        The design.

    Raises:
        InputError: Nothing evaluates, or a class has too few images for so many folds.
    """
    seeds = tuple(seeds)
    if folds is None:
        return StudyDesign(data, seeds, evaluation_part(data))
    made = make_folds(data, folds, len(seeds), has_validation=has_validation)
    study_folds = StudyFolds(made, seeds)
    first = study_folds.first_data
    return StudyDesign(first, seeds, evaluation_part(first), study_folds)
