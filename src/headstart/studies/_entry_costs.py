"""The cost of a run of each entry of a comparison, from timed steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headstart.data import SplitDataset
from headstart.models.recipes import resolve
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.training import RunCost, RunTimer, least_epochs

_DIGITS = 3  # of a planned number of epochs


class EntryCosts:
    """Times the steps of entries, and counts their epochs.

    Attributes:
        costs: The measured cost of a run, by the name of the entry.
        feature_seconds: Seconds of features that were timed and not computed, because there is no
            time for them; by the name of the entry.
    """

    def __init__(self, data: SplitDataset) -> None:
        self.costs: dict[str, RunCost] = {}
        self.feature_seconds: dict[str, float] = {}
        self._study_data = data
        self._timers: dict[str, RunTimer] = {}

    def data(self, entry: ComparisonEntry) -> SplitDataset:
        """Return the data that an entry is trained on."""
        return entry.data or self._study_data

    def cost(self, entry: ComparisonEntry) -> RunCost | None:
        """Return the cost of a run of an entry; None if it was not measured.

        A control costs what its contender does: the same network with other weights.
        """
        return self.costs.get(entry.name) or self.costs.get(entry.model_name)

    def recipe_epochs(self, entry: ComparisonEntry) -> float:
        """Return the number of epochs of the recipe of an entry."""
        resolved = resolve(entry.recipe, len(self.data(entry).split.train))
        return resolved.epochs or 1.0

    def epochs(self, entry: ComparisonEntry) -> float:
        """Return the number of epochs of the runs of an entry, as planned now."""
        return entry.epochs or self.recipe_epochs(entry)

    def rounded_epochs(self, entry: ComparisonEntry, epochs: float) -> float | None:
        """Return a planned number of epochs, rounded down; None for all epochs of the recipe."""
        if epochs >= self.recipe_epochs(entry):
            return None
        cost = self.cost(entry)
        assert cost is not None, "it was timed"
        one_step = 1 / cost.steps_per_epoch
        unit = 10.0 ** (math.floor(math.log10(max(epochs, one_step))) + 1 - _DIGITS)
        return max(one_step, round(math.floor(epochs / unit) * unit, 6))

    def start_timer(self, entry: ComparisonEntry) -> None:
        """Time some steps of an entry for the first time."""
        timer = RunTimer(entry.recipe, self.data(entry))
        timer.measure()
        self._timers[entry.name] = timer
        self.costs[entry.name] = timer.cost
        entry.is_solved = timer.recipe.optimizer == "lbfgs"
        entry.least_epochs = least_epochs(timer.recipe)

    def is_timed(self, entry: ComparisonEntry) -> bool:
        """Return whether the steps of an entry were timed since the study was started."""
        return entry.name in self._timers

    def time_more(self) -> None:
        """Time some more steps of every timed entry. The median of all timings counts."""
        for name, timer in self._timers.items():
            timer.measure()
            self.costs[name] = timer.cost

    def time_again(self, entries: Sequence[ComparisonEntry]) -> None:
        """Forget the timed steps of entries, and time some again."""
        for entry in entries:
            timer = self._timers.get(entry.name)
            if timer is not None:
                timer.restart()
                timer.measure()
                self.costs[entry.name] = timer.cost
