"""The same budget for every recipe of a search, counted in multiply-adds: the same on every machine and executor."""

from __future__ import annotations

import math

from headstart.data import Dataset, SplitDataset
from headstart.models.recipes import Recipe, resolve
from headstart.training import work_of

_BACKWARD = 3  # forward and backward pass in units of a forward one; backward computes two products for each of forward's


def within_budget(
    recipe: Recipe, defaults: Recipe, epochs: float, data: SplitDataset
) -> Recipe | None:
    """The recipe with as many epochs as the defaults' multiply-adds in `epochs` epochs pay for, and never more than `epochs`.

    Validation after each epoch and the optimizer's own work count: larger networks and smaller batches train for less.

    Returns:
        The recipe with everything decided; None when the budget does not pay for one step.

    Raises:
        InputError: the images are too small for this network.
    """
    images, judged = len(data.split.train), len(data.split.validation)
    recipe = resolve(recipe, images, data.class_names)
    step, judging = _costs(recipe, data.dataset, images, judged)
    usual_step, usual_judging = _costs(defaults, data.dataset, images, judged)
    steps = max(1, images // _batch(recipe, images))
    budget = (
        epochs * usual_step * max(1, images // _batch(defaults, images))
        + math.ceil(epochs) * usual_judging
    )
    whole = min(epochs, budget / (steps * step + judging))
    if whole < 1:
        whole = min(epochs, 1.0, (budget - judging) / (steps * step))
    return (
        None if whole * steps < 1 - 1e-9 else recipe.model_copy(update={"epochs": round(whole, 3)})
    )


def _costs(recipe: Recipe, dataset: Dataset, images: int, judged: int) -> tuple[float, float]:
    """Multiply-adds of a step, and of judging all validation images."""
    work = work_of(recipe, dataset)
    return _BACKWARD * work.image * _batch(recipe, images) + work.step, work.image * judged


def _batch(recipe: Recipe, images: int) -> int:
    assert recipe.batch is not None, "resolve the recipe first"
    return min(recipe.batch, images)
