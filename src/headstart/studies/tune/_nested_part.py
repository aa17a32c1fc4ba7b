"""The part of one search in a nested cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.studies._folds import StudyFolds


@dataclass(frozen=True)
class NestedPart:
    """The part of a search in a nested cross-validation.

    Attributes:
        folds: The outer folds. No image of its fold takes part in a search.
        fold: Number of the fold that the final runs test, from 0; None for the search on all
            images.
        full_seconds: Seconds of a full run, the same for all searches; None to measure them.
    """

    folds: StudyFolds
    fold: int | None = None
    full_seconds: float | None = None

    def name_in_fold(self, name: str, folder: str) -> tuple[str, str]:
        """Return the name of a run and that of its folder, with the number of the fold."""
        if self.fold is None:
            return name, folder
        return f"fold {self.fold + 1}, {name}", f"fold{self.fold + 1}-{folder}"
