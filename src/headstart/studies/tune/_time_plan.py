"""Divide the time limit of a search: full runs of the default recipe come before the search."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Fraction of the time limit for the report and a busy machine.
RESERVED = 0.06

# Recipes with a full run in the search: at most, and at least where the best one is retrained.
MOST_PROMOTED, _LEAST_PROMOTED = 4, 2
# Of the time for short runs and full runs of other recipes, full runs take this fraction at most.
_PROMOTED_FRACTION = 0.4

# Time for short runs without which nothing is searched, in full runs: three short runs.
_LEAST_SHORT_RUNS = 0.5


@dataclass(frozen=True)
class TimePlan:
    """The division of a time limit.

    Attributes:
        promoted: Recipes with a full run in the search, besides the default recipe; 0 if the time
            is only enough to train the default recipe.
        seeds: Seeds of the final runs, of the best recipe and of the default recipe each.
        retrains: False if the full runs of the search are the final runs.
    """

    promoted: int
    seeds: int
    retrains: bool

    @property
    def searches(self) -> bool:
        """False if the time is only enough to train the default recipe."""
        return self.promoted > 0


def divide_time(usable: float, seconds: float, seeds: int, slots: int = 1) -> TimePlan:
    """Divide the time of a search, which includes the runs of the default recipe.

    A search must not end below the default recipe in the same time. So full runs are as long as
    the default recipe's, and a short limit costs seeds first. Then the full runs of the default
    recipe and of one other are also the final runs. If the limit leaves too little time for short
    runs besides them, the default recipe is trained alone.

    Args:
        usable: The time in seconds, without the reserve for the report.
        seconds: Seconds of a full run.
        seeds: Wanted seeds of the final runs, of the best recipe and of the default recipe each.
        slots: Runs that are trained side by side.
    """
    for count in range(seeds, 0, -1):
        search = usable - seconds - side_by_side(seconds, 2 * count, slots)
        promoted = int(max(0.0, _PROMOTED_FRACTION * search / seconds)) * slots
        if promoted >= _LEAST_PROMOTED:
            return TimePlan(min(MOST_PROMOTED, promoted), count, retrains=True)
    searches = usable >= (2 + _LEAST_SHORT_RUNS) * seconds
    return TimePlan(int(searches), seeds=1, retrains=False)


def least_limit(seconds: float) -> float:
    """Return the shortest time limit of a search, where a full run takes so many seconds."""
    return (2 + _LEAST_SHORT_RUNS) * seconds / (1 - RESERVED)


def side_by_side(seconds: float, runs: int, slots: int = 1) -> float:
    """Return the seconds of so many runs of `seconds` each."""
    return seconds * math.ceil(runs / slots)
