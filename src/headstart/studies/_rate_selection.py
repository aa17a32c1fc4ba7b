"""The selected learning rate of a study, and the comparisons of the others with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headstart.evaluation import SelectedComparisons, comparisons_with_selected
from headstart.results import Difference, EvaluationPart
from headstart.studies._comparison_entries import CorrectByName, Groups
from headstart.studies._differences import LEVEL, difference_of, is_significantly_worse


@dataclass(frozen=True)
class RateSelection:
    """The selected learning rate, and the comparisons of the others with it.

    Attributes:
        best: Name of the variant with the lowest mean validation loss, of those that learned
            something with every seed; None if there are none.
        diverged: Seeds at which training diverged, or numbers of runs with folds, by the name of
            the variant.
        comparisons: Comparisons of the variants that learned something; None without a best one.
    """

    best: str | None
    diverged: Mapping[str, tuple[int, ...]]
    comparisons: SelectedComparisons | None

    @classmethod
    def of(
        cls,
        best: str,
        diverged: Mapping[str, tuple[int, ...]],
        learned: CorrectByName,
        groups: Groups,
        fold_of: Groups,
    ) -> RateSelection:
        """Compare the other rates that learned something with the best one.

        Args:
            best: Name of the selected variant.
            diverged: As in the class.
            learned: Boolean arrays of shape (S, N) by the name of the variant, True where a
                prediction is correct.
            groups: Int64 array of shape (N,) with the group of each image, or None.
            fold_of: Folds of a repeated cross-validation, or None.
        """
        comparisons = comparisons_with_selected(best, learned, LEVEL, groups, fold_of)
        return cls(best, diverged, comparisons)

    def is_good(self, name: str) -> bool:
        """Return True for the best rate, and for those that are not significantly worse."""
        if name == self.best:
            return True
        if self.comparisons is None or name not in self.comparisons.comparisons:
            return False
        is_worse = is_significantly_worse(self.comparisons.comparisons[name])
        return not is_worse and name not in self.comparisons.more_variable

    def difference(self, name: str, part: EvaluationPart) -> Difference | None:
        """Return the difference from the best rate; None for itself and without a test."""
        if self.comparisons is None:
            return None
        return difference_of(self.comparisons.comparisons.get(name), part)
