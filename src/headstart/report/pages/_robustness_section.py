"""The sections about what a verdict depends on, and about subgroups with other differences."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.results import Comparison, Finding, Robustness, Slices

_MOST_SLICES = 10


@dataclass(frozen=True)
class RobustnessSection:
    """Checks of a verdict, and subgroups.

    Attributes:
        robustness: The result; None if it was not examined.
        slices: The search for subgroups; None if they were not searched.
        hidden_slices: Number of significant subgroups that the table leaves out.
    """

    robustness: Robustness | None
    slices: Slices | None
    hidden_slices: int

    @property
    def listed_slices(self) -> int:
        """The number of rows of the table of subgroups."""
        return _MOST_SLICES


def robustness_section(finding: Finding) -> RobustnessSection | None:
    """Return the section of a comparison; None for other findings and older ones."""
    if not isinstance(finding, Comparison):
        return None
    robustness, slices = finding.robustness, finding.slices
    if robustness is None and slices is None:
        return None
    significant = 0 if slices is None else len(slices.significant)
    return RobustnessSection(
        robustness,
        slices,
        max(0, significant - _MOST_SLICES),
    )
