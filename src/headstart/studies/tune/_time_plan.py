"""Divide the time limit of a search: full runs of the default recipe come before the search."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Fractions of the time limit: for the report and a busy machine, and the least for the search.
RESERVED, _LEAST_SEARCH = 0.06, 0.35

# Of the time of a search, the first rung takes this fraction at most.
_FIRST_RUNG = 0.7


@dataclass(frozen=True)
class TimePlan:
    """The division of a time limit.

    Attributes:
        epochs: Epochs of a full run.
        seconds: Seconds of a full run.
        seeds: Seeds of the final runs.
        first_rung_ends: Seconds after which the first rung ends.
        last_rung_ends: Seconds after which the last rung ends.
        searches: False if the time is only enough to train the default recipe.
    """

    epochs: float
    seconds: float
    seeds: int
    first_rung_ends: float
    last_rung_ends: float
    searches: bool = True


def divide_time(
    limit: float, epochs: float, seconds: float, seeds: int, slots: int = 1
) -> TimePlan:
    """Divide a time limit.

    A search must not end below the default recipe in the same time. So full runs are as long as
    the default recipe's, and a short limit costs seeds first. If it leaves too little time for the
    search, the default recipe is trained instead.

    Args:
        limit: The time limit in seconds.
        epochs: Epochs of the default recipe.
        seconds: Seconds of a run of it.
        seeds: Wanted seeds of the final runs, of the best recipe and of the default recipe each.
        slots: Runs that are trained side by side.
    """
    usable = (1 - RESERVED) * limit
    for count in range(seeds, 0, -1):
        final = final_seconds(seconds, count, slots)
        search = usable - seconds - final
        if search >= _LEAST_SEARCH * usable:
            first = seconds + _FIRST_RUNG * search
            return TimePlan(epochs, seconds, count, first, usable - final)

    share = min(1.0, usable / seconds)
    side_by_side = min(seeds, slots)
    return TimePlan(round(epochs * share, 2), seconds * share, side_by_side, 0.0, 0.0, False)


def final_seconds(seconds: float, seeds: int, slots: int = 1) -> float:
    """Return the seconds of training the best recipe and the default recipe over so many seeds."""
    return seconds * math.ceil(2 * seeds / slots)
