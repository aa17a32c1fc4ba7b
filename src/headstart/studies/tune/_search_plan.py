"""The plan of a search: its rungs, its share of the time limit, and when it stops early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

from headstart import progress
from headstart.data import SplitDataset
from headstart.formatting import approximate_duration, counted
from headstart.models.recipes import Recipe
from headstart.studies.tune._config import TuningConfig
from headstart.studies.tune._time_plan import (
    MOST_PROMOTED,
    RESERVED,
    TimePlan,
    divide_time,
    least_limit,
)
from headstart.training import expected_seconds

DEFAULT_TRIALS = 24

# Recipes without gain after which a search stops: one and a half generations.
_LEAST_WITHOUT_GAIN = 12


class RungPlan(TypedDict):
    """The plan of one rung.

    Attributes:
        epochs: Epochs of each run.
        trials: Number of recipes; None for as many as fit into the time limit.
    """

    epochs: float
    trials: int | None


class SearchPlan(TypedDict):
    """The plan of a search: decided before its first trial, corrected after the second.

    Attributes:
        epochs: Epochs of a full run.
        seconds: Seconds of a full run.
        rungs: The rungs, from the first to the last.
        seeds: Seeds of the final runs.
        ends: Seconds after which the last run ends; None without a time limit.
        searches: False if the time limit is only enough to train the default recipe.
        retrains: False if the full runs of the search are the final runs.
    """

    epochs: float
    seconds: float
    rungs: list[RungPlan]
    seeds: int
    ends: float | None
    searches: bool
    retrains: bool


def plan_search(
    config: TuningConfig,
    defaults: Recipe,
    data: SplitDataset,
    elapsed: float,
    slots: int,
    seconds: float | None = None,
) -> SearchPlan:
    """Plan the epochs and the number of recipes of each rung.

    Args:
        config: The configuration. With a time limit, see `divide_time`.
        defaults: The resolved default recipe.
        data: The training and validation images.
        elapsed: Seconds that the search has taken so far.
        slots: Runs that are trained side by side.
        seconds: Seconds of a full run; None to measure them.
    """
    epochs = defaults.epochs
    assert epochs is not None, "resolve the recipe first"
    if seconds is None:
        seconds = expected_seconds(defaults, data)
    time_plan = TimePlan(MOST_PROMOTED, config.seeds, retrains=True)
    ends = None
    if config.time_limit is not None:
        left = config.time_limit - elapsed
        time_plan = divide_time((1 - RESERVED) * left, seconds, config.seeds, slots)
        ends = elapsed + (1 - RESERVED) * left

    trials = config.trials or (DEFAULT_TRIALS if config.time_limit is None else None)
    fractions = config.rungs
    if not time_plan.searches:
        trials, fractions = 1, tuple(1.0 for _ in config.rungs)
    promoted = min(time_plan.promoted, trials or DEFAULT_TRIALS)
    counts = [trials, *_promoted_counts(trials or DEFAULT_TRIALS, promoted, len(config.rungs))]
    rungs: list[RungPlan] = [
        {"epochs": round(fraction * epochs, 3), "trials": count}
        for fraction, count in zip(fractions, counts, strict=True)
    ]
    return {
        "epochs": epochs,
        "seconds": round(seconds, 3),
        "rungs": rungs,
        "seeds": time_plan.seeds,
        "ends": ends,
        "searches": time_plan.searches,
        "retrains": time_plan.retrains,
    }


def divide_again(
    plan: SearchPlan, config: TuningConfig, seconds: float, elapsed: float, slots: int
) -> SearchPlan:
    """Return the plan after the full run of the defaults, by the seconds that it took.

    A slower machine costs seeds first, then recipes with a full run. A faster machine gains them,
    but the final runs of a search that does not retrain are trained already.

    Args:
        plan: The plan by the expected seconds.
        config: The configuration.
        seconds: Measured seconds of a full run.
        elapsed: Seconds that the search has taken so far, with the runs of the defaults.
        slots: Runs that are trained side by side.
    """
    plan = {**plan, "seconds": round(seconds, 3)}
    if plan["ends"] is None or not plan["retrains"]:
        return plan
    first = plan["rungs"][0]
    of_defaults = seconds * (1 + first["epochs"] / plan["epochs"])
    usable = plan["ends"] - elapsed + of_defaults
    time_plan = divide_time(usable, seconds, config.seeds, slots)

    trials = first["trials"] or DEFAULT_TRIALS
    promoted = min(max(1, time_plan.promoted), trials)
    counts = _promoted_counts(trials, promoted, len(plan["rungs"]))
    higher: list[RungPlan] = [
        {"epochs": rung["epochs"], "trials": count}
        for rung, count in zip(plan["rungs"][1:], counts, strict=True)
    ]
    return {
        **plan,
        "rungs": [first, *higher],
        "seeds": time_plan.seeds,
        "retrains": time_plan.retrains,
    }


def _promoted_counts(trials: int, promoted: int, rungs: int) -> list[int]:
    """Return the recipes per rung above the first, spaced evenly on a log scale."""
    steps = rungs - 1
    if not promoted:
        return [0] * steps
    ratios = [(promoted / trials) ** (step / steps) for step in range(1, steps + 1)]
    return [max(1, round(trials * ratio)) for ratio in ratios]


def report_plan(plan: SearchPlan, config: TuningConfig, slots: int, elapsed: float) -> None:
    """Report a plan before the first trial.

    Args:
        plan: The plan.
        config: The configuration.
        slots: Runs that are trained side by side.
        elapsed: Seconds that the search has taken so far.
    """
    if not plan["searches"]:
        needed = math.ceil(elapsed + least_limit(plan["seconds"]))
        progress.say(
            f"tune {config.model}: the time limit is too short for a search. The default recipe is "
            "trained, and continued if time is left and its validation loss still falls. A search "
            f"needs about --time-limit {needed}s."
        )
        return

    rungs = plan["rungs"]
    final = f"{counted(plan['seeds'], 'seed')} of the best and of the defaults"
    if not plan["retrains"]:
        final = f"the best and the defaults x {plan['epochs']:.3g} epochs"
        rungs = rungs[:-1]
    counts = [
        f"{rung['trials'] or 'as many as fit'} x {rung['epochs']:.3g} epochs" for rung in rungs
    ]
    seconds, bound = config.time_limit, "at most"
    if seconds is None:
        epochs = sum((rung["trials"] or 0) * rung["epochs"] for rung in rungs)
        full_runs = epochs / plan["epochs"] + 2 * plan["seeds"]
        seconds, bound = plan["seconds"] * full_runs / slots, "about"
    progress.say(
        f"tune {config.model}: recipes {', then '.join(counts)}, then {final}; "
        f"{bound} {approximate_duration(seconds)}."
    )


def has_converged(accuracies: Sequence[float], validation_images: int) -> bool:
    """Return whether the later half of the recipes brought no gain above one standard error.

    Among n recipes in random order, the best is equally likely to be any of them. So half as many
    recipes again would hold a better one with a probability of a third at most, and the model of
    the search has had time to do better than random order.

    Args:
        accuracies: Validation accuracy of each finished recipe, in their order.
        validation_images: Number of validation images.
    """
    half = len(accuracies) // 2
    if half < _LEAST_WITHOUT_GAIN:
        return False
    before, after = max(accuracies[:half]), max(accuracies[half:])
    error = math.sqrt(before * (1 - before) / validation_images)
    if after - before > error:
        return False
    progress.say(
        f"the search stops after {len(accuracies)} recipes: the last {len(accuracies) - half} "
        "brought no gain above one standard error."
    )
    return True
