"""The division of a time limit between contenders, controls and seeds. Arithmetic only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headstart.training import RunCost

_BISECTIONS = 60


@dataclass(frozen=True)
class Demand:
    """The cost of the runs of a contender or control, and the length that they should have.

    Attributes:
        name: Name of the entry.
        cost: The cost of a run.
        epochs: Epochs of its recipe. No run gets more.
        least: The fewest epochs to plan for.
        done: Number of its runs that are finished.
        is_control: True for a control, which has few runs and is left out first.
        control_runs: Number of runs of a control: one, or one per fold.
        extra: Seconds to spend once, such as on the features of a control.
    """

    name: str
    cost: RunCost
    epochs: float
    least: float
    done: int = 0
    is_control: bool = False
    extra: float = 0.0
    control_runs: int = 1

    def runs(self, seeds: int) -> int:
        """Return the number of runs that are left to do with so many seeds."""
        runs = self.control_runs if self.is_control else seeds
        return max(0, runs - self.done)

    def total_seconds(self, epochs: float, seeds: int) -> float:
        """Return the seconds of all runs that are left to do."""
        return self.extra + self.runs(seeds) * self.cost.seconds(epochs)

    def epochs_within(self, seconds: float) -> float:
        """Return the epochs of a run that may take so many seconds, within its bounds."""
        return min(self.epochs, max(self.least, self.cost.epochs(seconds)))


@dataclass(frozen=True)
class Division:
    """The part of a comparison that fits into a time limit.

    Attributes:
        seeds: Number of seeds of each contender.
        has_controls: Whether the controls are trained.
        epochs: Epochs of a run, by the name of the entry. Controls that are left out are missing.
        seconds: Seconds that this takes.
        fits: False if one run of each contender with its fewest epochs takes longer than there is.
            Then as many contenders as possible get theirs, the cheapest first.
    """

    seeds: int
    has_controls: bool
    epochs: dict[str, float]
    seconds: float
    fits: bool


def divide(
    demands: Sequence[Demand], seeds: int, available: float, runs_per_seed: int = 1
) -> Division:
    """Divide the time between the runs of a comparison.

    All seeds of a contender get the same number of epochs. Contenders get the same time per run.
    What one of them does not need, because it reaches the epochs of its recipe or is solved at
    once, is left to the others. If the fewest epochs do not fit, the controls are left out, and
    then seeds, down to one.

    Args:
        demands: Contenders and controls.
        seeds: The number of seeds that the study asks for.
        available: Seconds for all runs.
        runs_per_seed: Number of runs that are left out together: the folds of a repeat. `seeds`
            counts runs.
    """
    for kept, count in _choices(demands, seeds, runs_per_seed):
        least = sum(demand.total_seconds(demand.least, count) for demand in kept)
        if least <= available:
            return _share(kept, count, available, fits=True)
    return _share(_without_claims(kept, count, available), count, available, fits=False)


def least_seconds(demands: Sequence[Demand], seeds: int) -> float:
    """Return the seconds of all contenders, without controls, with their fewest epochs."""
    contenders = [demand for demand in demands if not demand.is_control]
    return sum(demand.total_seconds(demand.least, seeds) for demand in contenders)


def _choices(
    demands: Sequence[Demand], seeds: int, step: int
) -> Iterator[tuple[list[Demand], int]]:
    """Yield entries and numbers of seeds, those with the most runs first."""
    yield list(demands), seeds
    contenders = [demand for demand in demands if not demand.is_control]
    if len(contenders) < len(demands):
        yield contenders, seeds
    fewest = max([step, *(demand.done for demand in contenders)])
    for count in range(seeds - step, fewest - 1, -step):
        yield contenders, count


def _without_claims(demands: Sequence[Demand], seeds: int, available: float) -> list[Demand]:
    """Return the demands, the most expensive ones without a claim to their fewest epochs.

    All seeds of a contender take the same steps, so what its first run took stays.
    """
    reduced = []
    seconds = sum(demand.total_seconds(0.0, seeds) for demand in demands)
    for demand in sorted(demands, key=lambda demand: demand.total_seconds(demand.least, seeds)):
        seconds += demand.total_seconds(demand.least, seeds) - demand.total_seconds(0.0, seeds)
        has_claim = seconds <= available or demand.done > 0
        reduced.append(demand if has_claim else replace(demand, least=0.0))
    return reduced


def _share(demands: Sequence[Demand], seeds: int, available: float, *, fits: bool) -> Division:
    """Find the time per run, equal for all who need it, that uses up what is available."""

    def epochs_of(seconds: float) -> dict[str, float]:
        return {demand.name: demand.epochs_within(seconds) for demand in demands}

    def total(seconds: float) -> float:
        lengths = epochs_of(seconds)
        return sum(demand.total_seconds(lengths[demand.name], seeds) for demand in demands)

    low = 0.0
    high = max(demand.cost.seconds(demand.epochs) for demand in demands)
    if total(high) > available:
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if total(middle) > available:
                high = middle
            else:
                low = middle
        high = low
    has_controls = any(demand.is_control for demand in demands)
    return Division(seeds, has_controls, epochs_of(high), total(high), fits)
