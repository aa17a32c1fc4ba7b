"""The results of a comparison over all folds of a cross-validation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.results import Contender, read_metrics
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._folds import BoolArray, StudyFolds


@dataclass(frozen=True)
class FoldResults:
    """The images that the models of each entry classified correctly without having seen them.

    Attributes:
        folds: The folds of the study.
        correct: Boolean arrays of shape (R, N) by the name of the entry, one row per repeat.
            Entries without a complete repeat are left out.
        repeats: The repeats that all contenders have finished. A control has the first of them.
        representative: Number of the run that stands for all.
    """

    folds: StudyFolds
    correct: dict[str, BoolArray]
    repeats: tuple[int, ...]
    representative: int

    @property
    def fold_of(self) -> NDArray[np.int64]:
        """The fold of each image in each repeat, int64 of shape (R, N)."""
        return self.folds.fold_of[list(self.repeats)]

    @property
    def evaluations(self) -> int:
        """The number of times that each image was tested."""
        return sum(len(rows) for rows in self.correct.values())

    def update_contender(
        self, contender: Contender, entry: ComparisonEntry, folder: Path
    ) -> Contender:
        """Return a contender with the scores of all folds together.

        Args:
            contender: The contender as if its runs were those of one split.
            entry: Its entry.
            folder: The study folder, to which paths of runs are relative.
        """
        correct = self.correct[entry.name]
        repeats = self.repeats[: len(correct)]
        runs = self.runs_that_count(entry)
        metrics = {number: read_metrics(run) for number, run in runs.items()}
        representative = entry.runs[self.representative]
        shown = metrics[self.representative]  # in a nested search, each fold has its own recipe
        return contender.model_copy(
            update={
                "recipe": shown.recipe,
                "parameters": shown.parameters,
                "trainable_parameters": shown.trainable_parameters,
                "multiply_adds": shown.multiply_adds,
                "test": self.folds.scores(metrics, correct, repeats),
                "validation": None,  # each fold has other validation images
                "epochs": tuple(run.epochs for run in metrics.values()),
                "runs": tuple(os.path.relpath(run, folder) for run in runs.values()),
                "representative_run": os.path.relpath(representative, folder),
                "seeds": tuple(self.folds.seeds[repeat] for repeat in repeats),
            }
        )

    def runs_that_count(self, entry: ComparisonEntry) -> dict[int, Path]:
        """Return the folders of the runs of the repeats that count, by the number of the run.

        Args:
            entry: An entry with a complete repeat.
        """
        repeats = self.repeats[: len(self.correct[entry.name])]
        seeds = [self.folds.seeds[repeat] for repeat in repeats]
        return {number: entry.runs[number] for number in self.folds.run_numbers(seeds)}


def read_fold_results(entries: Sequence[ComparisonEntry], folds: StudyFolds) -> FoldResults:
    """Read which images the models of each entry classified correctly without having seen them.

    Only repeats count that every contender has finished. An entry of which a run failed has images
    without a prediction, so it is left out.
    """
    complete = {
        entry.name: folds.complete_repeats(entry.runs)
        for entry in entries
        if entry.runs and not entry.failures
    }
    common = set(range(len(folds.seeds)))
    for entry in entries:
        if entry.role == "contender" and complete.get(entry.name):
            common &= set(complete[entry.name])

    repeats = tuple(sorted(common))
    correct: dict[str, BoolArray] = {}
    for entry in entries:
        own = [repeat for repeat in repeats if repeat in complete.get(entry.name, ())]
        if own:
            correct[entry.name] = folds.read_correct(entry.runs, own)

    names = [entry.name for entry in entries if entry.role == "contender"]
    rows = [correct[name] for name in names if name in correct]
    representative = folds.representative_run(rows, repeats[0]) if rows else 0
    return FoldResults(folds, correct, repeats, representative)
