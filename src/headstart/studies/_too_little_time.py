"""Contenders for which there is too little time: they are left out, or the study is refused."""

from __future__ import annotations

from collections.abc import Sequence

from headstart import progress
from headstart.errors import InputError
from headstart.formatting import enumeration
from headstart.studies._comparison_clock import ComparisonClock
from headstart.studies._comparison_division import entry_demands, needed_seconds
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._entry_costs import EntryCosts
from headstart.studies._too_short import answering_command, describe_need

_MIN_SECONDS_PER_RUN = 0.2


def leave_out(
    names: Sequence[str], plan: ComparisonPlan, costs: EntryCosts, clock: ComparisonClock
) -> None:
    """Leave contenders out, for which there is no time.

    Raises:
        InputError: Too few are left for a verdict, and no contender has runs that test all
            images.
    """
    if not names:
        return
    demands = {demand.name: demand for demand in entry_demands(plan.contenders, plan, costs)}
    for name in names:
        plan.left_out[name] = describe_need(demands[name], plan.runs_per_seed)
    most_runs = max(len(entry.run_durations) for entry in plan.requested)
    is_refused = not plan.can_decide and most_runs < plan.runs_per_seed
    if is_refused:
        _time_features_to_come(plan, costs)
    plan.needed_seconds = needed_seconds(plan, costs, clock)
    if is_refused:
        raise InputError(
            f"a time limit of {clock.limit_seconds:g} s is too short for a verdict. "
            f"{enumeration(list(plan.left_out.values()))}.",
            answering_command(plan.needed_seconds, clock.context.command),
        )
    for name in names:
        progress.say(f"{name} is left out: there is no time for it.")


def require_time(plan: ComparisonPlan, costs: EntryCosts, clock: ComparisonClock) -> None:
    """Require some time for each run.

    Raises:
        InputError: The preparation has taken nearly all of the time.
    """
    runs = len(plan.contenders) * plan.runs_per_seed
    if clock.left_seconds() >= _MIN_SECONDS_PER_RUN * runs:
        return
    raise InputError(
        f"a time limit of {clock.limit_seconds:g} s leaves less than {_MIN_SECONDS_PER_RUN:g} s "
        "for each run.",
        answering_command(needed_seconds(plan, costs, clock), clock.context.command),
    )


def _time_features_to_come(plan: ComparisonPlan, costs: EntryCosts) -> None:
    """Time the features of frozen contenders that were not timed yet."""
    for entry in plan.requested:
        is_known = entry.is_prepared or entry.name in costs.feature_seconds
        if entry.recipe.on_features and not is_known:
            costs.time_features(entry)
