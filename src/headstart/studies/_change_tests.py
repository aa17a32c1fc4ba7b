"""The tests of changes of a recipe against the unchanged one."""

from __future__ import annotations

from typing import Any, Literal

from headstart.evaluation import PairedComparison, comparisons_with
from headstart.studies._comparison_entries import CorrectByName, Groups
from headstart.studies._differences import LEVEL

UNCHANGED = "baseline"  # name of the variant of the unchanged recipe
Outcome = Literal["helps", "hurts", "undecided"]
FAILED: dict[str, Any] = {
    "difference": None,
    "interval": None,
    "p_adjusted": None,
    "smallest_detectable": None,
    "outcome": "failed",
}


def compare_changes(
    correct: CorrectByName, groups: Groups, fold_of: Groups
) -> dict[str, dict[str, Any]]:
    """Compare each change with the unchanged recipe.

    Args:
        correct: Boolean arrays of shape (S, N) by the name of the variant, `UNCHANGED` among them.
            True where a prediction is correct. Variants with a failed run are left out.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a repeated cross-validation, or None.

    Returns:
        The statistics of each change, as in `EffectResult`, by the name of its variant.
    """
    if len(correct) < 2:
        return {}
    comparisons = comparisons_with(UNCHANGED, correct, LEVEL, groups, fold_of)
    return {
        name: {
            "difference": comparison.difference,
            "interval": comparison.interval,
            "p_adjusted": comparison.p_adjusted,
            "smallest_detectable": comparison.smallest_detectable,
            "outcome": _outcome(comparison),
        }
        for name, comparison in comparisons.items()
    }


def _outcome(comparison: PairedComparison) -> Outcome:
    if not comparison.is_significant(LEVEL):
        return "undecided"
    return "helps" if comparison.difference > 0 else "hurts"
