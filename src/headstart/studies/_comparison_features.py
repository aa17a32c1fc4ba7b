"""The features of a comparison's backbones, computed at an image size that its time allows."""

from __future__ import annotations

from headstart import progress
from headstart.features import FEATURES_FRACTION, FeatureWatch, prepare_features
from headstart.models import is_backbone
from headstart.models.recipes import Recipe, with_net
from headstart.studies._comparison_clock import ComparisonClock
from headstart.studies._comparison_division import entry_demands
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._entry_costs import EntryCosts

# Steps that were timed at a slow moment must not take all time from the features: these get at
# least this fraction of an equal share.
_LEAST_FEATURE_SHARE = 0.25

# Features are given up if their first half shows that they do not fit. Their pace is known after so
# many seconds, without the first batches, which load what is loaded once.
_WATCHED_SHARE, _LEAST_SECONDS = 0.5, 0.5


class FeaturesTooSlow(Exception):
    """The features take longer than there is time for them, so they are given up."""


def prepare(
    entry: ComparisonEntry,
    plan: ComparisonPlan,
    costs: EntryCosts,
    recipe: Recipe | None = None,
    watch: FeatureWatch | None = None,
) -> None:
    """Compute the features of an entry, at the decided or usual image size.

    Args:
        entry: A contender, or a control, which gets the image size of its contender.
        plan: The plan.
        costs: The costs of its runs.
        recipe: The recipe with the image size; None for that of the entry.
        watch: Called after each batch. What it raises gives the features up.
    """
    if not is_backbone(entry.recipe.model):
        return
    progress.say(f"{entry.name}: computing features once for all seeds")
    recipe = recipe or with_net(entry.recipe, **plan.decided_input_size(entry))
    prepared = prepare_features(recipe, costs.data(entry), entry.seeds[0], watch)
    entry.recipe, entry.prepare_seconds = prepared
    entry.is_prepared = True
    costs.feature_seconds[entry.name] = entry.prepare_seconds


def prepare_in_time(
    entry: ComparisonEntry,
    plan: ComparisonPlan,
    costs: EntryCosts,
    clock: ComparisonClock,
    *,
    is_watched: bool,
) -> None:
    """Compute the features of a frozen contender, at a size that fits into the time.

    A size that the recipe has is kept.

    Args:
        entry: The contender.
        plan: The plan.
        costs: The costs of its runs.
        clock: The time that is left.
        is_watched: Whether the features may be given up.

    Raises:
        FeaturesTooSlow: The first batches show that they do not fit. What is done remains.
    """
    recipe = entry.recipe
    if not has_input_size(entry):
        recipe = with_net(recipe, input_px=_affordable_size(entry, plan, costs, clock))
    watch = None
    if is_watched:
        watch = _watch(_seconds_for_features(plan, costs, clock))
    prepare(entry, plan, costs, recipe, watch)


def _affordable_size(
    entry: ComparisonEntry, plan: ComparisonPlan, costs: EntryCosts, clock: ComparisonClock
) -> int:
    """Return the image size whose features fit into the time of a frozen contender.

    Its control takes as long again. If even the smallest images are too slow for both, the
    control is left out. If they are too slow for an equal share, on a busy machine, the others
    keep what they need at least, and the features may take all the rest.
    """
    equal = clock.left_seconds() / len(plan.contenders)
    rest = _seconds_for_features(plan, costs, clock)
    share = max(_LEAST_FEATURE_SHARE * equal, min(equal, rest))
    choices = [share, equal]
    if any(other.model_name == entry.name for other in plan.controls):
        choices.insert(0, share / 2)

    progress.say(f"{entry.name}: timing its features")
    timer = costs.feature_timer(entry)
    for seconds in choices:
        size = timer.largest_size(FEATURES_FRACTION * seconds)
        if size is not None:
            return size
        plan.has_controls = False
    return timer.smallest_size


def _seconds_for_features(plan: ComparisonPlan, costs: EntryCosts, clock: ComparisonClock) -> float:
    """Return the seconds that the features of a contender may take at most.

    The others keep what they need for one seed with their fewest epochs. Contenders that wait for
    their features, too, get the same time for them.
    """
    runs, others = plan.runs_per_seed, 0.0
    for demand in entry_demands(plan.contenders, plan, costs):
        if not demand.is_control:
            others += demand.total_seconds(demand.least, runs) - demand.extra
    waiting = [other for other in plan.contenders if other.waits_for_features]
    return (clock.left_seconds() - others) / max(1, len(waiting))


def has_input_size(entry: ComparisonEntry) -> bool:
    """Return whether the recipe of a backbone has an image size."""
    return entry.recipe.net.model_dump(include={"input_px"})["input_px"] is not None


def _watch(most_seconds: float) -> FeatureWatch:
    """Return a watch that gives features up as soon as they are known to take too long.

    More than half of them are completed: smaller ones would hardly be faster.
    """
    first: list[tuple[int, float]] = []

    def watch(done: int, images: int, seconds: float) -> None:
        if not first:
            first.append((done, seconds))
        elapsed = seconds - first[0][1]
        if elapsed < _LEAST_SECONDS or done > _WATCHED_SHARE * images:
            return
        per_image = elapsed / (done - first[0][0])
        if seconds + per_image * (images - done) > most_seconds:
            raise FeaturesTooSlow

    return watch
