"""Significant differences from the best entry of a study."""

from __future__ import annotations

from headstart.evaluation import SelectedComparison
from headstart.results import Difference, EvaluationPart

LEVEL = 0.05  # of the two-sided tests of a study, all of them together


def is_significantly_worse(comparison: SelectedComparison | None) -> bool:
    """Return True if `a` is significantly worse than `b`; False without a comparison."""
    if comparison is None:
        return False
    return comparison.difference < 0 and comparison.is_significant(LEVEL)


def difference_of(comparison: SelectedComparison | None, part: EvaluationPart) -> Difference | None:
    """Return the difference of a comparison as findings report it; None without a comparison.

    Validation images that also stopped or selected runs give no valid p-value.
    """
    if comparison is None:
        return None
    return Difference(
        difference=comparison.difference,
        interval=comparison.interval,
        p_adjusted=None if part == "validation" else comparison.p_adjusted,
    )
