"""More epochs for the default recipe, where a time limit leaves no time for another recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart import progress, store
from headstart.data import SplitDataset
from headstart.execution import Job, Where, open_executor, run_all
from headstart.formatting import one_line
from headstart.results import read_metrics
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.training import read_curves, read_run

if TYPE_CHECKING:
    from pathlib import Path

    from headstart.studies.tune._successive_halving import Search

_REMEMBERED, _FAILURE = "more epochs", "failure of more epochs"

# Fewer more epochs than a short run of the search has are not worth their evaluation.
_LEAST_SHARE = 1 / 6

# A run with fewer of its epochs was stopped early, by its time limit or by `patience`.
_COMPLETE = 0.99

# The validation loss still falls if it is lowest in this last part of the epochs, and in so many at
# least: one of four epochs may be lower than the next one by chance.
_LAST_SHARE, _LAST_EPOCHS = 1 / 4, 2


@dataclass(frozen=True)
class MoreEpochs:
    """The decision how the time after the run of the default recipe is used.

    Attributes:
        defaults: Epochs of the default recipe.
        epochs: Epochs of the continued run; None if it is not continued.
        time_limit: Seconds for the further epochs.
        lowest: The epoch with the lowest validation loss.
    """

    defaults: float
    epochs: float | None
    time_limit: float
    lowest: int


def decided_more_epochs(search: Search) -> MoreEpochs | None:
    """Return the decision about more epochs; None if no time was left to decide about."""
    stored: dict[str, Any] | None = search.trials.recall(_REMEMBERED)
    return None if stored is None else MoreEpochs(**stored)


def failure_of_more_epochs(search: Search) -> str:
    """Return why the run of the defaults could not be continued; "" if that did not fail."""
    return search.trials.recall(_FAILURE) or ""


def continue_defaults(
    search: Search, defaults: ComparisonEntry, data: SplitDataset
) -> ComparisonEntry | None:
    """Continue the run of the defaults in the time that is left, if more epochs may help.

    A recipe cannot be searched in less than 1.5 full runs. More epochs of the default recipe can
    take any time. The run continues from its last state, and the learning rate from where it would
    be in the longer run. The validation images decide which of the two is kept.

    Args:
        search: The finished search.
        defaults: The default recipe, with its final run.
        data: The data with test images.

    Returns:
        The continued run as the tuned recipe; None if the defaults are not continued, or if that
        failed.
    """
    run = next(iter(defaults.runs.values()), None)
    if run is None or not _is_alone(search):
        return None
    decision = decided_more_epochs(search)
    if decision is None:
        decision = _decide(search, run)
        if decision is None:
            return None
        search.trials.remember(_REMEMBERED, vars(decision))
    if decision.epochs is None or failure_of_more_epochs(search):
        return None

    about = read_run(run)
    longer = {"epochs": decision.epochs, "time_limit": decision.time_limit}
    recipe = about.recipe.model_copy(update=longer)
    folder = run.with_name(f"tuned-seed{about.seed}")
    job = Job(f"tuned, seed {about.seed}", recipe, about.seed, folder, after=run)
    entry = replace(defaults, name="tuned", recipe=recipe, runs={}, failures={}, run_durations=[])
    # In this process: a worker on another machine does not have the run that is continued.
    with open_executor(Where(), data) as executor:
        outcome = next(run_all(executor, [job]))
    if outcome.reason is not None:
        failure = one_line(outcome.message) or outcome.reason
        search.trials.remember(_FAILURE, failure)
        progress.say(f"{job.name}: failed ({outcome.reason}): {outcome.message}")
        return None
    entry.runs[about.seed] = folder
    return entry


def _is_alone(search: Search) -> bool:
    """Return whether the time limit left no time for another recipe than the defaults."""
    is_for_time = search.config.time_limit is not None and search.config.trials != 1
    is_only_one = len(search.trials.all()) == 1 and not search.plan["retrains"]
    return is_for_time and is_only_one and search.part is None


def _decide(search: Search, run: Path) -> MoreEpochs | None:
    """Return what to do with the time that is left; None if it is too little."""
    ends, epochs = search.plan["ends"], search.defaults.epochs
    assert ends is not None and epochs is not None, "there is a time limit, and a resolved recipe"
    trained, seconds = read_metrics(run).epochs, _full_seconds(search)
    if trained < _COMPLETE * epochs or store.read_json(run / "plan.json")["stages"] is not None:
        return None
    left = ends - search.clock()
    share = left / seconds
    if share < _LEAST_SHARE:
        return None
    losses = read_curves(run)["validation_loss"]
    lowest = int(np.nanargmin(losses))
    if lowest < len(losses) - max(_LAST_EPOCHS, _LAST_SHARE * len(losses)):
        return MoreEpochs(trained, None, 0.0, lowest + 1)
    return MoreEpochs(trained, round(trained * (1 + share), 3), round(left, 1), lowest + 1)


def _full_seconds(search: Search) -> float:
    """Return the seconds that the full run of the defaults took."""
    full = _COMPLETE * search.plan["epochs"]
    for rung in search.rungs:
        if 0 in rung and rung[0].facts.get("epochs", 0.0) >= full:
            return max(rung[0].facts["seconds"], 1e-3)
    return search.full_seconds()
