"""The final runs of a search: those of its best recipe and of the defaults, with new seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headstart import progress
from headstart.data import SplitDataset
from headstart.formatting import approximate_duration, counted
from headstart.results import read_metrics
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._grid import copy_finished_grid_runs
from headstart.studies._grid_runs import run_grid
from headstart.studies._metric_scores import metric_scores
from headstart.studies.tune._more_epochs import continue_defaults
from headstart.studies.tune._successive_halving import Search


def retrain(search: Search, data: SplitDataset) -> list[ComparisonEntry]:
    """Train the best recipe and the defaults over seeds that took no part in the selection.

    Where the full runs of the search are the final runs, those that exist are taken. If no other
    recipe was tried, the run of the defaults may be continued; see `continue_defaults`.

    Args:
        search: The finished search.
        data: The data that the executor shares.

    Raises:
        RunFailed: No run finished.
    """
    if not search.plan["retrains"]:
        search.promote_best()
    seeds = search.trials.remember("seeds", search.trials.recall("seeds") or search.final_seeds())
    grid = search.final_grid(seeds)
    variants = grid.variants
    if search.plan["retrains"]:
        seconds = search.full_seconds() * seeds * len(variants) / search.executor.slots
        progress.say(
            f"retraining over {counted(seeds, 'new seed')}, about {approximate_duration(seconds)}."
        )
    copy_finished_grid_runs(grid, data, search.folder)
    run_grid(grid, search.executor, search.folder, "final runs")
    entries = [
        ComparisonEntry(
            variant.name,
            "contender",
            variant.recipe,
            grid.seeds,
            runs=variant.runs,
            failures={
                seed: f"seed {seed} failed: {reason}" for seed, reason in variant.failures.items()
            },
        )
        for variant in variants
    ]
    continued = continue_defaults(search, entries[-1], data)
    return entries if continued is None else [continued, *entries]


def retrained_scores(entries: Sequence[ComparisonEntry]) -> dict[str, float]:
    """Return the validation scores of the retrained recipes by name, as means over seeds.

    It is the metric of the search; the accuracy, where the search selects by the loss. Recipes
    without a finished run are left out.
    """
    scores = {}
    for entry in entries:
        if not entry.runs:
            continue
        of_metric = metric_scores(entry, "validation")
        if of_metric is not None:
            scores[entry.name] = of_metric.score
            continue
        parts = [read_metrics(run).validation for run in entry.runs.values()]
        scores[entry.name] = float(np.mean([part.accuracy for part in parts if part is not None]))
    return scores


def kept_recipe(entries: Sequence[ComparisonEntry], scores: Mapping[str, float]) -> str:
    """Return the name of the recipe to keep: the defaults, unless the other one has a higher score.

    A recipe of which a run failed comes after one whose runs all finished.

    Args:
        entries: The retrained recipes.
        scores: Their validation scores, by name.
    """
    failed = {entry.name for entry in entries if entry.failures}
    names = sorted(scores, key=lambda name: name != "defaults")
    # A recipe that diverges with one seed of three must not win by the other two.
    return max(names, key=lambda name: (name not in failed, scores[name]))
