"""The features of a comparison's backbones, computed at an image size that its time allows."""

from __future__ import annotations

from headstart import progress
from headstart.features import FEATURES_FRACTION, FeatureTimer, prepare_features
from headstart.models import is_backbone
from headstart.models.recipes import with_net
from headstart.studies._comparison_clock import ComparisonClock
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._entry_costs import EntryCosts
from headstart.studies._too_little_time import leave_out_for_features

# Steps that were timed at a slow moment must not take all time from the features: these get at
# least this fraction of an equal share.
_LEAST_FEATURE_SHARE = 0.25
# Of the time that the others leave, if the smallest images do not fit into an equal share. Three of
# three `make demo` ended without a result there (benchmarks/time_limits.md).
_LARGEST_FEATURES_FRACTION = 0.95


def prepare(entry: ComparisonEntry, plan: ComparisonPlan, costs: EntryCosts) -> None:
    """Compute the features of an entry, at the decided or usual image size.

    Args:
        entry: A contender, or a control, which gets the image size of its contender.
        plan: The plan.
        costs: The costs of its runs.
    """
    if not is_backbone(entry.recipe.model):
        return
    progress.say(f"{entry.name}: computing features once for all seeds")
    recipe = with_net(entry.recipe, **plan.decided_input_size(entry))
    prepared = prepare_features(recipe, costs.data(entry), entry.seeds[0])
    entry.recipe, entry.prepare_seconds = prepared
    entry.is_prepared = True


def prepare_in_time(
    entry: ComparisonEntry,
    waiting: int,
    plan: ComparisonPlan,
    costs: EntryCosts,
    clock: ComparisonClock,
) -> bool:
    """Compute the features of a frozen contender, at a size that fits into the time.

    Args:
        entry: The contender.
        waiting: Number of frozen contenders without features, this one included.
        plan: The plan.
        costs: The costs of its runs.
        clock: The time that is left.

    Returns:
        False if there is no time for them. Then the contender is left out.

    Raises:
        InputError: There is no time for them, and without the contender there is no verdict.
    """
    if entry.recipe.net.model_dump(include={"input_px"})["input_px"] is None:
        size = _affordable_size(entry, waiting, plan, costs, clock)
        if size is None:
            return False
        entry.recipe = with_net(entry.recipe, input_px=size)
    prepare(entry, plan, costs)
    return True


def _affordable_size(
    entry: ComparisonEntry,
    waiting: int,
    plan: ComparisonPlan,
    costs: EntryCosts,
    clock: ComparisonClock,
) -> int | None:
    """Return the image size whose features fit into the time of a frozen contender.

    Its control takes as long again. If even the smallest images are too slow for both, the
    control is left out. If they are too slow for an equal share, on a busy machine, the others
    keep what they need at least, and the features may take all the rest.

    Returns:
        The image size. None if there is not enough time even then, and the others are enough
        for a verdict.

    Raises:
        InputError: There is not enough time, and without it there is no verdict.
    """
    left = clock.left_seconds()
    iterative = sum(
        plan.runs_per_seed * costs.costs[other.name].seconds(other.least_epochs)
        for other in plan.contenders
        if other.name in costs.costs and not other.recipe.on_features
    )
    equal, rest = left / len(plan.contenders), (left - iterative) / waiting
    share = max(_LEAST_FEATURE_SHARE * equal, min(equal, rest))
    choices = [FEATURES_FRACTION * share, FEATURES_FRACTION * equal]
    choices.append(_LARGEST_FEATURES_FRACTION * rest)
    if any(other.model_name == entry.name for other in plan.controls):
        choices.insert(0, choices[0] / 2)

    progress.say(f"{entry.name}: timing its features")
    timer = FeatureTimer(entry.recipe, costs.data(entry))
    for seconds in choices:
        size = timer.largest_size(seconds)
        if size is not None:
            return size
        plan.has_controls = False

    costs.feature_seconds[entry.name] = timer.least_seconds
    leave_out_for_features(entry, timer.describe_excess(choices[-1]), plan, costs, clock)
    return None
