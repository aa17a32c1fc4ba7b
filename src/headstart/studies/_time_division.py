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
        epochs: Epochs of a run, by the name of the entry. Those that are left out are missing.
        seconds: Seconds that this takes.
        left_out: Names of the contenders for which there is no time: one run of each contender with
            its fewest epochs takes longer than there is. The most expensive ones are left out.
    """

    seeds: int
    has_controls: bool
    epochs: dict[str, float]
    seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """True if every contender reaches its fewest epochs."""
        return not self.left_out


def divide(
    demands: Sequence[Demand], seeds: int, available: float, runs_per_seed: int = 1
) -> Division:
    """Divide the time between the runs of a comparison.

    All seeds of a contender get the same number of epochs. Contenders get the same time per run.
    What one of them does not need, because it reaches the epochs of its recipe or is solved at
    once, is left to the others. If the fewest epochs do not fit, the controls are left out, then
    seeds, down to one, and then contenders. None gets less than its fewest epochs.

    Args:
        demands: Contenders and controls.
        seeds: The number of seeds that the study asks for.
        available: Seconds for all runs.
        runs_per_seed: Number of runs that are left out together: the folds of a repeat. `seeds`
            counts runs.
    """
    count = seeds
    for kept, count in _choices(demands, seeds, runs_per_seed):
        least = sum(demand.total_seconds(demand.least, count) for demand in kept)
        if least <= max(available, 0.0):
            return _share(kept, count, available)

    affordable, left_out = _affordable(demands, count, available)
    if not affordable:
        return Division(count, False, {}, 0.0, left_out)
    if not left_out:  # by rounding
        return _share(affordable, count, available)
    division = divide(affordable, seeds, available, runs_per_seed)
    return replace(division, left_out=left_out)


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


def _affordable(
    demands: Sequence[Demand], seeds: int, available: float
) -> tuple[list[Demand], tuple[str, ...]]:
    """Return the contenders whose fewest epochs fit, the cheapest first, and the other names.

    A contender stays if it has a run that it needs no more time for.
    """
    contenders = [demand for demand in demands if not demand.is_control]
    chosen, seconds = set[str](), 0.0
    for demand in sorted(contenders, key=lambda demand: demand.total_seconds(demand.least, seeds)):
        own = demand.total_seconds(demand.least, seeds)
        if seconds + own <= available or own == 0:
            seconds += own
            chosen.add(demand.name)
    left_out = tuple(demand.name for demand in contenders if demand.name not in chosen)
    return [demand for demand in contenders if demand.name in chosen], left_out


def _share(demands: Sequence[Demand], seeds: int, available: float) -> Division:
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
    return Division(seeds, has_controls, epochs_of(high), total(high))
