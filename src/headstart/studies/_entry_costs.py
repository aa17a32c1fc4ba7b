"""The cost of a run of each entry of a comparison, from timed steps and timed features."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headstart.data import SplitDataset
from headstart.features import FeatureTimer
from headstart.models.recipes import resolve
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.training import RunCost, RunTimer, least_epochs

_DIGITS = 3  # of a planned number of epochs

# Of the time limit, to time the features at one image size. On a busy machine, a few full batches
# of small images would take longer.
_FEATURE_TIMING_SHARE = 0.02


class EntryCosts:
    """Times the steps and the features of entries, and counts their epochs.

    Attributes:
        costs: The measured cost of a run, by the name of the entry.
        feature_seconds: Seconds of the features of a frozen backbone, by the name of the entry:
            at its smallest image size until they are computed.
    """

    def __init__(self, data: SplitDataset, limit_seconds: float | None) -> None:
        self.costs: dict[str, RunCost] = {}
        self.feature_seconds: dict[str, float] = {}
        self._study_data = data
        self._limit_seconds = limit_seconds
        self._timers: dict[str, RunTimer] = {}
        self._feature_timers: dict[str, FeatureTimer] = {}

    def data(self, entry: ComparisonEntry) -> SplitDataset:
        """Return the data that an entry is trained on."""
        return entry.data or self._study_data

    def cost(self, entry: ComparisonEntry) -> RunCost | None:
        """Return the cost of a run of an entry; None if nothing was measured.

        A control costs what its contender does: the same network with other weights. A head whose
        features are not computed yet is expected to cost what a run of the others does besides its
        steps.
        """
        cost = self.costs.get(entry.name) or self.costs.get(entry.model_name)
        if cost is None and self.features_to_come(entry):
            return RunCost(max([0.0, *(other.fixed for other in self.costs.values())]))
        return cost

    def features_to_come(self, entry: ComparisonEntry) -> float:
        """Return the expected seconds of features of an entry that are not computed yet.

        Those of a control take as long as those of its contender.
        """
        if not entry.waits_for_features:
            return 0.0
        of_contender = self.feature_seconds.get(entry.model_name, 0.0)
        return self.feature_seconds.get(entry.name, of_contender)

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

    def feature_timer(self, entry: ComparisonEntry) -> FeatureTimer:
        """Return the timer of the features of a frozen backbone."""
        if entry.name not in self._feature_timers:
            seconds = None
            if self._limit_seconds is not None:
                seconds = _FEATURE_TIMING_SHARE * self._limit_seconds
            timer = FeatureTimer(entry.recipe, self.data(entry), seconds)
            self._feature_timers[entry.name] = timer
        return self._feature_timers[entry.name]

    def time_features(self, entry: ComparisonEntry) -> None:
        """Time the features of a frozen backbone at its smallest image size."""
        timer = self.feature_timer(entry)
        timer.restart()
        self.feature_seconds[entry.name] = timer.least_seconds

    def start_missing_timers(self, entries: Sequence[ComparisonEntry]) -> None:
        """Time entries that were not timed since the study was started, or resumed."""
        for entry in entries:
            if entry.name not in self._timers and not entry.waits_for_features:
                self.start_timer(entry)

    def time_more(self) -> None:
        """Time some more steps of every timed entry. The median of all timings counts."""
        for name, timer in self._timers.items():
            timer.measure()
            self.costs[name] = timer.cost

    def time_again(self, entries: Sequence[ComparisonEntry]) -> None:
        """Forget the timings of entries, and time some steps, or features to come, again.

        Those that were not timed since the study was resumed have only the costs of its plan.
        """
        for entry in entries:
            timer = self._timers.get(entry.name)
            if timer is not None:
                timer.restart()
                timer.measure()
                self.costs[entry.name] = timer.cost
            elif self.features_to_come(entry):
                self.time_features(entry)
            else:
                self.start_missing_timers([entry])
