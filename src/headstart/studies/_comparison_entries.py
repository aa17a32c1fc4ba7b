"""The entries of a comparison: contenders and controls with their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.data import SplitDataset
from headstart.models.recipes import Recipe
from headstart.results import EvaluationPart
from headstart.training import read_correct

CONTROL_SUFFIX = " (random weights)"
WITHOUT_PLAN_SUFFIX = " (without the plan)"

CorrectByName = Mapping[str, NDArray[np.bool_]]
Groups = NDArray[np.int64] | None


@dataclass
class ComparisonEntry:
    """A contender or a control, and its runs.

    Attributes:
        name: The name in the finding.
        role: "contender", or "control" for a backbone with random weights.
        recipe: The recipe.
        seeds: The seeds of its runs.
        data: The data that it is trained on; None for those of the study.
        epochs: Epochs of each run as planned for a time limit; None for those of the recipe.
        least_epochs: The minimum number of epochs of the recipe. Without time for them, a
            contender is left out.
        is_solved: True if its head is solved at once, so that it has no epochs to shorten.
        is_prepared: True if its features are computed.
        prepare_seconds: Seconds that the features took.
        runs: Folders of the finished runs, by seed.
        run_durations: Seconds of each run that has ended, in the order of the runs.
        late_slowdown: Seconds per step at the end of its first run, relative to the whole run.
        failures: One sentence per failed run, by seed.
    """

    name: str
    role: Literal["contender", "control"]
    recipe: Recipe
    seeds: tuple[int, ...]
    data: SplitDataset | None = None
    epochs: float | None = None
    least_epochs: float = 0.0
    is_solved: bool = False
    is_prepared: bool = False
    prepare_seconds: float = 0.0
    runs: dict[int, Path] = field(default_factory=dict)
    run_durations: list[float] = field(default_factory=list)
    late_slowdown: float = 1.0
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """The name of the contender that it is a variant of, or its own name."""
        return self.name.removesuffix(CONTROL_SUFFIX).removesuffix(WITHOUT_PLAN_SUFFIX)

    @property
    def waits_for_features(self) -> bool:
        """Return whether the features of its frozen backbone are still to be computed."""
        return self.recipe.on_features and not self.is_prepared

    @property
    def planned_recipe(self) -> Recipe:
        """The recipe of all its runs, with the planned number of epochs."""
        if self.epochs is None:
            return self.recipe
        return self.recipe.model_copy(update={"epochs": self.epochs})

    @property
    def ended_seeds(self) -> list[int]:
        """The seeds whose run has finished or failed."""
        return sorted({*self.runs, *self.failures})

    @property
    def next_duration(self) -> float:
        """The expected seconds of its next run, from those that have ended.

        If the machine became slower late in the first run, the second one is slow from the start.
        """
        durations = median(self.run_durations)
        return durations * self.late_slowdown if len(self.run_durations) == 1 else durations

    @property
    def has_ended_run(self) -> bool:
        """True if a run has ended. All others of this entry take the same steps."""
        return bool(self.run_durations)


def correct_predictions(
    entries: Sequence[ComparisonEntry], part: EvaluationPart
) -> dict[str, NDArray[np.bool_]]:
    """Return which images are correctly classified, `(S, N)` by the names of entries with runs."""
    return {
        entry.name: np.stack([read_correct(run, part) for run in entry.runs.values()])
        for entry in entries
        if entry.runs
    }
