"""The plan of a search: its rungs, its share of the time limit, and when it stops early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

from headstart import progress
from headstart.data import SplitDataset
from headstart.formatting import approximate_duration
from headstart.models.recipes import Recipe
from headstart.studies.tune._config import TuningConfig
from headstart.studies.tune._time_plan import TimePlan, divide_time
from headstart.training import expected_seconds

DEFAULT_TRIALS = 24
_FULL_RUNS = 4  # recipes that reach the last rung

# The short run of the default recipe where nothing is searched: it costs little.
_SHORT_RUN = 0.05
# What `divide_time` needs for a search with one seed, in full runs.
_FULL_RUNS_TO_SEARCH = 5

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
    """The plan of a search, decided before its first trial.

    Attributes:
        epochs: Epochs of a full run.
        seconds: Seconds of a full run.
        rungs: The rungs, from the first to the last.
        seeds: Seeds of the final runs.
        ends: Seconds after which the first and the last rung end; None without a time limit.
        searches: False if the time limit is only enough to train the default recipe.
    """

    epochs: float
    seconds: float
    rungs: list[RungPlan]
    seeds: int
    ends: tuple[float, float] | None
    searches: bool


def plan_search(
    config: TuningConfig, defaults: Recipe, data: SplitDataset, elapsed: float, slots: int
) -> SearchPlan:
    """Plan the epochs and the number of recipes of each rung.

    Args:
        config: The configuration. With a time limit, see `divide_time`.
        defaults: The resolved default recipe.
        data: The training and validation images.
        elapsed: Seconds that the search has taken so far.
        slots: Runs that are trained side by side.
    """
    epochs = defaults.epochs
    assert epochs is not None, "resolve the recipe first"
    seconds = expected_seconds(defaults, data)
    time_plan = TimePlan(epochs, seconds, config.seeds, 0.0, 0.0)
    ends = None
    if config.time_limit is not None:
        left = config.time_limit - elapsed
        time_plan = divide_time(left, epochs, seconds, config.seeds, slots)
        ends = (elapsed + time_plan.first_rung_ends, elapsed + time_plan.last_rung_ends)

    trials = config.trials or (DEFAULT_TRIALS if config.time_limit is None else None)
    counts = [trials, *_promoted_counts(trials or DEFAULT_TRIALS, len(config.rungs))]
    fractions = config.rungs
    if not time_plan.searches:
        counts = [1, *[0 for _ in counts[1:]]]
        images = len(data.split.train)
        two_steps = 2 * min(images, defaults.batch or images) / images / time_plan.epochs
        fractions = (max(_SHORT_RUN, two_steps), *fractions[1:])
    rungs: list[RungPlan] = [
        {"epochs": round(fraction * time_plan.epochs, 3), "trials": count}
        for fraction, count in zip(fractions, counts, strict=True)
    ]
    return {
        "epochs": time_plan.epochs,
        "seconds": round(time_plan.seconds, 3),
        "rungs": rungs,
        "seeds": time_plan.seeds,
        "ends": ends,
        "searches": time_plan.searches,
    }


def _promoted_counts(trials: int, rungs: int) -> list[int]:
    """Return the recipes per rung above the first, spaced evenly on a log scale."""
    last = min(_FULL_RUNS, trials)
    steps = rungs - 1
    ratios = [(last / trials) ** (step / steps) for step in range(1, steps + 1)]
    return [max(1, round(trials * ratio)) for ratio in ratios]


def report_plan(plan: SearchPlan, config: TuningConfig, defaults: Recipe, slots: int) -> None:
    """Report a plan before the first trial."""
    if not plan["searches"]:
        full_run = plan["seconds"] * (defaults.epochs or plan["epochs"]) / plan["epochs"]
        needed = math.ceil(_FULL_RUNS_TO_SEARCH * full_run)
        progress.say(
            f"tune {config.model}: the time limit is too short for a search. The default recipe is "
            f"trained instead. A search needs about --time-limit {needed}s."
        )
        return

    rungs = plan["rungs"]
    counts = [
        f"{rung['trials'] or 'as many as fit'} x {rung['epochs']:.3g} epochs" for rung in rungs
    ]
    seconds, bound = config.time_limit, "at most"
    if seconds is None:
        epochs = sum((rung["trials"] or 0) * rung["epochs"] for rung in rungs)
        full_runs = epochs / plan["epochs"] + 2 * plan["seeds"]
        seconds, bound = plan["seconds"] * full_runs / slots, "about"
    progress.say(
        f"tune {config.model}: recipes {', then '.join(counts)}, "
        f"then {plan['seeds']} seeds of the best and of the defaults; "
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
