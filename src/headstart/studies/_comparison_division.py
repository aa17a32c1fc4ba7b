"""The time that is left of a comparison, divided between the runs that are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from headstart.studies._comparison_clock import ComparisonClock
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._entry_costs import EntryCosts
from headstart.studies._time_division import Demand, Division, divide, least_seconds
from headstart.training import RunCost

# Once runs have begun, the fewest epochs may end so much after the limit, as a share of it: a
# machine that became a bit slower must not cost the verdict.
_LATE_SHARE = 0.1

_MARGIN = 1.2  # on the time limit that is proposed


def divide_left_time(plan: ComparisonPlan, costs: EntryCosts, clock: ComparisonClock) -> Division:
    """Return the division of the time that is left.

    Once a run that the limit cut has ended, the other contenders keep the epochs that were
    planned together with it as long as one seed fits: a slow moment must not cost one contender
    more than another. Nor does a fast one give it more time than that run had.
    """
    demands, left = entry_demands(plan.contenders, plan, costs), clock.left_seconds()
    cut = [entry for entry in plan.contenders if entry.has_ended_run and entry.epochs is not None]
    if cut:
        division = _divide_with_planned(demands, cut, left, plan, costs)
        if division.fits:
            return division
    division = divide(demands, plan.seeds, left, plan.runs_per_seed)
    if division.fits or not plan.is_divided:
        return division

    least = [replace(demand, epochs=demand.least) for demand in demands if not demand.is_control]
    late = left + _LATE_SHARE * clock.limit_seconds
    shortest = divide(least, plan.runs_per_seed, late, plan.runs_per_seed)
    return shortest if shortest.fits else division


def entry_demands(
    contenders: Sequence[ComparisonEntry], plan: ComparisonPlan, costs: EntryCosts
) -> list[Demand]:
    """Return what contenders need, and the controls that are trained.

    Entries without any measurement are missing.
    """
    demands = []
    for entry in [*contenders, *plan.controls]:
        cost = costs.cost(entry)
        if cost is None:
            continue
        epochs = costs.recipe_epochs(entry)
        least = entry.least_epochs if entry.role == "contender" else epochs
        if entry.has_ended_run:
            cost = RunCost(entry.next_duration)
            epochs = least = costs.epochs(entry)
        demands.append(
            Demand(
                entry.name,
                cost,
                epochs,
                least,
                done=len(entry.run_durations),
                is_control=entry.role == "control",
                control_runs=plan.runs_per_seed,
                extra=costs.features_to_come(entry),
            )
        )
    return demands


def needed_seconds(plan: ComparisonPlan, costs: EntryCosts, clock: ComparisonClock) -> float:
    """Return a time limit that gives every contender its fewest epochs at all seeds."""
    ended = sum(sum(entry.run_durations) for entry in plan.requested)
    spent = clock.limit_seconds - clock.left_seconds() - ended
    demands = [replace(demand, done=0) for demand in entry_demands(plan.requested, plan, costs)]
    return _MARGIN * (spent + least_seconds(demands, plan.seeds))


def _divide_with_planned(
    demands: Sequence[Demand],
    cut: Sequence[ComparisonEntry],
    left: float,
    plan: ComparisonPlan,
    costs: EntryCosts,
) -> Division:
    """Return the division in which contenders keep the epochs that were planned together.

    Args:
        demands: The demands of all entries.
        cut: The contenders with an ended run that the limit cut.
        left: Seconds that are left.
        plan: The plan.
        costs: The costs of its runs.
    """
    entries = {entry.name: entry for entry in plan.entries}
    longest = max(median(entry.run_durations) for entry in cut)
    kept = []
    for demand in demands:
        planned = costs.epochs(entries[demand.name])
        most = max(planned, min(demand.epochs, demand.cost.epochs(longest)))
        kept.append(replace(demand, least=planned, epochs=most))
    return divide(kept, plan.seeds, left, plan.runs_per_seed)
