"""The plan of a comparison: its contenders, seeds and controls, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from headstart.results import JsonObject
from headstart.studies._comparison_entries import ComparisonEntry


@dataclass
class ComparisonPlan:
    """The runs of a comparison, as asked for and as planned for a time limit.

    The epochs of the runs are planned in their entries.

    Attributes:
        entries: Contenders and controls that are trained here.
        seeds: Number of seeds that the study asks for.
        runs_per_seed: Number of runs that test all images: one, or one per fold.
        finished_runs: Number of contenders that are finished runs, which take no time.
        planned_seeds: Number of seeds that fit.
        has_controls: Whether the controls fit.
        left_out: What each contender that was left out needs, in words, by its name.
        needed_seconds: A time limit with which every contender reaches its minimum number of
            epochs, with all seeds; None if this one is long enough.
        is_divided: True once the time has been divided between the runs.
        first_epochs: Epochs of each contender when the time was first divided, by its name.
        slowest: The longest time of a run, relative to what was expected before it.
        slowest_late: The longest time of the last steps of a first run that led to a correction of
            the plan, relative to the timed steps.
    """

    entries: Sequence[ComparisonEntry]
    seeds: int
    runs_per_seed: int = 1
    finished_runs: int = 0
    planned_seeds: int = 0
    has_controls: bool = True
    left_out: dict[str, str] = field(default_factory=dict)
    needed_seconds: float | None = None
    is_divided: bool = False
    first_epochs: dict[str, float] = field(default_factory=dict)
    slowest: float = 1.0
    slowest_late: float = 1.0

    @property
    def requested(self) -> list[ComparisonEntry]:
        """The contenders, also those that are left out."""
        return [entry for entry in self.entries if entry.role == "contender"]

    @property
    def contenders(self) -> list[ComparisonEntry]:
        """The contenders that are trained."""
        return [entry for entry in self.requested if entry.name not in self.left_out]

    @property
    def controls(self) -> list[ComparisonEntry]:
        """The controls that are trained."""
        if not self.has_controls:
            return []
        controls = [entry for entry in self.entries if entry.role == "control"]
        return [entry for entry in controls if entry.model_name not in self.left_out]

    @property
    def can_decide(self) -> bool:
        """True unless the time limit leaves too few contenders for a verdict."""
        wanted = min(2, len(self.requested) + self.finished_runs)
        return len(self.contenders) + self.finished_runs >= wanted

    def decided_input_size(self, entry: ComparisonEntry) -> JsonObject:
        """Return the image size of the contender that an entry is a variant of, if it is known."""
        for other in self.contenders:
            if other.name == entry.model_name and other is not entry and other.is_prepared:
                return other.recipe.net.model_dump(include={"input_px"})
        return {}
