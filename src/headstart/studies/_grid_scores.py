"""The scores of a grid over its seeds, and the fields that the findings of grids share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.data import SplitDataset
from headstart.evaluation import accuracy_interval
from headstart.features import prepare_features
from headstart.models import is_backbone
from headstart.models.recipes import Recipe
from headstart.results import (
    EvaluationPart,
    PartMetrics,
    SeedScores,
    SeedSpread,
    read_metrics,
)
from headstart.studies._folds import StudyFolds
from headstart.studies._grid import Grid, Variant
from headstart.studies._study import StudyContext
from headstart.training import read_correct


def seed_scores(
    variant: Variant,
    part: EvaluationPart,
    groups: NDArray[np.int64] | None = None,
    grid: Grid | None = None,
) -> SeedScores | None:
    """Return accuracy and loss of a variant over its finished runs; None if not measured.

    The band of the accuracy is its 95% interval: over images or groups of images and, with several
    runs, over seeds. That of the loss reaches from the lowest to the highest seed.

    Args:
        variant: The variant.
        part: The part of the split.
        groups: Int64 array of shape (N,) with the group of each image of the part, or None.
        grid: The grid, if it may have folds. The scores are then those of all folds together.
    """
    if grid is not None and grid.folds is not None:
        return _fold_scores(variant, grid.folds, grid.seeds)
    scores = finished_scores(variant, part)
    if not scores:
        return None
    correct = np.stack([read_correct(run, part) for run in variant.runs.values()])
    low, high = accuracy_interval(correct, groups=groups)
    accuracies = [score.accuracy for score in scores]
    losses = [score.loss for score in scores]
    return SeedScores(
        accuracy=SeedSpread(
            mean=float(np.mean(accuracies)), low=low, high=high, per_seed=tuple(accuracies)
        ),
        loss=SeedSpread(
            mean=float(np.mean(losses)),
            low=min(losses),
            high=max(losses),
            per_seed=tuple(losses),
        ),
    )


def _fold_scores(
    variant: Variant, folds: StudyFolds, run_numbers: Sequence[int]
) -> SeedScores | None:
    """Return accuracy and loss of a variant over all folds, per repeat; None if a run failed."""
    if not all(number in variant.runs for number in run_numbers):
        return None
    repeats = folds.complete_repeats(run_numbers)
    correct = folds.read_correct(variant.runs, repeats)
    metrics = {number: read_metrics(run) for number, run in variant.runs.items()}
    scores, losses = folds.scores(metrics, correct, repeats), folds.losses(metrics, repeats)
    assert scores.interval is not None, "folds have an interval"
    low, high = scores.interval
    return SeedScores(
        accuracy=SeedSpread(mean=scores.accuracy, low=low, high=high, per_seed=scores.per_seed),
        loss=SeedSpread(mean=scores.loss, low=min(losses), high=max(losses), per_seed=losses),
    )


def finished_scores(variant: Variant, part: EvaluationPart) -> list[PartMetrics]:
    """Return the metrics of the finished runs on one part; empty if it was not measured."""
    parts = [read_metrics(run).part(part) for run in variant.runs.values()]
    return [scores for scores in parts if scores is not None]


def grid_fields(
    grid: Grid, context: StudyContext, part: EvaluationPart, time_limit: float | None
) -> dict[str, object]:
    """Return the fields that the findings of all grids share, as keyword arguments."""
    runs = sum(len(variant.runs) for variant in grid.variants) // grid.runs_per_seed
    budget = context.budget(time_limit, grid.seeds_of_runs)
    common = context.common_fields(part, runs if part == "test" else 0, budget)
    if grid.folds is not None:
        common |= grid.folds.finding_fields(common, budget, grid.seeds_of_runs)
    return {**common, "seeds": grid.seeds_of_runs}


def with_features(recipe: Recipe, data: SplitDataset) -> Recipe:
    """Compute the features of a backbone and return the recipe with its image size decided.

    Recipes without a backbone are returned unchanged.
    """
    if not is_backbone(recipe.model):
        return recipe
    prepared, _ = prepare_features(recipe, data, 0)
    return prepared
